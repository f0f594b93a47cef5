"""4-bit floats equal those of ONNX Runtime's quantizer for MatMulBnb4, byte for byte."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import event, given
from hypothesis import strategies as st
from kernel_runs import FILLS, KERNEL_SETTINGS, NOT_FINITE, matrices, run_kernel
from onnxruntime.capi import _pybind_state as native


@dataclass(frozen=True)
class Case:
    """A weight [K, N], float32 or float16, and how to quantize it."""

    weight: npt.NDArray[Any]
    quant_type: int
    block: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    block = draw(st.sampled_from([16, 32, 64, 128, 256]))
    rows = draw(st.sampled_from([1, block, 2 * block]) | st.integers(1, 2 * block))
    columns = draw(st.sampled_from([1, 2, 3]) | st.integers(1, 70))
    weight = draw(matrices(rows, columns, draw(st.sampled_from([FILLS, FILLS + NOT_FINITE]))))
    if draw(st.booleans()):
        with np.errstate(over="ignore"):
            weight = weight.astype(np.float16)
    event(f"blocks cross columns: {rows % block != 0}, odd: {rows * columns % 2 == 1}")
    return Case(weight, draw(st.sampled_from([0, 1])), block)


@KERNEL_SETTINGS
@given(cases())
def test_the_bytes_equal_those_of_onnx_runtimes_quantizer(case: Case) -> None:
    rows, columns = case.weight.shape
    half = case.weight.dtype == np.float16
    packed = np.zeros((rows * columns + 1) // 2, np.uint8)
    absmax = np.zeros(-(-rows * columns // case.block), case.weight.dtype)
    transposed = case.weight.T.copy()
    native.quantize_matmul_bnb4(
        packed, transposed, absmax, case.block, case.quant_type, columns, rows
    )
    for by_columns in [False, True] if rows % case.block == 0 else [False]:
        found = run_kernel(
            "bnb4",
            case.weight.astype(np.float32),
            type=case.quant_type,
            block=case.block,
            half=half,
            k=rows,
            n=columns,
            columns=by_columns,
        )
        np.testing.assert_array_equal(found.take(np.uint8, packed.size), packed)
        bits = np.uint16 if half else np.uint32
        np.testing.assert_array_equal(found.take(bits, absmax.size), absmax.view(bits))
        found.end()
