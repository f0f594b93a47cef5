"""Variances as differences of large numbers: 1601 - 1600, of which float16 keeps no digit."""

import numpy as np
import pytest
from judging import SHAPES, Judge, build, normal

NORM = """around = Add(variance, eps) root = Sqrt(around) away = Sub(x, mean)
  y = Div(away, root)"""


@SHAPES
def test_a_norm_of_a_mean_of_squares_less_a_squared_mean_is_right(
    judge: Judge, declared: bool
) -> None:
    model = build(
        """g (float[N,64] x) => (float[N,64] y) <float eps = {0.001}> {
          mean = ReduceMean<axes = [-1]>(x)
          q = Mul(x, x)
          squares = ReduceMean<axes = [-1]>(q)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          around = Add(variance, eps)
          root = Sqrt(around)
          inverse = Reciprocal(root)
          scale = Mul(inverse, gain)
          a = Mul(x, scale)
          b = Mul(mean, scale)
          shift = Sub(bias, b)
          y = Add(a, shift)
        }""",
        declared=declared,
        gain=normal(1, 64, mean=1, spread=0.2),
        bias=normal(2, 64, spread=0.2),
    )
    judge.holds(model, {"x": normal(3, 3, 64, mean=40)})


@SHAPES
def test_a_group_norm_with_powers_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""g (float[N,8,6,6] pixels) => (float[N,8,6,6] out)
          <float two = {{2}}, float eps = {{0.001}}, int64[3] groups = {{0, 2, -1}},
           int64[1] ax = {{2}}, int64[4] back = {{0, 8, 6, 6}}> {{
          x = Reshape(pixels, groups)
          q = Pow(x, two)
          squares = ReduceMean(q, ax)
          mean = ReduceMean(x, ax)
          square = Pow(mean, two)
          variance = Sub(squares, square)
          {NORM}
          out = Reshape(y, back)
        }}""",
        opset=18,
        declared=declared,
    )
    judge.holds(model, {"pixels": normal(4, 2, 8, 6, 6, mean=-40)})


@SHAPES
def test_sums_divided_by_their_count_are_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""g (float[N,64] x) => (float[N,64] y)
          <float eps = {{0.001}}, float n = {{64}}, float part = {{0.015625}},
           int64[1] ax = {{1}}> {{
          sum = ReduceSum(x, ax)
          mean = Div(sum, n)
          q = Mul(x, x)
          sum2 = ReduceSum(q, ax)
          squares = Mul(sum2, part)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          {NORM}
        }}""",
        opset=13,
        declared=declared,
    )
    judge.holds(model, {"x": normal(3, 3, 64, mean=40)})


@SHAPES
def test_statistics_of_an_instance_are_right(judge: Judge, declared: bool) -> None:
    """Over height and width, with the sample variance: (Σx² - (Σx)²/n) / (n - 1)."""
    model = build(
        f"""g (float[N,3,H,W] x) => (float[N,3,H,W] y)
          <float eps = {{0.00001}}, float one = {{1}}, int64[2] axes = {{2, 3}},
           int64[1] at = {{2}}, int64[1] to = {{4}}, int64[1] first = {{0}}> {{
          shape = Shape(x)
          size = Slice(shape, at, to, first)
          pixels = ReduceProd<axes = [0], keepdims = 0>(size)
          n = Cast<to = 1>(pixels)
          less = Sub(n, one)
          sum = ReduceSum(x, axes)
          mean = Div(sum, n)
          q = Mul(x, x)
          sum2 = ReduceSum(q, axes)
          square = Mul(sum, mean)
          rest = Sub(sum2, square)
          variance = Div(rest, less)
          {NORM}
        }}""",
        opset=16,
        declared=declared,
    )
    judge.holds(model, {"x": normal(5, 2, 3, 7, 9, mean=40)})


def test_squares_summed_by_one_operator_are_right(judge: Judge) -> None:
    model = build(
        f"""g (float[N,2,32] parts) => (float[N,64] y)
          <float eps = {{0.001}}, float n = {{64}}, int64[2] flat = {{-1, 64}},
           int64[1] ax = {{-1}}> {{
          x = Reshape(parts, flat)
          mean = ReduceMean(x, ax)
          sum2 = ReduceSumSquare(x, ax)
          squares = Div(sum2, n)
          same = Identity(mean)
          square = Mul(same, mean)
          wide = Cast<to = 1>(square)
          variance = Sub(squares, wide)
          {NORM}
        }}""",
        opset=21,
    )
    judge.holds(model, {"parts": normal(3, 3, 2, 32, mean=40)})


def test_means_of_whole_pictures_are_right(judge: Judge) -> None:
    model = build(
        """g (float[N,3,8,8] x) => (float[N,3,1,1] y) <float zero = {0}> {
          mean = GlobalAveragePool(x)
          q = Mul(x, x)
          squares = GlobalAveragePool(q)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          above = Max(variance, zero)
          y = Sqrt(above)
        }""",
        opset=15,
    )
    judge.holds(model, {"x": normal(5, 2, 3, 8, 8, mean=40)})


_SIMILARITY = """
  mu_a = POOL(a)
  mu_b = POOL(b)
  aa = Mul(a, a)
  bb = Mul(b, b)
  ab = Mul(a, b)
  e_aa = POOL(aa)
  e_bb = POOL(bb)
  e_ab = POOL(ab)
  m_aa = Mul(mu_a, mu_a)
  m_bb = Mul(mu_b, mu_b)
  m_ab = Mul(mu_a, mu_b)
  var_a = Sub(e_aa, m_aa)
  var_b = Sub(e_bb, m_bb)
  cov = Sub(e_ab, m_ab)
  twice = Mul(cov, two)
  top = Add(twice, c)
  vars = Add(var_a, var_b)
  bottom = Add(vars, c)
  y = Div(top, bottom)
"""


@SHAPES
@pytest.mark.parametrize(
    "pool",
    ["AveragePool<kernel_shape = [5, 5], strides = [1, 1]>", "Conv<kernel_shape = [5, 5]>"],
    ids=["uniform", "gaussian"],
)
def test_the_similarity_of_pictures_is_right(judge: Judge, pool: str, declared: bool) -> None:
    """SSIM's covariances, of uniform windows or of Gaussian ones."""
    text = _SIMILARITY
    for name in ("a", "b", "aa", "bb", "ab"):
        inputs = f"({name}, window)" if pool.startswith("Conv") else f"({name})"
        text = text.replace(f"POOL({name})", pool + inputs)
    bell = np.exp(-((np.arange(5) - 2) ** 2) / 4.5)
    window = np.outer(bell, bell) / bell.sum() ** 2
    weights = {"window": window.reshape(1, 1, 5, 5)} if pool.startswith("Conv") else {}
    model = build(
        f"""g (float[N,1,H,W] a, float[N,1,H,W] b) => (float[N,1,P,Q] y)
          <float two = {{2}}, float c = {{0.1}}> {{ {text} }}""",
        declared=declared,
        **weights,
    )
    a = normal(6, 1, 1, 16, 16, mean=40)
    judge.holds(model, {"a": a, "b": a + normal(7, 1, 1, 16, 16, spread=0.5)})


@SHAPES
def test_a_difference_of_squares_that_are_no_means_stays_half(judge: Judge, declared: bool) -> None:
    """The real part of a complex number's square."""
    model = build(
        """g (float[N,16] a, float[N,16] b) => (float[N,16] re, float[N,16] im) <float two = {2}> {
          aa = Mul(a, a)
          bb = Mul(b, b)
          re = Sub(aa, bb)
          ab = Mul(a, b)
          im = Mul(ab, two)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"a": normal(8, 3, 16), "b": normal(9, 3, 16)}, casts=4)
