"""ONNX Runtime's GatherBlockQuantized reads from our rows what they stand for, tails included."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from hypothesis import event, given
from hypothesis import strategies as st
from kernel_runs import FILLS, KERNEL_SETTINGS, Bytes, Floats, matrices, run_kernel
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class Case:
    """A table [V, K], and how to quantize it."""

    table: Floats
    bits: int
    block: int
    symmetric: bool
    half: bool

    @property
    def blocks(self) -> int:
        """The blocks of a row."""
        columns: int = self.table.shape[1]
        return -(-columns // self.block)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    bits = draw(st.sampled_from([2, 4, 8]))
    block = draw(st.sampled_from([16, 32, 64, 128, 256]))
    pack = 8 // bits
    columns = pack * draw(st.integers(1, 3 * block // pack))
    table = draw(matrices(columns, draw(st.integers(1, 9)), FILLS)).T
    half = draw(st.booleans())
    if half:
        with np.errstate(over="ignore"):
            table = np.clip(table, -1e4, 1e4).astype(np.float16).astype(np.float32)
    event(f"bits: {bits}, tail: {columns % block != 0}, blocks: {min(-(-columns // block), 3)}")
    return Case(table, bits, block, draw(st.booleans()), half)


def _unpacked(packed: Bytes, bits: int) -> npt.NDArray[np.int32]:
    """Return the codes of [rows, bytes], a number each."""
    shifts = np.arange(0, 8, bits)
    codes = packed[:, :, None] >> shifts & (1 << bits) - 1
    return codes.reshape(len(packed), -1).astype(np.int32)


def _gathered(case: Case, tensors: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return every row of the table, as ONNX Runtime's CPU kernel gathers it."""
    rows, _ = case.table.shape
    element = onnx.TensorProto.FLOAT16 if case.half else onnx.TensorProto.FLOAT
    inputs = ["data", "indices", *(name for name in tensors if name != "data")]
    node = helper.make_node(
        "GatherBlockQuantized",
        inputs,
        ["y"],
        domain="com.microsoft",
        gather_axis=0,
        quantize_axis=1,
        block_size=case.block,
        bits=case.bits,
    )
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("indices", onnx.TensorProto.INT64, [rows])],
        [helper.make_tensor_value_info("y", element, None)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"indices": np.arange(rows)})
    gathered: npt.NDArray[Any] = result
    return gathered


@KERNEL_SETTINGS
@given(cases())
def test_onnx_runtime_gathers_what_the_rows_say(case: Case) -> None:
    rows, columns = case.table.shape
    found = run_kernel(
        "blocks",
        case.table,
        bits=case.bits,
        block=case.block,
        symmetric=case.symmetric,
        half=case.half,
        rows=1,
        k=columns,
        n=rows,
    )
    scale = np.float16 if case.half else np.float32
    tensors: dict[str, npt.NDArray[Any]] = {
        "data": found.take(np.uint8, rows, columns * case.bits // 8),
        "scales": found.take(scale, rows, case.blocks),
    }
    zero_points = np.full((rows, case.blocks), 1 << (case.bits - 1), np.int32)
    if not case.symmetric:
        packed = found.take(np.uint8, rows, -(-case.blocks * case.bits // 8))
        tensors["zero_points"] = packed
        zero_points = _unpacked(packed, case.bits)[:, : case.blocks]
    found.end()

    block_of = np.arange(columns) // case.block
    centred = _unpacked(tensors["data"], case.bits) - zero_points[:, block_of]
    with np.errstate(over="ignore", invalid="ignore"):
        wide = centred.astype(np.float32) * tensors["scales"].astype(np.float32)[:, block_of]
        np.testing.assert_array_equal(_gathered(case, tensors), wide.astype(scale))
    # The rows are the source again, to within the steps that its blocks have.
    if np.isfinite(wide).all():
        step = np.abs(tensors["scales"].astype(np.float64))[:, block_of]
        allowed = step * (1 + 2.0**-11 * (1 << case.bits)) + 2.0**-24 * (1 << case.bits)
        assert np.all(np.abs(wide - case.table) <= allowed)
