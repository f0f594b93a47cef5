"""Converts a random model in several ways and says what is wrong with the results."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import structure
from onnx import TensorProto
from onnxquant_tools.element_types import FLOATS, float_types
from onnxquant_tools.product import program
from onnxquant_tools.walking import all_nodes
from random_graphs import Case

FLOAT, HALF, BRAIN = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16

# How a model is converted. The keys are dtypes that the program knows; what is in the files is what
# the fields say: one run of the program converts in every way.
PLAIN, HALF_IO, MIXED, BFLOAT, KEPT = "fp16", "q4f16", "q8", "bf16", "int8"
FULL, NARROWED = "fp32", "uint8"
WAYS = {
    PLAIN: "{compute: float16, weights: float16, io: float32}",
    HALF_IO: "{compute: float16, weights: float16, io: float16}",
    MIXED: "{compute: float16, weights: float16, io: float32}",
    BFLOAT: "{compute: bfloat16, weights: bfloat16, io: float32}",
    KEPT: "{compute: float16, weights: float16, io: float32}",
    FULL: "{compute: float32, weights: float32, io: float32}",
    NARROWED: "{compute: float32, weights: float32, io: float32}",
}
_FED = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_ENDINGS = {PLAIN: "_fp16", HALF_IO: "_q4f16", MIXED: "_quantized", BFLOAT: "_bf16"}
_ENDINGS |= {KEPT: "_int8", FULL: "", NARROWED: "_uint8"}
# What a float32 source is converted to, and what another is, of which float32 can be asked.
OF_FLOAT = (PLAIN, HALF_IO, MIXED, BFLOAT, KEPT)
OF_OTHERS = (PLAIN, HALF_IO, MIXED, BFLOAT, FULL, NARROWED)
# The compute type of the nodes named in `keep`.
_CHOSEN = {MIXED: "float32", NARROWED: "float16"}
# How far results may be off where all is float32: by the kernels' order of summation.
EXACT = 1e-4


def policy(ways: Sequence[str], keep: Sequence[str]) -> str:
    """Return a policy for the ways; nodes named in `keep` have a type of their own in some."""
    lines = ["policy: 1", "name: random", "outputs:"]
    lines += [f"  {way}: {WAYS[way]}" for way in ways]
    rules = []
    match = f"match: {{name: [{', '.join(keep)}]}}"
    rules += [
        f"  - {{{match}, when: {way}, compute: {compute}, optional: true}}"
        for way, compute in _CHOSEN.items()
        if way in ways and keep
    ]
    if KEPT in ways:
        rules += [f"  - {{match: {{name: '*'}}, when: {KEPT}, keep: true, optional: true}}"]
    return "\n".join([*lines, *(["rules:", *rules] if rules else [])]) + "\n"


def convert(
    model: onnx.ModelProto, ways: Sequence[str], keep: Sequence[str] = ()
) -> dict[str, onnx.ModelProto]:
    """Convert a model with the program, in each of the ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        (folder / "p.yaml").write_text(policy(ways, keep))
        files = ["-o", f"{folder}/out", "--policy", f"{folder}/p.yaml", f"{folder}/model.onnx"]
        done = subprocess.run(
            [program(), "--threads", "1", "--no-config", *files],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = done.stderr.strip().replace(f"{folder}/", "")
        assert done.returncode == 0, f"exit status {done.returncode}: {said}"
        return {way: onnx.load(folder / "out" / f"model{_ENDINGS[way]}.onnx") for way in ways}


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return ort.InferenceSession(model.SerializeToString(), options, providers=providers)


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> dict[str, Any]:
    """Run a model on the CPU provider; floats are fed in the type that it declares."""
    session = _session(model)
    types = {item.name: _FED.get(item.type) for item in session.get_inputs()}
    fed = {name: array.astype(types[name] or array.dtype) for name, array in feeds.items()}
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, fed), strict=True))


def check_loads(model: onnx.ModelProto) -> None:
    """ONNX Runtime takes the model, but for kernels that its CPU provider lacks in bfloat16."""
    try:
        _session(model)
    except Exception as error:
        lacks_kernel = "NOT_IMPLEMENTED" in str(error)
        assert lacks_kernel, f"ONNX Runtime does not load it: {error}"


def declared(values: Any) -> dict[str, int]:
    """Return the element types that graph inputs or outputs declare."""
    return {item.name: item.type.tensor_type.elem_type for item in values}


def check_declarations(before: onnx.ModelProto, after: onnx.ModelProto, io: int) -> None:
    """Names and types of inputs and outputs: floats become `io`, the rest stays.

    An initializer keeps its type, as a default of an input and as an output.
    """
    fixed = {tensor.name for tensor in before.graph.initializer}
    inputs = declared(before.graph.input)
    for old, new in (
        (before.graph.input, after.graph.input),
        (before.graph.output, after.graph.output),
    ):
        wanted = {
            name: io if kind in FLOATS and name not in (fixed & set(inputs)) else kind
            for name, kind in declared(old).items()
        }
        got = declared(new)
        assert got == wanted, f"declared {got}, expected {wanted}"


def check_close(
    case: Case, expected: dict[str, Any], got: dict[str, Any], exact: bool = False
) -> None:
    """Outputs agree within the error that the model's values allow in float16, or in float32.

    The generator adds up what each operator makes of its inputs' errors in the worst case, and of
    its own rounding; the result is an upper bound but for what the kernels' order of summation
    changes, so three times it is plenty, and a wrong type or operand is far off it.
    """
    assert list(got) == list(expected)
    for name, wanted in expected.items():
        actual = got[name]
        assert actual.shape == wanted.shape, f"{name}: shape {actual.shape}, not {wanted.shape}"
        if not np.issubdtype(wanted.dtype, np.floating):
            assert np.array_equal(actual, wanted), f"{name}: {actual}, expected {wanted}"
            continue
        limit = EXACT if exact else 3 * case.errors[name] + 1e-3
        off = np.abs(actual.astype(np.float64) - wanted.astype(np.float64))
        worst = off.max(initial=0.0)
        assert worst <= limit, f"{name}: off by {worst}, allowed {limit}: {actual} for {wanted}"


def check_equal(expected: dict[str, Any], got: dict[str, Any]) -> None:
    """Outputs are the same, bit by bit, once a float has the type that the output has now."""
    assert list(got) == list(expected)
    for name, wanted in expected.items():
        actual = got[name]
        if np.issubdtype(wanted.dtype, np.floating) and actual.dtype == np.float32:
            wanted = wanted.astype(np.float32)
        same = (actual.dtype, actual.shape) == (wanted.dtype, wanted.shape)
        assert same and actual.tobytes() == wanted.tobytes(), f"{name}: {actual} for {wanted}"


def check_structure(
    before: onnx.ModelProto, after: onnx.ModelProto, io: int, meant: Collection[str] = ()
) -> None:
    """The checker accepts the model; nothing in it is useless or twice there."""
    onnx.checker.check_model(after, full_check=True)
    check_declarations(before, after, io)
    wrong = structure.faults(after, before, meant)
    assert not wrong, "; ".join(wrong)


def check_same_graph(once: onnx.ModelProto, twice: onnx.ModelProto) -> None:
    """Two models have the same graph, byte for byte."""
    first, second = (item.graph.SerializeToString(deterministic=True) for item in (once, twice))
    assert first == second, (
        f"converting again changes the graph from\n{onnx.printer.to_text(once)}\nto\n"
        f"{onnx.printer.to_text(twice)}"
    )


def _meant_casts(case: Case, way: str, keep: Sequence[str]) -> set[str]:
    """Return the outputs of the source's Casts that a way is asked to let round."""
    return {
        node.output[0]
        for node in all_nodes(case.source.graph)
        if node.op_type in ("Cast", "CastLike")
        and (way == KEPT or (way == NARROWED and node.name in keep))
    }


def check_case(case: Case) -> None:
    """Convert a model in every way and check every promise."""
    keep = case.chosen(case.mask)
    expected = run(case.model, case.feeds)
    # Fed as float32 now, so not the same.
    wide = any(array.dtype == np.float64 for array in case.feeds.values())
    made = convert(case.source, OF_FLOAT if case.other is None else OF_OTHERS, keep)
    for way, model in made.items():
        try:
            io = HALF if way == HALF_IO else FLOAT
            check_structure(case.source, model, io, _meant_casts(case, way, keep))
            if way == BFLOAT:
                check_loads(model)
            elif way == KEPT and not wide:
                check_equal(expected, run(model, case.feeds))
            else:
                exact = way == FULL and float_types(case.model) <= {FLOAT}
                check_close(case, expected, run(model, case.feeds), exact)
            if way != BFLOAT or case.mask & 1:
                check_same_graph(model, convert(case.source, [way], keep)[way])
        except Exception as error:
            chosen = f" with {', '.join(keep)} in {_CHOSEN[way]}" if way in _CHOSEN else ""
            raise AssertionError(
                f"{way}{chosen}: {error}\n{onnx.printer.to_text(model)}"
            ) from error
