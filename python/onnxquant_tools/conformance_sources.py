"""Converts ONNX's backend test models with sources of other float types than float32.

    scripts/python.sh -m onnxquant_tools.conformance_sources [-k WORDS] [--source TYPE]

Each model whose floats are all float32 is made one of float16, bfloat16 and float64 (retyping.py)
and converted: to float32 throughout, and to float16 with float32 inputs and outputs. The result
must pass ONNX's checker, load in ONNX Runtime, and agree with the float32 model whose weights and
inputs are rounded to the source's type: closely where all is float32.
"""

import argparse
import collections
import dataclasses
import functools
import subprocess
import tempfile
from pathlib import Path

import onnx

from onnxquant_tools.conformance import (
    PASSED,
    REFUSED,
    UNRUNNABLE,
    Outcome,
    one_line,
    reference,
    run_in_processes,
    verdict,
)
from onnxquant_tools.conformance_cases import Case, load_cases
from onnxquant_tools.conformance_compare import ULP
from onnxquant_tools.conformance_convert import PLAIN
from onnxquant_tools.conformance_runtime import map_floats
from onnxquant_tools.element_types import float_types
from onnxquant_tools.product import program
from onnxquant_tools.retyping import (
    TYPES,
    UnretypableError,
    retyped,
    rounded_array,
    rounded_weights,
)

# How far results may be off, as conformance_compare.py counts: in float32, by kernels that sum in
# another order where ONNX Runtime fuses other nodes.
TARGETS = {"fp32": 2.0**-18, "fp16": ULP}
NAMES = [f"{source} to {target}" for source in TYPES for target in TARGETS]
SKIPPED = "skipped"
# Why a model is no test in a type, as far as the model is concerned.
OTHER_TYPES = "no float32, or other floats beside it"
UNTYPED = "no operator takes the type"
UNRETYPABLE = "a body or sequence cannot hold the type"
SEQUENCES = "a sequence comes in or goes out"  # `io` leaves those as they are
INVALID_SOURCE = "not valid in the type"
LARGE = "a vision network"
_POLICY = "policy: 1\nname: sources\noutputs:\n" + "".join(
    f"  {target}: {{compute: {compute}, weights: {compute}, io: float32, "
    "constants: {overflow: clamp}}\n"
    for target, compute in (("fp32", "float32"), ("fp16", "float16"))
)


def _source(case: Case, name: str) -> onnx.ModelProto | str:
    """Return a model in another type, or why it is no test there."""
    graph = case.model.graph
    if case.kind == "light":
        return LARGE
    if float_types(case.model) != {onnx.TensorProto.FLOAT}:
        return OTHER_TYPES
    if any(value.type.HasField("sequence_type") for value in (*graph.input, *graph.output)):
        return SEQUENCES
    try:
        model, taken = retyped(case.model, name)
    except UnretypableError:
        return UNRETYPABLE
    if not taken:
        return UNTYPED
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:
        return INVALID_SOURCE
    return model


def _twin(case: Case, name: str) -> Case:
    """Return the float32 case with weights and inputs rounded to a type."""

    def rounded(array: object) -> object:
        return rounded_array(array, name).astype("float32")

    data = [[map_floats(value, rounded) for value in values] for values in case.data]
    return dataclasses.replace(case, model=rounded_weights(case.model, name), data=data)


def _convert(model: onnx.ModelProto, folder: Path) -> str:
    """Convert a model to all targets in one run; return what the program says if it refuses."""
    source, policy = folder / "model.onnx", folder / "policy.yaml"
    source.write_bytes(model.SerializeToString())
    policy.write_text(_POLICY)
    command = [str(program()), "--no-config", "--threads", "1", "--policy", str(policy)]
    command += [str(source), "-o", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = done.stderr.strip().removeprefix("onnxquant: ").replace(f"{folder}/", "")
    return f"exit status {done.returncode}: {said}" if done.returncode else ""


def judge(case: Case, name: str) -> list[Outcome]:
    """Make a model one of another type, convert it to each target, and judge the results."""

    def outcomes(verdict: str, detail: str) -> list[Outcome]:
        ways = [f"{name} to {target}" for target in TARGETS]
        return [Outcome(case.name, case.group, how, verdict, detail) for how in ways]

    model = _source(case, name)
    if isinstance(model, str):
        return outcomes(SKIPPED, model)
    twin = _twin(case, name)
    try:
        wanted = reference(twin)
    except Exception as error:
        return outcomes(UNRUNNABLE, one_line(error))
    wanted = dataclasses.replace(wanted, valid=True)  # the source is
    results = []
    with tempfile.TemporaryDirectory(prefix="conformance") as name_of_folder:
        folder = Path(name_of_folder)
        refusal = _convert(model, folder)
        if refusal:
            return outcomes(REFUSED, refusal)
        for target, precision in TARGETS.items():
            path = folder / "out" / ("model.onnx" if target == "fp32" else f"model_{target}.onnx")
            found = verdict(twin, wanted, PLAIN, path, precision)
            how = f"{name} to {target}"
            results.append(Outcome(case.name, case.group, how, *found))
    return results


def _judge_index(index: int, names: tuple[str, ...]) -> list[Outcome]:
    case = load_cases()[index]
    return [outcome for name in names for outcome in judge(case, name)]


def run_sources(indices: list[int], names: tuple[str, ...] = tuple(TYPES)) -> list[Outcome]:
    """Judge the cases of the given indices in load_cases() in each of the types."""
    work = functools.partial(_judge_index, names=names)
    return list(run_in_processes(indices, work, NAMES))


def skips(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """Count, for each type, why models are no test in it."""
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in TYPES}
    for item in outcomes:
        name, target = item.how.split(" to ")
        if target == "fp32" and item.verdict in (SKIPPED, UNRUNNABLE):
            reason = item.detail if item.verdict == SKIPPED else UNRUNNABLE
            counts[name][reason] += 1
    return {name: dict(count) for name, count in counts.items()}


def main() -> int:
    """Print every result that is not as it should be, and counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-k", default="", help="only cases whose names contain one of these words")
    parser.add_argument("--source", choices=TYPES)
    options = parser.parse_args()
    words = options.k.split() or [""]
    names = tuple(name for name in TYPES if options.source in (None, name))
    indices = [
        index for index, case in enumerate(load_cases()) if any(word in case.name for word in words)
    ]
    outcomes = run_sources(indices, names)
    for item in outcomes:
        if item.verdict not in (PASSED, UNRUNNABLE, SKIPPED):
            print(f"{item.case}\t{item.how}\t{item.verdict}\t{item.detail}")
    for name, reasons in skips(outcomes).items():
        print(f"skipped in {name}: {reasons}")
    counts = collections.Counter((item.how, item.verdict) for item in outcomes)
    for (how, found), count in sorted(counts.items()):
        print(f"{how}: {found}: {count}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
