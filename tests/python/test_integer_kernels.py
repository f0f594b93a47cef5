"""8-bit weights equal those that onnxruntime.quantization.quantize_dynamic stores, bit for bit."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import event, given
from hypothesis import strategies as st
from kernel_runs import FILLS, KERNEL_SETTINGS, matrices, run_kernel
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

logging.getLogger().setLevel(logging.ERROR)  # every call advises preprocessing


@dataclass(frozen=True)
class Case:
    """A MatMul's constant B [K, N], float32 or float16, and how to quantize it."""

    weight: npt.NDArray[Any]
    signed: bool
    symmetric: bool
    reduce_range: bool
    per_channel: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = draw(st.sampled_from([1, 2]) | st.integers(1, 70))
    columns = draw(st.sampled_from([1, 2]) | st.integers(1, 70))
    weight = draw(matrices(rows, columns, tuple(kind for kind in FILLS if kind != "huge")))
    if draw(st.booleans()):
        with np.errstate(over="ignore"):
            weight = np.clip(weight, -3e4, 3e4).astype(np.float16)
    flags = [draw(st.booleans()) for _ in range(4)]
    event(f"{weight.dtype}, signed: {flags[0]}, symmetric: {flags[1]}")
    return Case(weight, *flags)


def _stored(case: Case) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors that quantize_dynamic makes of the weight, by the end of their names."""
    rows, columns = case.weight.shape
    element = helper.np_dtype_to_tensor_dtype(case.weight.dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "one",
        [helper.make_tensor_value_info("x", element, ["m", rows])],
        [helper.make_tensor_value_info("y", element, ["m", columns])],
        [numpy_helper.from_array(np.ascontiguousarray(case.weight), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantized.onnx"
        quantize_dynamic(
            model,
            path,
            per_channel=case.per_channel,
            reduce_range=case.reduce_range,
            weight_type=QuantType.QInt8 if case.signed else QuantType.QUInt8,
            extra_options={"WeightSymmetric": case.symmetric},
        )
        tensors = onnx.load(path).graph.initializer
    return {tensor.name.removeprefix("w_"): numpy_helper.to_array(tensor) for tensor in tensors}


@KERNEL_SETTINGS
@given(cases())
def test_the_stored_tensors_equal_those_of_quantize_dynamic(case: Case) -> None:
    stored = _stored(case)
    channels = case.weight.shape[1] if case.per_channel else 1
    arguments = {"columns": channels} if case.per_channel else {}
    found = run_kernel(
        "integers",
        case.weight.astype(np.float32),
        signed=case.signed,
        symmetric=case.symmetric,
        reduce=case.reduce_range,
        half=case.weight.dtype == np.float16,
        **arguments,
    )
    scales = found.take(np.float32, channels)
    assert stored["scale"].dtype == case.weight.dtype
    np.testing.assert_array_equal(scales, stored["scale"].reshape(-1).astype(np.float32))
    integer = np.int8 if case.signed else np.uint8
    zero_points = found.take(integer, channels)
    np.testing.assert_array_equal(zero_points, stored["zero_point"].reshape(-1), strict=True)
    codes = found.take(integer, *case.weight.shape)
    np.testing.assert_array_equal(codes, stored["quantized"], strict=True)
    found.end()
