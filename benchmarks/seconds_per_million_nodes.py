"""Time conversions of graphs of growing size: seconds per million nodes should stay level.

    scripts/python.sh benchmarks/seconds_per_million_nodes.py [--policy NAME] [NODES …]

Three kinds of graph: a chain of arithmetic and data movers; the same with residual Adds across it;
one whose every sixth node must stay float32, so that casts are placed along all of it. Prints the
time of one node relative to the smallest graph's, and the peak of anonymous memory per node.
"""

import argparse
import tempfile
from pathlib import Path

import onnx
from onnxquant_tools.performance_models import chain
from onnxquant_tools.product import program
from onnxquant_tools.timed_run import timed_process


def main() -> None:
    """Print one line per kind and size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nodes", nargs="*", type=int, default=[25_000, 100_000, 400_000])
    parser.add_argument("--policy", default="fp16")
    options = parser.parse_args()
    islands = ["--set", "match: {op: Sqrt}, compute: float32"]
    kinds = {"chain": (False, []), "residual": (True, []), "islands": (False, islands)}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        for kind, (residual, more) in kinds.items():
            first = 0.0
            for nodes in options.nodes:
                onnx.save(chain(nodes, residual), model)
                words = ["-q", "--force", "--policy", options.policy, *more, model]
                run = timed_process([program(), *words])
                each = run.seconds / nodes
                first = first or each
                print(
                    f"{kind:9} {nodes:9,} nodes  {each * 1e6:6.2f} s per million"
                    f"  ({each / first:4.2f} of the first)"
                    f"  {run.peak / nodes / 1024:5.2f} KiB a node"
                )


if __name__ == "__main__":
    main()
