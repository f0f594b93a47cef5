"""Divisions by what a tiny constant keeps from zero, and norms whose squares overflow."""

import numpy as np
import pytest
from judging import SHAPES, Array, Feeds, Judge, build, normal, spelt

OPSETS = pytest.mark.parametrize("opset", [13, 17])

PAIR = "g (float[N,64] a, float[N,64] b) => (float[N] y)"
DOT = "ab = Mul(a, b) dot = ReduceSum<keepdims = 0>(ab, ax)"
NORMS = """na = ReduceL2<axes = [1], keepdims = 0>(a)
  nb = ReduceL2<axes = [1], keepdims = 0>(b)"""
ROOTS = """aa = Mul(a, a) bb = Mul(b, b)
  sa = ReduceSum<keepdims = 0>(aa, ax) sb = ReduceSum<keepdims = 0>(bb, ax)"""


def _pairs() -> Feeds:
    """Return rows of ordinary size, of zeros, of about 300, and of 0.001, beside others."""
    a, b = normal(1, 4, 64), normal(2, 4, 64)
    a[1] = 0
    scales = np.array([1, 1, 300, 0.001], np.float32)[:, None]
    return {"a": a * scales, "b": (b + a) * scales[::-1]}


def _large() -> Array:
    x = normal(3, 5, 64)
    x[1] = 0
    x[2] *= 300
    x[3] *= 0.001
    return x


@SHAPES
def test_a_cosine_of_norms_kept_from_zero_each_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""{PAIR} <int64[1] ax = {{1}}, float eps = {{1e-8}}> {{
          {DOT} {NORMS}
          ma = Max(na, eps) mb = Max(nb, eps)
          both = Mul(ma, mb)
          y = Div(dot, both)
        }}""",
        declared=declared,
    )
    judge.holds(model, _pairs())


@OPSETS
def test_a_cosine_with_an_epsilon_on_the_product_is_right(judge: Judge, opset: int) -> None:
    model = build(
        f"""{PAIR} <int64[1] ax = {{1}}, float eps = {{1e-8}}> {{
          {DOT} {ROOTS}
          na = Sqrt(sa) nb = Sqrt(sb)
          both = Mul(na, nb)
          around = Add(both, eps)
          y = Div(dot, around)
        }}""",
        opset=opset,
    )
    judge.holds(model, _pairs())


@SHAPES
@spelt(
    product="both = Mul(na, nb) around = Clip(both, eps)",
    each="ca = Clip(na, least) cb = Clip(nb, least) around = Mul(ca, cb)",
    both_ways="ca = Clip(na, eps) da = Identity(ca) cb = Max(eps, nb) around = Mul(da, cb)",
)
def test_a_cosine_of_clipped_norms_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""{PAIR} <int64[1] ax = {{1}}, float eps = {{1e-8}}, float least = {{1e-6}}> {{
          {DOT} {NORMS} {text}
          y = Div(dot, around)
        }}""",
        declared=declared,
    )
    judge.holds(model, _pairs())


@SHAPES
def test_the_root_of_a_product_of_squared_lengths_is_right(judge: Judge, declared: bool) -> None:
    """The way of torch.nn.functional.cosine_similarity before version 2."""
    model = build(
        f"""{PAIR} <int64[1] ax = {{1}}, float eps = {{1e-16}}> {{
          {DOT} {ROOTS}
          both = Mul(sa, sb)
          kept = Max(both, eps)
          root = Sqrt(kept)
          y = Div(dot, root)
        }}""",
        opset=14,
        declared=declared,
    )
    judge.holds(model, _pairs())


@SHAPES
@spelt(
    before_expand="kept = Clip(norm, eps) wide = Expand(kept, shape)",
    after_expand="same = Expand(norm, shape) wide = Max(same, eps)",
    through_reshape=(
        "kept = Add(norm, eps) tall = Transpose<perm = [1, 0]>(kept) flat = Reshape(tall, column) "
        "wide = Expand(flat, shape)"
    ),
    by_where="none = Equal(norm, zero) kept = Where(none, eps, norm) wide = Identity(kept)",
)
def test_vectors_of_length_one_are_right(judge: Judge, text: str, declared: bool) -> None:
    """The way of torch.nn.functional.normalize, and others; then products with one another."""
    model = build(
        f"""g (float[N,64] x) => (float[N,N] y)
          <float eps = {{1e-12}}, float zero = {{0}}, int64[2] column = {{-1, 1}}> {{
          norm = ReduceL2<axes = [-1], keepdims = 1>(x)
          shape = Shape(x)
          {text}
          unit = Div(x, wide)
          turned = Transpose<perm = [1, 0]>(unit)
          y = MatMul(unit, turned)
        }}""",
        declared=declared,
    )
    judge.holds(model, {"x": _large()})


@pytest.mark.parametrize("opset", [18, 21])
def test_a_length_as_a_power_of_summed_squares_is_right(judge: Judge, opset: int) -> None:
    model = build(
        """g (float[N,64] x) => (float[N,64] y)
          <int64[1] ax = {-1}, float half = {0.5}, float eps = {1e-10}, float one = {1}> {
          squares = ReduceSumSquare(x, ax)
          norm = Pow(squares, half)
          around = Add(norm, eps)
          inverse = Div(one, around)
          y = Mul(x, inverse)
        }""",
        opset=opset,
    )
    judge.holds(model, {"x": _large()})


@SHAPES
def test_a_share_of_a_weighted_sum_is_right(judge: Judge, declared: bool) -> None:
    """Weights that come to nothing in one row: the epsilon passes a product before it divides."""
    model = build(
        """g (float[N,16] weights, float[N,16] x) => (float[N,1] y)
          <int64[1] ax = {1}, float eps = {1e-9}, float scale = {4}> {
          wx = Mul(weights, x)
          top = ReduceSum(wx, ax)
          sum = ReduceSum(weights, ax)
          kept = Max(sum, eps)
          bottom = Mul(kept, scale)
          y = Div(top, bottom)
        }""",
        declared=declared,
    )
    weights = np.random.default_rng(4).uniform(0, 1, (4, 16)).astype(np.float32)
    weights[2] = 0
    judge.holds(model, {"weights": weights, "x": normal(5, 4, 16)})


@SHAPES
def test_a_division_by_what_is_far_from_zero_stays_half(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[N,16] x) => (float[N,16] y) <float half = {0.5}, float two = {2}> {
          h = Mul(x, x)
          part = Sigmoid(h)
          around = Add(part, half)
          both = Mul(around, two)
          y = Div(x, both)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"x": normal(6, 3, 16)}, casts=2)
