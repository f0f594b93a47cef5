"""Time a conversion in parts beside the same conversion in one run, and compare the bytes.

    scripts/python.sh benchmarks/parts.py [--policy NAME] [--parts N] [--max-shard SIZE] [MODEL]

Parts run one after the other, as many machines would run them at once: the longest is what these
would take. Each line has wall and CPU seconds. MODEL: the real Gemma 3 270M where none is named.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import program
from onnxquant_tools.timed_run import timed_process


def timed(name: str, *arguments: str | Path) -> float:
    """Run the program, print what it took, and return its wall seconds."""
    run = timed_process([program(), *arguments, "-q"])
    print(f"{name:12} {run.seconds:7.2f} s wall {run.cpu_seconds:7.2f} s CPU")
    return run.seconds


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = cache_folder() / "models" / "gemma3-270m" / "onnx" / "model.onnx"
    parser.add_argument("model", type=Path, nargs="?", default=default)
    parser.add_argument("--policy", default="gemma-web")
    parser.add_argument("--max-shard", default="200M")
    parser.add_argument("--parts", type=int, default=8)
    options = parser.parse_args()
    decided = ("--policy", options.policy, "--max-shard", options.max_shard, "--no-config")
    with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
        folder = Path(scratch)
        timed("warm up", *decided, "-o", folder / "warm", options.model)
        shutil.rmtree(folder / "warm")
        one = timed("one run", *decided, "-o", folder / "one", options.model)
        manifest = ("--manifest", folder / "plan.json")
        timed("plan", "plan", *decided, "-o", folder / "parts", *manifest, options.model)
        parts = [
            timed(f"part {part}/{options.parts}", "apply", *manifest, "--part", spelt)
            for part in range(1, options.parts + 1)
            for spelt in [f"{part}/{options.parts}"]
        ]
        end = timed("end", "apply", *manifest, "--finish")
        names = sorted(path.name for path in (folder / "one").iterdir())
        same = names == sorted(path.name for path in (folder / "parts").iterdir()) and all(
            filecmp.cmp(folder / "one" / name, folder / "parts" / name, shallow=False)
            for name in names
        )
        total = sum((folder / "one" / name).stat().st_size for name in names)
    print(
        f"{len(names)} files of {total / 1e9:.2f} GB, {'the same' if same else 'DIFFERENT'} bytes"
    )
    print(f"one run: {total / one / 1e6:.0f} MB/s; all parts together {sum(parts) / one:.2f} x")
    print(
        f"{options.parts} machines: longest part and end {(max(parts) + end) / one:.2f} x one run"
    )
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
