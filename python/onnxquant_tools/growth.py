"""How what commands take grows with a model's bytes and nodes: a section of docs/performance.md."""

import math
import shutil
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from onnxquant_tools.performance_models import chain, sparse
from onnxquant_tools.product import program
from onnxquant_tools.timed_run import Run, timed_process

GIGABYTES = (1, 4, 16, 64)
NODES = (1_000, 10_000, 100_000, 1_000_000)
# Below, what a process takes to begin says more than what it works on.
_LEAST_SECONDS = 0.1


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Fit seconds = a * size ** b by least squares of the logarithms, and return b.

    Sizes that are done in next to no time are left out; fewer than two sizes have none.
    """
    points = [
        (math.log(size), math.log(taken))
        for size, taken in zip(sizes, seconds, strict=True)
        if taken >= _LEAST_SECONDS
    ]
    if len(points) < 2:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def commands(model: Path, other: Path, dtype: str) -> dict[str, list[str | Path]]:
    """Return what is timed, by name; conversions write into the model's folder."""
    out = model.parent / "out"
    return {
        f"convert to {dtype}": [
            program(), "-q", "--force", "--policy", dtype, "-o", out, model,
        ],
        "plan": [program(), "plan", "--policy", dtype, model],
        "inspect": [program(), "inspect", model],
        "diff": [program(), "diff", model, other],
    }  # fmt: skip


def measure(
    make: Callable[[float], Path], sizes: Sequence[float], dtype: str, scratch: Path, runs: int
) -> dict[str, list[Run]]:
    """Run each command on a model of each size: the median run by command and size."""
    taken: dict[str, list[Run]] = {}
    for size in sizes:
        shutil.rmtree(scratch, ignore_errors=True)
        model = make(size)
        other = model.with_name("other.onnx")
        shutil.copyfile(model, other)
        for name, words in commands(model, other, dtype).items():
            done = sorted((timed_process(words) for _ in range(runs)), key=lambda run: run.seconds)
            taken.setdefault(name, []).append(done[len(done) // 2])
    shutil.rmtree(scratch, ignore_errors=True)
    return taken


def table(unit: str, sizes: Sequence[float], taken: dict[str, list[Run]]) -> list[str]:
    """Return a table of seconds by command and size, with exponent and memory."""
    head = " | ".join(f"{size:,g} {unit}" for size in sizes)
    lines = [
        f"| seconds | {head} | exponent | memory, MB |",
        f"|---|{'--:|' * (len(sizes) + 2)}",
    ]
    for name, runs in taken.items():
        fitted = exponent(sizes, [run.seconds for run in runs])
        cells = [
            *(f"{run.seconds:.2f}" for run in runs),
            "" if fitted is None else f"{fitted:.2f}",
            f"{runs[0].peak / 1e6:,.0f} to {runs[-1].peak / 1e6:,.0f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def section(scratch: Path, runs: int, largest: float) -> list[str]:
    """Measure both, on models of at most `largest` gigabytes, and return the section."""

    def nodes(count: float) -> Path:
        scratch.mkdir(parents=True)
        onnx.save(chain(int(count)), scratch / "model.onnx")
        return scratch / "model.onnx"

    gigabytes = [size for size in GIGABYTES if size <= largest]
    return [
        "## Growth",
        "",
        "Products of 67 MB each (zeros in a sparse file), and chains of arithmetic without",
        "weights. A second copy of the graph is what `diff` compares with. The exponent *b* of",
        "seconds = *a* · size^*b* is fitted to the sizes that take a tenth of a second and more.",
        "Memory is that of the smallest and of the largest.",
        "",
        *table(
            "GB",
            gigabytes,
            measure(lambda size: sparse(scratch, size), gigabytes, "q4", scratch, runs),
        ),
        *table("nodes", NODES, measure(nodes, NODES, "fp16", scratch, runs)),
    ]
