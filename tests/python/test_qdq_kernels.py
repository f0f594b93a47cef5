"""Weights for DequantizeLinear equal those of ONNX Runtime's native 4-bit QDQ quantizer."""

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
    bits: int
    block: int
    symmetric: bool
    axis: int
    by_channel: bool = False

    @property
    def half(self) -> bool:
        """Whether the weight, and so its scales, are float16."""
        return self.weight.dtype == np.float16

    @property
    def scale_shape(self) -> tuple[int, int]:
        """[blocks, N], or [K, blocks] along axis 1."""
        rows, columns = self.weight.shape
        if self.axis == 0:
            return -(-rows // self.block), columns
        return rows, -(-columns // self.block)


@st.composite
def cases(draw: st.DrawFn, bits: tuple[int, ...], axes: tuple[int, ...]) -> Case:
    block = draw(st.sampled_from([16, 32, 64, 128, 256]))
    whole = draw(st.integers(0, 3))
    tail = draw(st.sampled_from([0, 1, block - 1]) | st.integers(0, block - 1))
    rows = max(1, whole * block + tail)
    columns = draw(st.sampled_from([1, 2, 3, 128, 129]) | st.integers(1, 140))
    weight = draw(matrices(rows, columns, draw(st.sampled_from([FILLS, FILLS + NOT_FINITE]))))
    axis = draw(st.sampled_from(axes))
    if axis == 1:
        weight = weight.T
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    with np.errstate(over="ignore"):
        weight = weight.astype(dtype)
    by_channel = axis == 0 and draw(st.booleans())
    event(f"odd columns: {weight.shape[1] % 2 == 1}, by channel: {by_channel}")
    block = len(weight) if by_channel else block
    symmetric = draw(st.booleans())
    return Case(weight, draw(st.sampled_from(bits)), block, symmetric, axis, by_channel)


def _quantized(case: Case) -> list[npt.NDArray[Any]]:
    """Return the kernel's packed codes, its scales and, if asymmetric, its packed zero points."""
    rows, columns = case.weight.shape
    stages = {"channels": 1} if case.by_channel else {}
    found = run_kernel(
        "qdq",
        case.weight.astype(np.float32),
        bits=case.bits,
        block=case.block,
        symmetric=case.symmetric,
        half=case.half,
        rows=case.axis,
        k=rows,
        n=columns,
        **stages,
    )
    parts: list[npt.NDArray[Any]] = [
        found.take(np.uint8, -(-rows * columns * case.bits // 8)),
        found.take(case.weight.dtype.type, *case.scale_shape),
    ]
    if not case.symmetric:
        parts.append(found.take(np.uint8, -(-int(np.prod(case.scale_shape)) * case.bits // 8)))
    found.end()
    return parts


@KERNEL_SETTINGS
@given(cases(bits=(4,), axes=(0,)))
def test_the_bytes_equal_those_of_onnx_runtimes_quantizer(case: Case) -> None:
    rows, columns = case.weight.shape
    packed = np.zeros((rows * columns + 1) // 2, np.uint8)
    scales = np.zeros(case.scale_shape, case.weight.dtype)
    zero_points = np.zeros((scales.size + 1) // 2, np.uint8)
    native.quantize_qdq_matmul_4bits(
        packed, case.weight, scales, zero_points, case.block, columns, rows, case.symmetric
    )
    expected = [packed, scales] if case.symmetric else [packed, scales, zero_points]
    for found, theirs in zip(_quantized(case), expected, strict=True):
        np.testing.assert_array_equal(found.view(np.uint8), theirs.view(np.uint8))


def _unpacked(packed: npt.NDArray[np.uint8], case: Case, count: int) -> npt.NDArray[np.int32]:
    shifts = np.arange(0, 8, case.bits)
    codes = (packed[:, None] >> shifts & (1 << case.bits) - 1).reshape(-1)[:count].astype(np.int32)
    if not case.symmetric:
        return codes
    return np.where(codes >= 1 << case.bits - 1, codes - (1 << case.bits), codes)


@KERNEL_SETTINGS
@given(cases(bits=(2, 4, 8), axes=(0, 1)))
def test_every_width_and_axis_stands_for_the_weight_to_within_a_step(case: Case) -> None:
    """Read as the standard says, by formulas that share nothing with the kernel."""
    packed, scales, *rest = _quantized(case)
    weight = case.weight.astype(np.float64)
    codes = _unpacked(packed, case, weight.size).reshape(weight.shape)
    zero_points = np.zeros(scales.shape, np.int32)
    if rest:
        zero_points = _unpacked(rest[0], case, scales.size).reshape(scales.shape)
    block_of = np.arange(weight.shape[case.axis]) // case.block
    step = np.take(scales.astype(np.float64), block_of, case.axis)
    with np.errstate(invalid="ignore"):
        restored = (codes - np.take(zero_points, block_of, case.axis)) * step
        error = np.abs(restored - weight)
    good = np.isfinite(weight) & np.isfinite(step)
    good &= (np.abs(step) > 1e-37) | (step == 0)  # smaller ones have no finite reciprocal
    levels = 1 << case.bits
    slack = np.abs(step) * levels * 2.0**-10 + (levels * 2.0**-24 if case.half else 1e-36)
    assert np.all(error[good] <= (np.abs(step) + slack)[good])
