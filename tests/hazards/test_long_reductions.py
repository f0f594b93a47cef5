"""Sums over a sequence whose length the model leaves open, where float16 adds in float16."""

import numpy as np
import pytest
from judging import SHAPES, Array, Judge, build, normal

LENGTH = 6000


def _states(seed: int, width: int) -> Array:
    """Return hidden states whose means over time are not zero."""
    rest = np.linspace(0.5, 2, width, dtype=np.float32)
    return np.asarray(normal(seed, 1, LENGTH, width) + rest, np.float32)


@SHAPES
@pytest.mark.parametrize("expanded", [False, True])
def test_the_mean_of_unmasked_tokens_is_right(judge: Judge, expanded: bool, declared: bool) -> None:
    """The way of sentence-transformers."""
    spread = "shape = Shape(x) m = Expand(column, shape)" if expanded else "m = Identity(column)"
    model = build(
        f"""g (float[B,T,8] x, int64[B,T] mask) => (float[B,8] y)
          <int64[1] last = {{-1}}, int64[1] ax = {{1}}, float eps = {{1e-9}}> {{
          wide = Unsqueeze(mask, last)
          column = Cast<to = 1>(wide)
          {spread}
          xm = Mul(x, m)
          top = ReduceSum<keepdims = 0>(xm, ax)
          n = ReduceSum<keepdims = 0>(m, ax)
          count = Clip(n, eps)
          y = Div(top, count)
        }}""",
        opset=13,
        declared=declared,
    )
    mask = (np.arange(LENGTH) < LENGTH - 100).astype(np.int64)[None]
    judge.holds(model, {"x": _states(1, 8), "mask": mask})


@SHAPES
def test_the_mean_under_a_float_mask_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,8] x, float[B,T] mask) => (float[B,8] y)
          <int64[1] last = {-1}, int64[1] ax = {1}> {
          turned = Transpose<perm = [0, 2, 1]>(x)
          rows = Unsqueeze(mask, ax)
          xm = Mul(turned, rows)
          top = ReduceSum<keepdims = 0>(xm, last)
          n = ReduceSum<keepdims = 1>(mask, ax)
          y = Div(top, n)
        }""",
        opset=16,
        declared=declared,
    )
    mask = (np.arange(LENGTH) < LENGTH - 100).astype(np.float32)[None]
    judge.holds(model, {"x": _states(1, 8), "mask": mask})


@SHAPES
@pytest.mark.parametrize("opset", [17, 18])
def test_the_mean_over_an_open_axis_is_right(judge: Judge, opset: int, declared: bool) -> None:
    reduce = "<axes = [1], keepdims = 0>(h)" if opset < 18 else "<keepdims = 0>(h, ax)"
    model = build(
        f"""g (float[B,T,8] x) => (float[B,4] y) <int64[1] ax = {{1}}> {{
          h = Relu(x) mean = ReduceMean{reduce} y = Gemm(mean, w)
        }}""",
        opset=opset,
        declared=declared,
        w=normal(2, 8, 4, spread=0.3),
    )
    judge.holds(model, {"x": _states(3, 8)})


@SHAPES
def test_mean_and_deviation_over_time_are_right(judge: Judge, declared: bool) -> None:
    """What speaker models pool by."""
    model = build(
        """g (float[B,8,T] x) => (float[B,4] y) <float two = {2}, float eps = {0.00001}> {
          h = Conv<kernel_shape = [1]>(x, filters)
          mean = ReduceMean<axes = [2], keepdims = 1>(h)
          away = Sub(h, mean)
          squares = Pow(away, two)
          variance = ReduceMean<axes = [-1], keepdims = 1>(squares)
          around = Add(variance, eps)
          deviation = Sqrt(around)
          both = Concat<axis = 1>(mean, deviation)
          flat = Flatten(both)
          y = Gemm<transB = 1>(flat, w)
        }""",
        declared=declared,
        filters=normal(3, 8, 8, 1, spread=0.3),
        w=normal(2, 4, 16, spread=0.3),
    )
    judge.holds(model, {"x": _states(4, 8).transpose(0, 2, 1).copy()})


@SHAPES
def test_a_running_mean_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,4] x) => (float[B,T,4] y) <int64 ax = {1}, float one = {1}> {
          sums = CumSum(x, ax)
          ones = Div(x, x)
          counts = CumSum(ones, ax)
          y = Div(sums, counts)
        }""",
        opset=14,
        declared=declared,
    )
    judge.holds(model, {"x": np.abs(_states(5, 4)) + np.float32(0.1)})


@SHAPES
def test_a_linear_attention_over_an_open_axis_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,8] q, float[B,T,8] k, float[B,T,8] v) => (float[B,T,8] y)
          <float one = {1}, int64[1] ax = {1}> {
          qe = Elu(q) qp = Add(qe, one)
          ke = Elu(k) kp = Add(ke, one)
          kt = Transpose<perm = [0, 2, 1]>(kp)
          kv = MatMul(kt, v)
          top = MatMul(qp, kv)
          sums = ReduceSum(kp, ax)
          qs = Mul(qp, sums)
          bottom = ReduceSum(qs, minus)
          y = Div(top, bottom)
        }""",
        declared=declared,
        minus=np.array([-1]),
    )
    q, k = normal(6, 1, LENGTH, 8), normal(7, 1, LENGTH, 8)
    judge.holds(model, {"q": q, "k": k, "v": _states(8, 8)})


def test_a_product_of_keys_and_values_over_time_is_right(judge: Judge) -> None:
    """With a name for each of its transposes, and nothing that divides the sum afterwards."""
    model = build(
        """g (float[B,T,8] k, float[B,T,8] v) => (float[B,8,8] y) <float half = {0.5}> {
          scaled = Mul(k, half)
          vt = Transpose<perm = [0, 2, 1]>(v)
          turned = MatMul(vt, scaled)
          y = Transpose<perm = [0, 2, 1]>(turned)
        }""",
        opset=20,
    )
    judge.holds(model, {"k": _states(7, 8), "v": _states(8, 8)})


@SHAPES
def test_a_mean_over_a_declared_short_axis_stays_half(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,64] x) => (float[B,T,1] y) {
          h = Relu(x) y = ReduceMean<axes = [-1], keepdims = 1>(h)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"x": normal(9, 1, 20, 64)}, casts=2)


@SHAPES
def test_the_values_of_an_attention_stay_half(judge: Judge, declared: bool) -> None:
    """Weights that come to one keep their sums small, however long the axis is."""
    model = build(
        """g (float[B,T,64] x) => (float[B,T,64] y) <float scale = {0.125}> {
          k = Transpose<perm = [0, 2, 1]>(x)
          raw = MatMul(x, k)
          scores = Mul(raw, scale)
          p = Softmax<axis = -1>(scores)
          y = MatMul(p, x)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"x": normal(9, 1, 50, 64)}, casts=2)
