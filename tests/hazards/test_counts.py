"""Counts and positions beyond 2048, of which float16 has every second, and beyond 65504, none."""

import numpy as np
import pytest
from judging import SHAPES, Judge, build, normal, spelt

LENGTH = 5000


LARGE = 70000
USES = {
    "divisor": "y = Div(total, count)",
    "reciprocal": "inverse = Reciprocal(count) y = Mul(total, inverse)",
    "root": "root = Sqrt(count) y = Div(total, root)",
    "less_one": "less = Sub(count, fone) y = Div(total, less)",
    "logarithm": "mean = ReduceMean<axes = [1], keepdims = 0>(x) logarithm = Log(count) "
    "y = Mul(mean, logarithm)",
    "kept": "least = Max(count, fone) y = Div(total, least)",
}
# Every use of a count that float16 has not got; one where it is merely rounded, or declared.
CASES = [pytest.param(use, LARGE, False, id=name) for name, use in USES.items()] + [
    pytest.param(USES["divisor"], LENGTH, False, id="rounded"),
    pytest.param(USES["divisor"], LARGE, True, id="declared"),
]


@spelt(
    shape="shape = Shape(x) n = Gather(shape, one) count = Cast<to = 1>(n)",
    size="n = Size(mask) count = Cast<to = 1>(n)",
    product="""shape = Shape(x) n = Gather(shape, one) m = Mul(n, eight) count8 = Cast<to = 1>(m)
      share = Identity(eighth) count = Mul(count8, share)""",
    mask="""hits = Cast<to = 1>(mask) count = ReduceSum<keepdims = 0>(hits)""",
    bools="""truth = Cast<to = 9>(mask) hits = Cast<to = 1>(truth)
      count = ReduceSum<keepdims = 0>(hits)""",
    first_axis="""turned = Transpose<perm = [1, 0]>(mask) hits = Cast<to = 1>(turned)
      sums = ReduceSum<keepdims = 0>(hits, a0) count = Squeeze(sums)""",
    integers="hits = ReduceSum<keepdims = 0>(mask) count = Cast<to = 1>(hits)",
    cumsum="""hits = Cast<to = 1>(mask) sums = CumSum(hits, one)
      ends = Gather<axis = 1>(sums, minus) count = Squeeze(ends)""",
    l1="hits = Cast<to = 1>(mask) count = ReduceL1<keepdims = 0>(hits)",
    matmul="""hits = Cast<to = 1>(mask) turned = Transpose<perm = [1, 0]>(hits)
      square = MatMul(hits, turned) count = Squeeze(square)""",
)
@pytest.mark.parametrize(("use", "length", "declared"), CASES)
def test_a_count_is_right(judge: Judge, text: str, use: str, length: int, declared: bool) -> None:
    model = build(
        f"""g (float[B,T,2] x, int64[B,T] mask) => (float[B,2] y)
          <int64 one = {{1}}, int64 eight = {{8}}, float eighth = {{0.125}}, float fone = {{1}},
           int64[1] a0 = {{0}}, int64[1] a1 = {{1}}, int64 minus = {{-1}}> {{
          total = ReduceSum<keepdims = 0>(x, a1)
          {text}
          {use}
        }}""",
        declared=declared,
    )
    mask = np.ones((1, length), np.int64)
    x = normal(1, 1, length, 2, mean=0.5, spread=0.1)
    judge.holds(model, {"x": x, "mask": mask}, bound=0.002)


@SHAPES
@spelt(
    range="n = Gather(shape, one) i = Range(zero, n, one) p = Cast<to = 1>(i)",
    floats="n = Gather(shape, one) f = Cast<to = 1>(n) p = Range(fzero, f, fone)",
    ones="""n = Gather(shape, a1) ones = ConstantOfShape<value = float[1] {1}>(n)
      sums = CumSum(ones, axis) p = Sub(sums, fone)""",
    nonzero="flat = Squeeze(mask, a0) i = NonZero(flat) j = Squeeze(i, a0) p = Cast<to = 1>(j)",
)
@pytest.mark.parametrize(
    "use",
    [
        "near = Sub(p, far) y = Mul(near, tenth)",
        "wide = Unsqueeze(p, a1) tall = Unsqueeze(p, a0) near = Sub(wide, tall) "
        "ends = Slice(near, last, far1, a0) y = Squeeze(ends, a0)",
        "scaled = Mul(p, tenth) y = Sin(scaled)",
        "y = Mul(p, tenth)",
        "y = Div(p, ten)",
        "half = Mul(p, fifth) whole = Floor(half) y = Sub(half, whole)",
    ],
    ids=["moved", "distances", "angles", "scaled", "divided", "parts"],
)
def test_a_position_is_right(judge: Judge, text: str, use: str, declared: bool) -> None:
    model = build(
        f"""g (int64[B,T] mask) => (float[T] y)
          <int64 one = {{1}}, int64 zero = {{0}}, float fzero = {{0}}, float fone = {{1}},
           float far = {{2990}}, float tenth = {{0.1}}, float ten = {{10}}, float fifth = {{0.2}},
           int64[1] a0 = {{0}}, int64[1] a1 = {{1}}, int64 axis = {{0}}, int64[1] last = {{-1}},
           int64[1] far1 = {{99999}}> {{
          shape = Shape(mask) {text} {use}
        }}""",
        declared=declared,
    )
    judge.holds(model, {"mask": np.ones((1, 3000), np.int64)}, bound=0.002)
