"""Memory on the real Gemma 3 270M, file mappings aside."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnxquant_tools.cache import cache_folder
from program import BINARY

LIMIT = 256 << 20


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder on the cache's disk (there may be little room elsewhere)."""
    parent = cache_folder() / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="memory-", dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


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
    given = os.environ.get("ONNXQUANT_GEMMA")
    model = Path(given or cache_folder() / "models" / "gemma3-270m" / "onnx" / "model.onnx")
    if not model.is_file():
        pytest.fail(f"{model} is missing; run scripts/fetch_gemma.sh or set ONNXQUANT_GEMMA", False)
    status, messages, peak = _peak(
        [str(BINARY), "-q", "--policy", policy, "-o", str(scratch), str(model)]
    )
    assert status == 0, messages
    assert len(list(scratch.iterdir())) == 6
    assert 4 << 20 < peak < LIMIT, f"{peak / 2**20:.0f} MiB"
