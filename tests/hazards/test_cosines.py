"""Lengths and cosines that products of matrices spell, and small numbers that are computed."""

import numpy as np
import pytest
from judging import SHAPES, Array, Judge, build, normal, spelt


def _rows(seed: int) -> Array:
    """Return rows of ordinary size, of about 300, and of 0.001."""
    x = normal(seed, 4, 64)
    x[1] *= 300
    x[2] *= 0.001
    return x


@SHAPES
@spelt(
    matmul="""row = Unsqueeze(x, a1) column = Unsqueeze(x, a2) product = MatMul(row, column)
      sum = Squeeze(product, a2)""",
    einsum="""total = Einsum<equation = "nd,nd->n">(x, x) sum = Unsqueeze(total, a1)""",
    transposed="""row = Unsqueeze(x, a1) column = Transpose<perm = [0, 2, 1]>(row)
      product = MatMul(row, column) sum = Squeeze(product, a2)""",
    ones="q = Mul(x, x) sum = MatMul(q, ones)",
)
@pytest.mark.parametrize("least", ["", "kept = Clip(root, eps)"], ids=["bare", "kept"])
def test_vectors_by_their_length_are_right(
    judge: Judge, text: str, least: str, declared: bool
) -> None:
    model = build(
        f"""g (float[N,64] x) => (float[N,64] y)
          <int64[1] a1 = {{1}}, int64[1] a2 = {{2}}, float eps = {{1e-12}}> {{
          {text}
          root = Sqrt(sum)
          {least or "kept = Identity(root)"}
          y = Div(x, kept)
        }}""",
        declared=declared,
        ones=np.ones((64, 1)),
    )
    judge.holds(model, {"x": _rows(1)})


@SHAPES
@spelt(
    outer="both = MatMul(na, nbt) y = Div(dots, both)",
    one_by_one="half = Div(dots, na) y = Div(half, nbt)",
    broadcast="both = Mul(na, nbt) y = Div(dots, both)",
    kept="both = Mul(na, nbt) around = Add(both, eps) y = Div(dots, around)",
    inverse="both = Mul(na, nbt) inverse = Reciprocal(both) y = Mul(dots, inverse)",
)
@pytest.mark.parametrize(
    "dots",
    [
        "bt = Transpose<perm = [1, 0]>(b) dots = MatMul(a, bt)",
        'dots = Einsum<equation = "id,jd->ij">(a, b)',
        "dots = Gemm<transB = 1>(a, b)",
    ],
    ids=["matmul", "einsum", "gemm"],
)
def test_cosines_of_all_pairs_are_right(judge: Judge, dots: str, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,64] a, float[M,64] b) => (float[N,M] y) <float eps = {{1e-8}}> {{
          na = ReduceL2<axes = [1], keepdims = 1>(a)
          nb = ReduceL2<axes = [1], keepdims = 1>(b)
          nbt = Transpose<perm = [1, 0]>(nb)
          {dots} {text}
        }}""",
        declared=declared,
    )
    judge.holds(model, {"a": _rows(2), "b": _rows(3)})


@SHAPES
@spelt(
    power="eps = Pow(ten, minus_eight)",
    product="eps = Mul(tiny, tiny)",
    quotient="eps = Div(one, large)",
    exponential="eps = Exp(minus_twenty)",
    filled="shape = Shape(sum) eps = ConstantOfShape<value = float[1] {1e-8}>(shape)",
    several="eps = Identity(tinies)",
)
@pytest.mark.parametrize(
    "kept",
    ["kept = Add(sum, eps)", "kept = Max(sum, eps)", "no = Not(any) kept = Where(no, eps, sum)"],
    ids=["add", "max", "where"],
)
def test_a_computed_epsilon_before_a_division_is_right(
    judge: Judge, text: str, kept: str, declared: bool
) -> None:
    model = build(
        f"""g (float[N,16] weights, float[N,16] x) => (float[N,1] y)
          <int64[1] ax = {{1}}, float ten = {{10}}, float minus_eight = {{-8}},
           float tiny = {{1e-4}}, float one = {{1}}, float large = {{50000}},
           float minus_twenty = {{-20}}, float zero = {{0}}> {{
          wx = Mul(weights, x)
          top = ReduceSum(wx, ax)
          sum = ReduceSum(weights, ax)
          any = Greater(sum, zero)
          {text}
          {kept}
          y = Div(top, kept)
        }}""",
        declared=declared,
        tinies=np.full((1, 1), 1e-8) if "tinies" not in text else np.full((4, 1), 1e-8),
    )
    weights = np.random.default_rng(4).uniform(0, 1, (4, 16)).astype(np.float32)
    weights[2] = 0
    judge.holds(model, {"weights": weights, "x": normal(5, 4, 16)})


@SHAPES
@spelt(
    sum_first="kept = Add(weights, eps) bottom = ReduceSum(kept, ax)",
    more_is_added="kept = Add(first, eps) bottom = Add(kept, second)",
    all_at_once="bottom = Sum(first, eps, second)",
    mean_first="kept = Add(weights, eps) mean = ReduceMean<axes = [1]>(kept) bottom = Mul(mean, n)",
)
def test_an_epsilon_that_is_added_to_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] weights, float[N,16] x) => (float[N,1] y)
          <int64[1] ax = {{1}}, float eps = {{1e-8}}, float n = {{16}}> {{
          wx = Mul(weights, x)
          top = ReduceSum(wx, ax)
          first = ReduceSum(weights, ax)
          second = Abs(first)
          {text}
          y = Div(top, bottom)
        }}""",
        declared=declared,
    )
    weights = np.random.default_rng(4).uniform(0, 1, (4, 16)).astype(np.float32)
    weights[2] = 0
    judge.holds(model, {"weights": weights, "x": normal(5, 4, 16)})


@SHAPES
def test_scores_of_tokens_with_themselves_stay_half(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,64] x) => (float[B,T,64] y) <float root = {8}> {
          k = Transpose<perm = [0, 2, 1]>(x)
          raw = MatMul(x, k)
          scores = Div(raw, root)
          p = Softmax<axis = -1>(scores)
          y = MatMul(p, x)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"x": normal(9, 1, 50, 64)}, casts=2)
