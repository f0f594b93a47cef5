"""float8 conversions equal ml_dtypes' and, saturating, those of ONNX's reference Cast."""

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_runs import KERNEL_SETTINGS, Floats, run_kernel
from onnx import helper
from onnx.reference import ReferenceEvaluator

TYPES = (
    (0, onnx.TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn, 464.0),
    (1, onnx.TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2, 61439.0),
)


def _cast(values: Floats, element: int) -> npt.NDArray[np.uint8]:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=element)],
        "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("y", element, [None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (result,) = ReferenceEvaluator(model).run(None, {"x": values})
    narrow: npt.NDArray[np.uint8] = np.asarray(result).view(np.uint8)
    return narrow


@pytest.mark.parametrize(("number", "element", "dtype", "last"), TYPES)
def test_any_bits_become_what_the_reference_makes_of_them(
    number: int, element: int, dtype: type, last: float
) -> None:
    @KERNEL_SETTINGS
    @given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.sampled_from([1e-4, 1, 300, 3e4]))
    def check(seed: int, size: int, spread: float) -> None:
        random = np.random.default_rng(seed)
        values = random.normal(0, spread, size).astype(np.float32)
        any_bits = random.integers(0, 2**32, size, dtype=np.uint32).view(np.float32)
        # Middles between neighbours, where rounding turns.
        codes = random.integers(0, 254, size, dtype=np.uint8)
        here, there = (code.view(dtype).astype(np.float32) for code in (codes, codes + np.uint8(1)))
        with np.errstate(invalid="ignore"):
            middles = here + (there - here) / 2
        kind = random.integers(0, 3, size)
        values = np.choose(kind, [values, any_bits, middles]).astype(np.float32)
        found = run_kernel("float8", values, type=number)
        narrow = found.take(np.uint8, size)
        inside = ~(np.abs(values) > last)
        with np.errstate(invalid="ignore"):  # NumPy warns of NaN
            np.testing.assert_array_equal(narrow, _cast(values, element))
            expected = values[inside].astype(dtype).view(np.uint8)
        np.testing.assert_array_equal(narrow[inside], expected)
        wide = found.take(np.float32, size)
        np.testing.assert_array_equal(wide, narrow.view(dtype).astype(np.float32))
        found.end()

    check()
