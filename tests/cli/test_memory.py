"""Memory on the real Gemma 3 270M, file mappings aside."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnxquant_tools.product import gemma, scratch_folder
from program import BINARY

LIMIT = 256 << 20


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the test."""
    with scratch_folder("memory") as folder:
        yield folder


def _anonymous(process: int) -> int:
    """Return a process's resident bytes that are no file's; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields.get("RssAnon", "0 kB").split()[0]) * 1024


def _peak(command: list[str]) -> tuple[int, str, int]:
    """Run a command and return its status, its messages, and the largest sample."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.005)
    assert process.stderr is not None
    with process.stderr:
        return process.returncode, process.stderr.read(), peak


def test_sampling_sees_memory_that_is_used() -> None:
    _, _, peak = _peak(["python3", "-c", "x = bytearray(b'1') * (400 << 20); sum(x[::4096])"])
    assert peak > LIMIT


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web"])
def test_resident_memory_stays_below_256_mb(scratch: Path, policy: str) -> None:
    status, messages, peak = _peak(
        [str(BINARY), "-q", "--policy", policy, "-o", str(scratch), str(gemma())]
    )
    assert status == 0, messages
    assert len(list(scratch.iterdir())) == 6
    assert 4 << 20 < peak < LIMIT, f"{peak / 2**20:.0f} MiB"
