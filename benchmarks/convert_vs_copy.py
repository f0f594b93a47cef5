"""Time conversions of the real model against copying as many bytes, side by side in one run.

    scripts/python.sh benchmarks/convert_vs_copy.py [--policy NAME] [--runs N]

A copy reads and writes the conversion's own output files, in 8 MiB pieces, and syncs them, as the
conversion does. Prints each pair, the median ratio, and the converter's peak of anonymous memory
(file mappings aside). Machines are noisy: quote the ratio, not the seconds.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from onnxquant_tools.cache import cache_folder

ROOT = Path(__file__).resolve().parents[1]
PIECE = 8 << 20


def convert(policy: str, model: Path, folder: Path) -> tuple[float, int]:
    """Return the seconds that a conversion takes and its peak anonymous memory in bytes."""
    binary = ROOT / "build" / "release" / "bin" / "onnxquant"
    start = time.monotonic()
    process = subprocess.Popen([binary, "-q", "--policy", policy, "--force", "-o", folder, model])
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                peak = max(peak, int(line.split()[1]) * 1024)
        time.sleep(0.002)
    if process.wait() != 0:
        sys.exit(f"the conversion failed with status {process.returncode}")
    return time.monotonic() - start, peak


def copy(source: Path, target: Path) -> tuple[float, int]:
    """Return the seconds and bytes of copying every file of one folder to another."""
    target.mkdir()
    start = time.monotonic()
    total = 0
    for path in sorted(source.iterdir()):
        with path.open("rb") as reader, (target / path.name).open("wb") as writer:
            while piece := reader.read(PIECE):
                total += writer.write(piece)
            writer.flush()
            os.fsync(writer.fileno())
    return time.monotonic() - start, total


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="gemma-safe")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    model = cache_folder() / "models" / "gemma3-270m" / "onnx" / "model.onnx"
    if not model.is_file():
        sys.exit(f"{model} is missing; run scripts/fetch_gemma.sh")
    scratch = cache_folder() / "benchmark"
    ratios = []
    peaks = []
    try:
        for run in range(options.runs + 1):  # the first warms the page cache
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            converted, peak = convert(options.policy, model, scratch / "out")
            copied, total = copy(scratch / "out", scratch / "copy")
            if run == 0:
                continue
            ratios.append(converted / copied)
            peaks.append(peak)
            print(
                f"convert {converted:.2f} s, copy of {total / 1e9:.2f} GB {copied:.2f} s, "
                f"ratio {ratios[-1]:.2f}, peak {peak / 1e6:.0f} MB"
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"median ratio {statistics.median(ratios):.2f}, peak memory {max(peaks) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
