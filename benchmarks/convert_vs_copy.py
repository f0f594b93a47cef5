"""Time conversions of the real model against copying as many bytes, side by side in one run.

    scripts/python.sh benchmarks/convert_vs_copy.py [--policy NAME] [--runs N]

A copy reads and writes the conversion's own output files, in 8 MiB pieces, and syncs them, as the
conversion does. Prints each pair, the median ratio, and the converter's peak of anonymous memory
(file mappings aside). Machines are noisy: quote the ratio, not the seconds.
"""

import argparse
import shutil
import statistics
import sys

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import program
from onnxquant_tools.timed_run import timed_copy, timed_process


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
            words = ["-q", "--policy", options.policy, "--force", "-o", scratch / "out", model]
            converted = timed_process([program(), *words])
            copied, total = timed_copy(scratch / "out", scratch / "copy")
            if run == 0:
                continue
            ratios.append(converted.seconds / copied.seconds)
            peaks.append(converted.peak)
            print(
                f"convert {converted.seconds:.2f} s, copy of {total / 1e9:.2f} GB "
                f"{copied.seconds:.2f} s, ratio {ratios[-1]:.2f}, "
                f"peak {converted.peak / 1e6:.0f} MB"
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"median ratio {statistics.median(ratios):.2f}, peak memory {max(peaks) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
