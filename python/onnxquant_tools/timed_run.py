"""What a process takes: wall time, CPU time and memory; and a copy of files to hold it against."""

import math
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PIECE = 8 << 20
_SAMPLE_SECONDS = 0.002


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of all cores, and the peak of anonymous memory in bytes.

    Anonymous memory is what the process itself asked for, pages of mapped files aside.
    """

    seconds: float
    cpu_seconds: float
    peak: int = 0


class FailedError(Exception):
    """A command ended badly, or took too long; its message is the last line that it printed."""


def timed_process(command: Sequence[str | Path], limit: float = math.inf) -> Run:
    """Run a command to its end, which must be a good one and come within `limit` seconds."""
    before = _cpu_seconds(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    peak = 0
    # A file, not a pipe, which would hold up a process that prints much.
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        while process.poll() is None:
            peak = max(peak, _anonymous_bytes(process.pid))
            time.sleep(_SAMPLE_SECONDS)
            if time.monotonic() - start > limit:
                process.kill()
                raise FailedError(f"not done after {limit:.0f} s")
        log.seek(0)
        output = log.read()
    seconds = time.monotonic() - start
    if process.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines()
        raise FailedError(lines[-1] if lines else f"status {process.returncode}")
    return Run(seconds, _cpu_seconds(resource.RUSAGE_CHILDREN) - before, peak)


def _cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _anonymous_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def timed_copy(source: Path, target: Path) -> tuple[Run, int]:
    """Copy every file of a folder into a new one, in pieces, synced as a conversion's are.

    Returns what it took, and how many bytes there were.
    """
    target.mkdir()
    before = _cpu_seconds(resource.RUSAGE_SELF)
    start = time.monotonic()
    total = 0
    for path in sorted(source.iterdir()):
        with path.open("rb") as reader, (target / path.name).open("wb") as writer:
            while piece := reader.read(_PIECE):
                total += writer.write(piece)
            writer.flush()
            os.fsync(writer.fileno())
    seconds = time.monotonic() - start
    return Run(seconds, _cpu_seconds(resource.RUSAGE_SELF) - before), total
