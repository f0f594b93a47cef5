"""Converts ONNX's backend test models and says of each result whether it is valid and right.

    scripts/python.sh -m onnxquant_tools.conformance [-k WORDS] [--pass NAME]

Each model that ONNX Runtime runs in float32 is converted; the result must pass ONNX's checker with
full type inference (where the input does), load in ONNX Runtime, run, and agree with the float32
run (conformance_compare.py says how closely). Three passes: `plain` float16 inside with float32
inputs and outputs; `mixed` with random nodes kept in float32; `half-io` with float16 inputs and
outputs.
"""

import argparse
import collections
import dataclasses
import functools
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxquant_tools.conformance_cases import Case, load_cases, processes
from onnxquant_tools.conformance_compare import BRAIN_ULP, ULP, difference
from onnxquant_tools.conformance_convert import (
    PASSES,
    Pass,
    RefusedError,
    convert,
    count_nodes,
    uses_half,
)
from onnxquant_tools.conformance_groups import GROUPS
from onnxquant_tools.conformance_runtime import Values, load, map_floats, rounded, run
from onnxquant_tools.element_types import float_types

PASSED = "passed"
REFUSED = "refused"
INVALID = "invalid"
UNLOADABLE = "does not load"
FAILING = "does not run"
WRONG = "wrong"
UNRUNNABLE = "input does not run"
VERDICTS = (PASSED, REFUSED, INVALID, UNLOADABLE, FAILING, WRONG, UNRUNNABLE)

RANDOM = {
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"),
    *("RandomUniform", "RandomUniformLike"),
}
# What `io` changes, and NumPy's type of what comes out: bfloat16 is read as float32.
FLOATS: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(bfloat16)": np.float32,
    "tensor(double)": np.float64,
}
Converter = Callable[[Case, Pass, Path], Path]
# From the index of a case to what became of it in each pass.
Judge = Callable[[int], "list[Outcome]"]


@dataclass(frozen=True)
class Outcome:
    """What became of one model in one pass.

    `detail` is one line that says why; `half` tells whether a converted model has any float16 in it
    where it has float32 to begin with: a converter that does nothing passes everything else.
    """

    case: str
    group: str
    how: str
    verdict: str
    detail: str = ""
    half: bool = False


@dataclass(frozen=True)
class Reference:
    """The float32 model: whether ONNX's checker takes it, types, inputs, outputs of each run."""

    valid: bool
    inputs: dict[str, str]
    outputs: dict[str, str]
    data: list[Values]
    results: list[list[Values]]


def one_line(error: BaseException | str) -> str:
    """Return the beginning of what an error says, in one line."""
    return " ".join(str(error).split())[:600]


def _declared(session: Any) -> tuple[dict[str, str], dict[str, str]]:
    inputs = {item.name: item.type for item in session.get_inputs()}
    return inputs, {item.name: item.type for item in session.get_outputs()}


def reference(case: Case) -> Reference:
    """Run a model in float32, on its inputs and on its inputs rounded to float16."""
    session = load(case.model.SerializeToString())
    inputs, outputs = _declared(session)
    data = [dict(zip(inputs, values, strict=True)) for values in case.data]
    results = []
    for values in data:
        results.append([run(session, values)])
        near = {name: map_floats(value, rounded) for name, value in values.items()}
        results[-1].append(run(session, near))
    try:
        onnx.checker.check_model(case.model, full_check=True)
        valid = True
    except Exception:
        valid = False
    return Reference(valid, inputs, outputs, data, results)


def _expected(types: dict[str, str], how: Pass) -> dict[str, str]:
    """Return the types that a pass asks for: `io` changes float tensors, and leaves sequences."""
    io = "tensor(float16)" if how.half_io else "tensor(float)"
    return {name: io if kind in FLOATS else kind for name, kind in types.items()}


def verdict(
    case: Case, wanted: Reference, how: Pass, path: Path, precision: float = ULP
) -> tuple[str, str]:
    """Check a converted file: its validity, then that it loads, runs and agrees.

    Where the model rounds to bfloat16 on the way, its conversion need not.
    """
    if onnx.TensorProto.BFLOAT16 in float_types(case.model):
        precision = max(precision, BRAIN_ULP)
    if wanted.valid:
        try:
            onnx.checker.check_model(str(path), full_check=True)
        except Exception as error:
            return INVALID, one_line(error)
    try:
        session = load(str(path))
    except Exception as error:
        return UNLOADABLE, one_line(error)
    expected = (_expected(wanted.inputs, how), _expected(wanted.outputs, how))
    if _declared(session) != expected:
        return WRONG, f"inputs and outputs are {_declared(session)}, expected {expected}"
    nodes = count_nodes(case.model)
    fixed = not any(node.op_type in RANDOM for node in case.model.graph.node)
    for values, results in zip(wanted.data, wanted.results, strict=True):
        try:
            got = run(session, values)
        except Exception as error:
            return FAILING, one_line(error)
        for name in got:
            known = [result[name] for result in results]
            io = FLOATS.get(expected[1][name])
            found = difference(got[name], known, nodes, io, fixed, precision)
            if found:
                return WRONG, f"output {name}: {found}"
    return PASSED, ""


def judge(case: Case, passes: Iterable[Pass], converter: Converter) -> list[Outcome]:
    """Convert a model in each pass and judge the results."""

    def outcome(how: str, verdict: str, detail: str = "") -> Outcome:
        return Outcome(case.name, case.group, how, verdict, detail)

    try:
        wanted = reference(case)
    except Exception as error:
        return [outcome(how.name, UNRUNNABLE, one_line(error)) for how in passes]
    outcomes = []
    for how in passes:
        with tempfile.TemporaryDirectory(prefix="conformance") as folder:
            try:
                path = converter(case, how, Path(folder))
            except RefusedError as error:
                outcomes.append(outcome(how.name, REFUSED, one_line(error)))
                continue
            found = outcome(how.name, *verdict(case, wanted, how, path))
            half = not uses_half(case.model) and uses_half(
                onnx.load(path, load_external_data=False)
            )
            outcomes.append(dataclasses.replace(found, half=half))
    return outcomes


def _judge_named(index: int, passes: tuple[Pass, ...], converter: Converter) -> list[Outcome]:
    return judge(load_cases()[index], passes, converter)


def run_suite(
    indices: list[int], passes: tuple[Pass, ...] = PASSES, converter: Converter = convert
) -> Iterator[Outcome]:
    """Judge the cases of the given indices in load_cases(), in processes of their own."""
    work = functools.partial(_judge_named, passes=passes, converter=converter)
    yield from run_in_processes(indices, work, [how.name for how in passes])


def run_in_processes(indices: list[int], work: Judge, names: list[str]) -> Iterator[Outcome]:
    """Let `work` judge each case, given by its index; an outcome for each of the passes' names.

    A model that ends its process (a crash in ONNX Runtime) is found by running the unfinished ones
    again, one process each.
    """
    cases = load_cases()
    context = multiprocessing.get_context("fork")
    left = list(indices)
    try:
        with ProcessPoolExecutor(processes(), context) as pool:
            for found in pool.map(work, list(left), chunksize=4):
                left.pop(0)
                yield from found
    except BrokenProcessPool:
        for index in left:
            try:
                with ProcessPoolExecutor(1, context) as pool:
                    yield from pool.submit(work, index).result()
            except BrokenProcessPool:
                for name in names:
                    case = cases[index]
                    yield Outcome(case.name, case.group, name, FAILING, "the process crashed")


def table(outcomes: Iterable[Outcome]) -> str:
    """Return a table of the verdicts in each group of operators."""
    outcomes = list(outcomes)
    counts = collections.Counter((item.group, item.verdict) for item in outcomes)
    counts.update(("total", item.verdict) for item in outcomes)
    halves = collections.Counter(
        group for item in outcomes if item.half for group in (item.group, "total")
    )
    rows = [["operators", *VERDICTS, "with float16"], ["---"] * (len(VERDICTS) + 2)]
    for group in (*GROUPS, "total"):
        numbers = [counts[group, verdict] for verdict in VERDICTS]
        rows.append([group, *map(str, numbers), str(halves[group])])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    """Print every result that is not as it should be, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-k", default="", help="only cases whose names contain one of these words")
    parser.add_argument("--pass", dest="how", choices=[how.name for how in PASSES])
    options = parser.parse_args()
    words = options.k.split() or [""]
    passes = tuple(how for how in PASSES if options.how in (None, how.name))
    indices = [
        index for index, case in enumerate(load_cases()) if any(word in case.name for word in words)
    ]
    outcomes = []
    for item in run_suite(indices, passes):
        outcomes.append(item)
        if item.verdict not in (PASSED, UNRUNNABLE):
            print(f"{item.case}\t{item.how}\t{item.verdict}\t{item.detail}")
    print(table(outcomes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
