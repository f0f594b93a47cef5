"""The block quantizer's bytes are those of ONNX Runtime's native one, in 2, 4 and 8 bits."""

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
    transposed: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    block = draw(st.sampled_from([16, 32, 64, 128, 256]))
    whole = draw(st.integers(0, 9 if block == 16 else 5))
    # One off a multiple either way: a tail of one element, or one missing; and any tail at all.
    tail = draw(st.sampled_from([0, 1, block - 1]) | st.integers(0, block - 1))
    rows = max(1, whole * block + tail)
    columns = draw(st.sampled_from([1, 2, 3]) | st.integers(1, 70))
    kinds = draw(st.sampled_from([FILLS, FILLS, FILLS + NOT_FINITE]))
    weight = draw(matrices(rows, columns, kinds))
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    with np.errstate(over="ignore"):
        weight = weight.astype(dtype)
    bits = draw(st.sampled_from([2, 4, 8]))
    event(f"bits: {bits}, tail: {tail != 0}")
    return Case(weight, bits, block, draw(st.booleans()), draw(st.booleans()))


@KERNEL_SETTINGS
@given(cases())
def test_the_bytes_equal_those_of_onnx_runtimes_quantizer(case: Case) -> None:
    rows, columns = case.weight.shape
    blocks = -(-rows // case.block)
    pack = 8 // case.bits
    data = np.zeros((columns, blocks, case.block // pack), np.uint8)
    scales = np.zeros((columns, blocks), case.weight.dtype)
    zero_points = np.zeros((columns, -(-blocks // pack)), np.uint8)
    quantize = getattr(native, f"quantize_matmul_{case.bits}bits")
    quantize(data, case.weight, scales, zero_points, case.block, columns, rows, case.symmetric)

    half = case.weight.dtype == np.float16
    source = case.weight.astype(np.float32)
    found = run_kernel(
        "blocks",
        source.T if case.transposed else source,
        bits=case.bits,
        block=case.block,
        symmetric=case.symmetric,
        half=half,
        nk=case.transposed,
        k=rows,
        n=columns,
    )
    np.testing.assert_array_equal(found.take(np.uint8, *data.shape), data)
    bits = np.uint16 if half else np.uint32
    np.testing.assert_array_equal(found.take(bits, *scales.shape), scales.view(bits))
    if not case.symmetric:
        np.testing.assert_array_equal(found.take(np.uint8, *zero_points.shape), zero_points)
    found.end()
