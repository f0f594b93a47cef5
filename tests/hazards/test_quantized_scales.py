"""Biases in 32-bit integers, whose scales are products of two others: 6e-10 is zero in float16."""

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from judging import SHAPES, Array, Judge, build, normal
from onnx import TensorProto, numpy_helper

DTYPES = pytest.mark.parametrize("dtype", ["fp16", "bf16"])
# The scale of a bias is that of the input times that of the weight.
SCALES = pytest.mark.parametrize(
    ("of_input", "of_weight"), [(0.002, 3e-7), (0.02, 2e-5), (0.02, 4e-3)]
)


def _integers(seed: int, limit: int, *shape: int) -> Array:
    return np.random.default_rng(seed).integers(-limit, limit, shape)


def _biases(model: onnx.ModelProto) -> Iterator[Array]:
    """Yield the scales of what is dequantized from 32 bits."""
    constants = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        codes = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if codes is not None and codes.data_type == TensorProto.INT32:
            yield numpy_helper.to_array(constants[node.input[1]])


def _holds(judge: Judge, model: onnx.ModelProto, x: Array, dtype: str) -> None:
    """Check the results, and that the scales of biases which are kept in integers are the same."""
    judge.holds(model, {"x": x}, dtype)
    (before,) = _biases(model)
    for after in _biases(onnx.load(judge.convert(model, dtype))):
        np.testing.assert_array_equal(after.astype(np.float32), before)


@DTYPES
@SCALES
@pytest.mark.parametrize("opset", [19, 21])
def test_the_bias_of_a_quantized_convolution_keeps_its_scale(
    judge: Judge, dtype: str, of_input: float, of_weight: float, opset: int
) -> None:
    model = build(
        """g (float[1,3,6,6] x) => (float[1,4,4,4] y) {
          xq = QuantizeLinear(x, sx, zx)
          xd = DequantizeLinear(xq, sx, zx)
          wd = DequantizeLinear<axis = 0>(wq, sw, zw)
          bd = DequantizeLinear<axis = 0>(bq, sb, zb)
          y = Conv(xd, wd, bd)
        }""",
        opset=opset,
        sx=np.float32(of_input),
        zx=np.uint8(128),
        wq=_integers(1, 127, 4, 3, 3, 3).astype(np.int8),
        sw=np.full(4, of_weight),
        zw=np.zeros(4, np.int8),
        bq=_integers(2, 900000, 4).astype(np.int32),
        sb=np.full(4, of_input * of_weight),
        zb=np.zeros(4, np.int32),
    )
    _holds(judge, model, normal(3, 1, 3, 6, 6, spread=of_input * 60), dtype)


@DTYPES
@SCALES
@SHAPES
def test_the_bias_of_a_quantized_product_keeps_its_scale(
    judge: Judge, dtype: str, of_input: float, of_weight: float, declared: bool
) -> None:
    """One scale for all, no zero points, and the bias is added apart."""
    model = build(
        """g (float[N,16] x) => (float[N,8] y) <int64[2] row = {1, -1}> {
          wd = DequantizeLinear(wq, sw)
          h = MatMul(x, wd)
          bd = DequantizeLinear(bq, sb)
          wide = Reshape(bd, row)
          same = Identity(wide)
          y = Add(h, same)
        }""",
        opset=21,
        declared=declared,
        wq=_integers(1, 127, 16, 8).astype(np.int8),
        sw=np.float32(of_weight),
        bq=_integers(2, 900000, 8).astype(np.int32),
        sb=np.float32(of_input * of_weight),
    )
    _holds(judge, model, normal(3, 3, 16, spread=of_input * 60), dtype)


@DTYPES
def test_the_bias_of_a_quantized_gemm_keeps_its_scales_by_channel(judge: Judge, dtype: str) -> None:
    scales = np.geomspace(6e-10, 4e-7, 8)
    model = build(
        """g (float[N,16] x) => (float[N,8] y) {
          xq = QuantizeLinear(x, sx, zx)
          xd = DequantizeLinear(xq, sx, zx)
          wd = DequantizeLinear<axis = 1>(wq, sw)
          bd = DequantizeLinear<axis = 0>(bq, sb)
          h = Gemm(xd, wd, bd)
          y = Div(h, sw)
        }""",
        opset=21,
        sx=np.float32(0.002),
        zx=np.int8(0),
        wq=_integers(1, 127, 16, 8).astype(np.int8),
        sw=scales / 0.002,
        bq=_integers(2, 900000, 8).astype(np.int32),
        sb=scales,
    )
    _holds(judge, model, normal(3, 3, 16, spread=0.1), dtype)


@DTYPES
def test_a_bias_whose_scale_a_node_gives_stays_right(judge: Judge, dtype: str) -> None:
    model = build(
        """g (float[N,16] x) => (float[N,8] y) <float size = {6e-10}> {
          sb = Constant<value_float = 6e-10>()
          bd = DequantizeLinear(bq, sb)
          h = Add(x2, bd)
          y = Div(h, size)
        }""".replace("h = Add", "x1 = MatMul(x, w) x2 = Mul(x1, size) h = Add"),
        opset=21,
        w=normal(1, 16, 8),
        bq=_integers(2, 90, 8).astype(np.int32),
    )
    judge.holds(model, {"x": normal(3, 3, 16, spread=20)}, dtype)
