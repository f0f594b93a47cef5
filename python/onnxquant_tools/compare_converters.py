"""Counts what three float16 converters make of ONNX's backend test models, into docs/converters.md.

    scripts/compare_converters.sh

The same models, inputs, checks and tolerances for all (onnxquant_tools.conformance). The other two
run with their defaults but for what a pass asks for: `keep_io_types`, and `node_block_list` in the
mixed pass. What they raise counts as refused, whether they mean it or crash. It runs in an
environment of its own, which has the other converters.
"""

import argparse
import collections
import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from onnxquant_tools import conformance
from onnxquant_tools.conformance import Outcome, run_suite
from onnxquant_tools.conformance_cases import Case, load_cases
from onnxquant_tools.conformance_convert import NAMED, PASSES, Pass, RefusedError, convert, prepared
from onnxquant_tools.conformance_groups import GROUPS
from onnxquant_tools.peer_converters import PEERS, convert_quietly

_BROKEN = (conformance.INVALID, conformance.UNLOADABLE, conformance.FAILING)
_MEANINGS = {
    "plain": "everything float16, inputs and outputs float32",
    "named": "as plain, after each node was given a name",
    "mixed": "random nodes kept in float32",
    "half-io": "inputs and outputs float16 too",
}


def _with_peer(name: str, case: Case, how: Pass, folder: Path) -> Path:
    model, kept = prepared(case, how)
    options: dict[str, Any] = {"keep_io_types": not how.half_io}
    if kept:
        options["node_block_list"] = kept
    try:
        onnx.save(convert_quietly(PEERS[name], model, **options), folder / "converted.onnx")
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error}") from error
    return folder / "converted.onnx"


CONVERTERS: dict[str, conformance.Converter] = {
    "onnxquant": convert,
    **{name: functools.partial(_with_peer, name) for name in PEERS},
}


def _cell(outcomes: list[Outcome]) -> str:
    counts = collections.Counter(item.verdict for item in outcomes)
    broken = sum(counts[verdict] for verdict in _BROKEN)
    wrong, refused = counts[conformance.WRONG], counts[conformance.REFUSED]
    return f"**{counts[conformance.PASSED]}** / {wrong} / {broken} / {refused}"


def _table(head: str, rows: dict[str, Callable[[Outcome], bool]], found: dict[str, Any]) -> str:
    lines = [f"| {head} | models | {' | '.join(found)} |", "|---" * (len(found) + 2) + "|"]
    for name, belongs in rows.items():
        mine = [[item for item in outcomes if belongs(item)] for outcomes in found.values()]
        lines.append(f"| {name} | {len(mine[0])} | {' | '.join(map(_cell, mine))} |")
    return "\n".join(lines)


def _in_group(group: str) -> Callable[[Outcome], bool]:
    return lambda item: item.how == PASSES[0].name and group in (item.group, "total")


def _in_pass(how: str) -> Callable[[Outcome], bool]:
    return lambda item: item.how == how


def report(found: dict[str, list[Outcome]]) -> str:
    """Return the page: both tables, what they count, and the versions they hold for."""
    models = sum(item.how == PASSES[0].name for item in found["onnxquant"])
    run = {
        name: [item for item in outcomes if item.verdict != conformance.UNRUNNABLE]
        for name, outcomes in found.items()
    }
    known = sum(item.how == PASSES[0].name for item in run["onnxquant"])
    halves = {
        name: sum(item.half and item.verdict == conformance.PASSED for item in outcomes)
        for name, outcomes in run.items()
    }
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("onnx", "onnxruntime", "onnxconverter-common")
    )
    groups = {group: _in_group(group) for group in (*GROUPS, "total")}
    passes = {f"{name}: {text}": _in_pass(name) for name, text in _MEANINGS.items()}
    return f"""# Converters compared

What three converters to float16 make of ONNX's own backend test models. Of {models} models, ONNX
Runtime runs {known} in float32; each is converted, and must then pass ONNX's checker with full type
inference, load in ONNX Runtime, run, and agree with the float32 run
(`python/onnxquant_tools/conformance_compare.py` says how closely; integers must be equal).

`scripts/compare_converters.sh` wrote this page, and writes it anew, in about five minutes on two
cores: with {versions}.

onnxconverter-common stands for `onnxconverter_common.float16`, ONNX Runtime for
`onnxruntime.transformers.float16`, whose nodes are sorted afterwards by its own
`OnnxModel.topological_sort`. Both run with their defaults, except for `keep_io_types` and, in the
mixed pass, `node_block_list`. All exceptions count as refused: onnxconverter-common refuses each
model that has float16 in it already.

Each cell: **passed** / wrong / invalid, or does not load or run / refused or crashed.

## By operators, inputs and outputs kept in float32

{_table("operators", groups, run)}

## By pass

{_table("pass", passes, run)}

A converter that changes nothing would pass, so this counts too: of the results that passed, in all
passes, those with float16 in them, if only a Cast, where the model had none. onnxquant casts
nothing for operators that only move data, like Reshape and Concat between float32 inputs and
outputs, nor around single nodes that are to stay float32, so its number is not the greatest:
{", ".join(f"{name} {count}" for name, count in halves.items())}.
"""


def main() -> int:
    """Run the suite with each converter and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path, help="the page to write")
    parser.add_argument("--details", type=Path, help="a folder for each converter's results")
    options = parser.parse_args()
    indices = list(range(len(load_cases())))
    found = {}
    for name, converter in CONVERTERS.items():
        print(f"{name}: {len(indices)} models", flush=True)
        found[name] = list(run_suite(indices, (*PASSES, NAMED), converter))
        if options.details:
            lines = [f"{i.case}\t{i.how}\t{i.verdict}\t{i.detail}" for i in found[name]]
            file = options.details / f"{name.replace(' ', '-')}.tsv"
            file.write_text("\n".join(lines) + "\n")
    options.output.write_text(report(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
