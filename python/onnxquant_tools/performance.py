"""Times conversions beside those of other tools, in one run, and writes docs/performance.md.

    scripts/performance.sh [--runs N] [--model NAME] [--gigabytes N]

Each conversion is followed by a copy of the files that it wrote; what is compared is how many times
as long as the copy it took. The tools take turns, so that what else the machine does meets all of
them. Tools are told to do the same: all of a model in float16 but for inputs and outputs; the
constants of products, without the one that makes logits, in symmetric 4 bits and blocks of 32; and
so on.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onnxquant_tools import growth
from onnxquant_tools.performance_models import minilm, synthetic
from onnxquant_tools.product import gemma, program
from onnxquant_tools.timed_run import FailedError, Run, timed_copy, timed_process

LIMIT = 900.0
_BODY = """\
policy: 1
name: body
description: The constants of products in 4 bits, but for the head, the rest float32.
outputs:
  q4:
    compute: float32
    weights: {format: int4, block: 32, symmetric: true}
    method: %s
    io: float32
rules:
  - match: {role: [embedding, lm_head]}
    weights: float32
    optional: true
"""


@dataclass(frozen=True)
class Contestant:
    """A tool at a task: `policy` of ours, or the name of another's in peer_run."""

    name: str
    policy: str = ""
    peer: str = ""


OURS = "**onnxquant**"
TASKS: dict[str, Sequence[Contestant]] = {
    "float16": (
        Contestant(OURS, policy="fp16"),
        Contestant("onnxconverter-common", peer="onnxconverter-common float16"),
        Contestant("ONNX Runtime", peer="ONNX Runtime float16"),
    ),
    "4 bits": (
        Contestant(OURS, policy=_BODY % "nearest"),
        Contestant("**onnxquant**, `method: search`", policy=_BODY % "search"),
        Contestant("ONNX Runtime, default", peer="ONNX Runtime default, symmetric"),
        Contestant("ONNX Runtime, k-quant", peer="ONNX Runtime k-quant"),
        Contestant("ONNX Runtime, HQQ", peer="ONNX Runtime HQQ"),
        Contestant("NNCF", peer="NNCF"),
        Contestant("onnx-quantize", peer="onnx-quantize"),
    ),
    "8 bits, dynamic": (
        Contestant(OURS, policy="quantize-dynamic"),
        Contestant("ONNX Runtime, quantize_dynamic", peer="quantize_dynamic"),
    ),
    "every dtype of Transformers.js": (Contestant(OURS, policy="transformersjs"),),
}


@dataclass
class Result:
    """What a contestant took, run by run, each with the copy that followed."""

    runs: list[Run] = field(default_factory=list)
    copies: list[Run] = field(default_factory=list)
    bytes: int = 0
    failed: str = ""

    def ratio(self) -> float:
        """Return how many times as long as the copy it took, the median of the runs."""
        pairs = zip(self.runs, self.copies, strict=True)
        return statistics.median(run.seconds / copy.seconds for run, copy in pairs)

    def cells(self) -> list[str]:
        """Return the cells of its row."""
        if self.failed:
            return [f"fails: {self.failed}", "", "", "", ""]
        peak = max(run.peak for run in self.runs)
        return [
            f"{self.bytes / 1e6:,.0f}",
            f"{statistics.median(run.seconds for run in self.runs):.2f}",
            f"{self.ratio():.2f}",
            f"{statistics.median(run.cpu_seconds for run in self.runs):.1f}",
            f"{peak / 1e6:,.0f}",
        ]


def command_of(contestant: Contestant, model: Path, folder: Path, python: Path) -> list[str | Path]:
    """Return what runs a contestant, its files in `folder`/out."""
    out = folder / "out"
    if contestant.peer:
        out.mkdir(parents=True)
        words = ["-m", "onnxquant_tools.peer_run", contestant.peer]
        return [python, *words, model, out / "model.onnx"]
    policy = contestant.policy
    if "\n" in policy:
        path = folder / "policy.yaml"
        path.write_text(policy, encoding="utf-8")
        policy = str(path)
    return [program(), "-q", "--policy", policy, "-o", out, model]


def turn(contestant: Contestant, model: Path, scratch: Path, python: Path, result: Result) -> None:
    """Run a contestant once, and copy what it wrote."""
    if result.failed:
        return
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        run = timed_process(command_of(contestant, model, scratch, python), LIMIT)
    except FailedError as error:
        result.failed = str(error)[:100].replace("|", "/")
        return
    copy, result.bytes = timed_copy(scratch / "out", scratch / "copy")
    result.runs.append(run)
    result.copies.append(copy)


def measure(
    task: str, model: Path, scratch: Path, python: Path, runs: int
) -> dict[Contestant, Result]:
    """Run a task's contestants in turns."""
    results = {contestant: Result() for contestant in TASKS[task]}
    try:
        for _ in range(runs):
            for contestant, result in results.items():
                turn(contestant, model, scratch, python, result)
                last = result.failed or f"{result.runs[-1].seconds:.1f} s"
                print(f"{task}: {contestant.name}: {last}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return results


def table(task: str, results: dict[Contestant, Result]) -> list[str]:
    """Return a task's table, and a chart of its ratios where there are several."""
    lines = [
        f"### {task[0].upper()}{task[1:]}",
        "",
        "| tool | MB written | seconds | of a copy | CPU seconds | memory, MB |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for contestant, result in results.items():
        lines.append(f"| {contestant.name} | {' | '.join(result.cells())} |")
    shown = {c.name.replace("*", "").replace("`", ""): r for c, r in results.items() if r.runs}
    if len(shown) > 1:
        names = ", ".join(f'"{name}"' for name in shown)
        ratios = ", ".join(f"{result.ratio():.2f}" for result in shown.values())
        lines += [
            "",
            "```mermaid",
            "xychart-beta horizontal",
            '    title "times as long as a copy of what was written"',
            f"    x-axis [{names}]",
            f"    bar [{ratios}]",
            "```",
        ]
    return [*lines, ""]


def versions(python: Path) -> str:
    """Return the other tools with their versions."""
    code = (
        "import importlib.metadata as m;print(', '.join(f'{n} {m.version(n)}' for n in "
        "('onnxruntime', 'onnxconverter-common', 'nncf', 'onnx-quantize', 'onnx')))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", action="append", choices=("gemma", "minilm", "synthetic"))
    parser.add_argument("--gigabytes", type=float, default=4, help="of the synthetic model")
    parser.add_argument("--largest", type=float, default=64, help="gigabytes of the sparse ones")
    arguments = parser.parse_args()
    python = arguments.cache / "venv-performance" / "bin" / "python"
    scratch = arguments.cache / "performance"
    wanted = arguments.model or ["gemma", "minilm", "synthetic"]
    models = {
        "gemma": ("Gemma 3 270M", gemma),
        "minilm": ("MiniLM, 69 MB", minilm),
        "synthetic": (
            f"{arguments.gigabytes:g} GB of products",
            lambda: synthetic(arguments.cache / "models", arguments.gigabytes),
        ),
    }
    lines = [HEADER.format(versions=versions(python), runs=arguments.runs)]
    for name in wanted:
        title, find = models[name]
        model = find()
        lines += [f"## {title}", ""]
        for task in TASKS:
            lines += table(task, measure(task, model, scratch, python, arguments.runs))
    if not arguments.model:
        lines += growth.section(scratch, arguments.runs, arguments.largest)
    arguments.output.write_text("\n".join(lines), encoding="utf-8")


HEADER = """\
# Speed, beside others

`scripts/performance.sh` wrote this page, and writes it anew. Each tool converts the same file in a
process of its own, imports and the reading of the model included; {runs} runs in turns, medians.
The machine was a virtual one with two cores: compare the figures of a table with each other, above
all the ratios to a copy of the same bytes, which was made right after each run. Memory is the peak
of what the process asked for itself (RssAnon), mapped files aside.

With {versions}.
"""


if __name__ == "__main__":
    main()
