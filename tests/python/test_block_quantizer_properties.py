"""Our 4-bit weights equal ONNX Runtime's own quantizer's, byte for byte, for any matrix.

Random matrices of awkward shapes and contents become one-MatMul models; the program converts them
with a policy of its own, and both its bytes and what ONNX Runtime computes from them are compared.
ONNXQUANT names the program (default build/release/bin/onnxquant). Run as

    scripts/python.sh -m pytest tests/python
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnxquant_tools.build_gemma_reference import quantized_matmul
from onnxquant_tools.initializers import Initializer, read_initializers
from onnxquant_tools.product import program

BINARY = program()

Matrix = npt.NDArray[np.floating[Any]]

settings.register_profile(
    "blocks",
    max_examples=75,
    deadline=None,
    # The same examples in every CI run: a change there is a change of ours.
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
    # Explaining a failure runs the program hundreds of times more.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("blocks")

# What a block of 16 or more rows of one column is filled with. Each is an edge of the formulas:
# the signed extreme, a tie between its signs, a zero scale, rounding halves, a vanishing scale.
FILLS = (
    "normal", "positive", "negative", "zero", "negative zero", "tie", "halves", "odd halves",
    "constant", "tiny", "subnormal", "outlier",
)  # fmt: skip


def _fill(kind: str, values: Matrix, random: np.random.Generator) -> Matrix:
    count = len(values)
    match kind:
        case "positive":
            return np.abs(values)
        case "negative":
            return -np.abs(values)
        case "zero":
            return np.zeros(count)
        case "negative zero":
            return np.full(count, -0.0)
        case "tie":
            return np.where(random.random(count) < 0.5, 1.5, -1.5) * (random.random(count) < 0.9)
        case "halves":  # Exact halves of the scale 1 that the -8 gives.
            return np.concatenate([[-8.0], random.integers(-16, 15, count)[1:] / 2])
        case "odd halves":  # Halves of any scale: dividing by it rounds unlike multiplying.
            steps = np.concatenate([[-8.0], random.integers(-16, 15, count)[1:] / 2])
            return (steps * random.uniform(0.01, 0.1)).astype(np.float32)
        case "constant":
            return np.full(count, values[0])
        case "tiny":  # The scale rounds to zero, or to a subnormal, in float16.
            return values * 1e-6
        case "subnormal":
            return values * 6e-8
        case "outlier":
            return np.concatenate([values[:1] * 1000, values[1:]])
        case _:
            return values


@dataclass(frozen=True)
class Case:
    """One MatMul: its constant B [K, N], and how to quantize it."""

    matrix: Matrix
    block: int
    symmetric: bool
    transposed: bool

    @property
    def half(self) -> bool:
        """Whether the weights, and so the scales and the arithmetic, are float16."""
        return self.matrix.dtype == np.float16


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw shapes around multiples of the block, and a fill for every block of every column."""
    block = draw(st.sampled_from([16, 32, 64, 128, 256]))
    whole = draw(st.integers(0, 3 if block > 64 else 5))
    # One off a multiple either way: a tail of one element, or one missing; and any tail at all.
    tail = draw(st.sampled_from([0, 1, block - 1]) | st.integers(0, block - 1))
    rows = max(1, whole * block + tail)
    columns = draw(st.sampled_from([1, 2, 3]) | st.integers(1, 33))
    # Of as many numbers as a block WebGPU reads one scale for all columns: such a weight stays.
    assume(columns == 1 or rows * columns != block)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.lists(st.sampled_from(FILLS), min_size=1, max_size=4))
    matrix = random.normal(0, 0.05, (rows, columns))
    for column in range(columns):
        for first in range(0, rows, block):
            kind = kinds[int(random.integers(len(kinds)))]
            part = matrix[first : first + block, column]
            matrix[first : first + block, column] = _fill(kind, part, random)[: len(part)]
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    case = Case(matrix.astype(dtype), block, draw(st.booleans()), draw(st.booleans()))
    event(f"tail: {tail != 0}, odd blocks: {-(-rows // block) % 2 == 1}, N=1: {columns == 1}")
    return case


def _model(case: Case) -> onnx.ModelProto:
    rows, columns = case.matrix.shape
    element = helper.np_dtype_to_tensor_dtype(case.matrix.dtype)
    stored = case.matrix.T if case.transposed else case.matrix
    nodes = [helper.make_node("MatMul", ["x", "b" if case.transposed else "w"], ["y"], "product")]
    if case.transposed:
        nodes.insert(0, helper.make_node("Transpose", ["w"], ["b"], "turn", perm=[1, 0]))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", element, ["m", rows])],
        [helper.make_tensor_value_info("y", element, ["m", columns])],
        [numpy_helper.from_array(np.ascontiguousarray(stored), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _policy(case: Case) -> str:
    dtype, compute = ("q4f16", "float16") if case.half else ("q4", "float32")
    return (
        "policy: 1\nname: blocks\ndescription: Everything in 4 bits.\noutputs:\n"
        f"  {dtype}: {{compute: {compute}, weights: {{format: int4, block: {case.block}, "
        f"symmetric: {str(case.symmetric).lower()}}}, io: {compute}, accuracy_level: 0}}\n"
    )


def _convert(case: Case, folder: Path) -> Path:
    onnx.save_model(_model(case), folder / "model.onnx")
    (folder / "blocks.yaml").write_text(_policy(case))
    out = folder / "out"
    command = [str(BINARY), "--policy", str(folder / "blocks.yaml"), "-o", str(out), "--force"]
    done = subprocess.run(
        [*command, str(folder / "model.onnx")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return out / ("model_q4f16.onnx" if case.half else "model_q4.onnx")


def _quantized_inputs(model: Path) -> list[Initializer]:
    """Return B, scales and, where there are any, zero points of the only MatMulNBits."""
    nodes = onnx.load(model, load_external_data=False).graph.node
    (node,) = [n for n in nodes if n.op_type == "MatMulNBits"]
    weights = dict(read_initializers(model))
    return [weights[name] for name in node.input[1:] if name]


def _flat(weight: Initializer) -> tuple[int, ...]:
    """Return a shape but for how scales and zero points are laid out: [N * b] or [N, b].

    The kernel takes both alike; the quantizer wrote the first form until ONNX Runtime 1.22 or so.
    """
    return weight.shape if len(weight.shape) > 2 else (int(np.prod(weight.shape)),)


def _dequantized(case: Case, parts: list[Initializer]) -> Matrix:
    """Return (q - zero point) * scale as float32 [K, N], from the packed bytes alone."""
    rows, columns = case.matrix.shape
    blocks = -(-rows // case.block)
    packed = parts[0].data.reshape(columns, -1)
    levels = np.stack([packed & 15, packed >> 4], axis=-1).reshape(columns, blocks, case.block)
    scales = parts[1].array().astype(np.float32).reshape(columns, blocks, 1)
    zeros: npt.NDArray[Any] = np.full((columns, blocks), 8)
    if len(parts) > 2:
        pairs = parts[2].data.reshape(columns, -1)
        zeros = np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(columns, -1)[:, :blocks]
    wide = (levels.astype(np.float32) - zeros[..., None].astype(np.float32)) * scales
    result: Matrix = wide.reshape(columns, -1)[:, :rows].T
    return result


@given(cases())
def test_the_bytes_equal_those_of_onnx_runtimes_quantizer(case: Case) -> None:
    expected = [
        weight
        for _, weight in quantized_matmul(
            "w", case.matrix, block=case.block, symmetric=case.symmetric
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = _quantized_inputs(_convert(case, Path(folder)))
        assert len(found) == len(expected) == (2 if case.symmetric else 3)
        pairs = zip(("B", "scales", "zero points"), found, expected, strict=False)
        for what, ours, theirs in pairs:
            assert (ours.dtype, _flat(ours)) == (theirs.dtype, _flat(theirs)), what
            assert ours.data.tobytes().hex() == theirs.data.tobytes().hex(), what


@given(cases())
def test_onnx_runtime_computes_what_the_bytes_say(case: Case) -> None:
    """The identity matrix times the weights gives every dequantized weight exactly."""
    with tempfile.TemporaryDirectory() as folder:
        model = _convert(case, Path(folder))
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        (product,) = session.run(None, {"x": np.eye(len(case.matrix), dtype=case.matrix.dtype)})
        expected = _dequantized(case, _quantized_inputs(model)).astype(case.matrix.dtype)
        np.testing.assert_array_equal(product, expected)


@given(cases())
def test_every_weight_is_within_a_step_of_its_source(case: Case) -> None:
    """Independent of ONNX Runtime: rounding costs half a step, the clipped sign at most one."""
    with tempfile.TemporaryDirectory() as folder:
        parts = _quantized_inputs(_convert(case, Path(folder)))
    rows, columns = case.matrix.shape
    scales = np.abs(parts[1].array().astype(np.float64)).reshape(columns, -1)
    step = np.repeat(scales, case.block, axis=1)[:, :rows].T
    extreme = np.abs(case.matrix.astype(np.float64)).max(axis=0)
    # A float16 scale is off by up to 2^-11 of itself, which fifteen steps multiply; one that
    # is subnormal or zero loses up to 2^-25 times sixteen.
    slack = 1e-6 * extreme + (step * 15 * 2.0**-11 + 16 * 2.0**-25 if case.half else 0)
    error = np.abs(_dequantized(case, parts).astype(np.float64) - case.matrix)
    assert np.all(error <= step * 1.0 + slack)
