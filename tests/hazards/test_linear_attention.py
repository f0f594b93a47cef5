"""Sums of keys times values over a sequence whose length a reshape or an equation hides."""

import numpy as np
import pytest
from judging import SHAPES, Judge, build, normal, spelt

LENGTH = 5000
KEYS = "float[B,T,8] q, float[B,T,8] k, float[B,T,8] v"


def _feeds() -> dict[str, np.ndarray]:
    return {
        "q": np.abs(normal(6, 1, LENGTH, 8)),
        "k": np.abs(normal(7, 1, LENGTH, 8)),
        "v": normal(8, 1, LENGTH, 8, mean=1),
    }


@SHAPES
@spelt(
    one_equation="""kv = Einsum<equation = "btd,bte->bde">(k, v)
      top = Einsum<equation = "btd,bde->bte">(q, kv)""",
    ellipsis="""kv = Einsum<equation = "...td,...te->...de">(k, v)
      top = Einsum<equation = "...td,...de->...te">(q, kv)""",
    then_matmul="""kv = Einsum<equation = "btd,bte->bed">(k, v) vk = Transpose<perm = [0, 2, 1]>(kv)
      top = MatMul(q, vk)""",
    heads="""qh = Reshape(q, split) kh = Reshape(k, split) vh = Reshape(v, split)
      kv = Einsum<equation = "bthd,bthe->bhde">(kh, vh)
      th = Einsum<equation = "bthd,bhde->bthe">(qh, kv) top = Reshape(th, joined)""",
)
def test_an_equation_over_time_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g ({KEYS}) => (float[B,T,8] y)
          <int64[1] ax = {{1}}, int64[4] split = {{0, 0, 2, 4}}, int64[3] joined = {{0, 0, 8}}> {{
          {text}
          sums = ReduceSum(k, ax)
          qs = Mul(q, sums)
          bottom = ReduceSum(qs, minus)
          y = Div(top, bottom)
        }}""",
        declared=declared,
        minus=np.array([-1]),
    )
    judge.holds(model, _feeds())


@SHAPES
@spelt(
    constant="shape = Identity(flat)",
    computed="""sizes = Shape(x) b = Slice(sizes, a0, a1)
      shape = Concat<axis = 0>(b, eight, rest)""",
    of_all="""sizes = Shape(x) b = Slice(sizes, a0, a1) hw = Slice(sizes, a2, far)
      n = ReduceProd(hw) shape = Concat<axis = 0>(b, eight, n)""",
)
@pytest.mark.parametrize(
    "product",
    [
        "turned = Transpose<perm = [0, 2, 1]>(v) kv = MatMul(k, turned)",
        'kv = Einsum<equation = "bdn,ben->bde">(k, v)',
    ],
    ids=["matmul", "einsum"],
)
def test_a_picture_that_a_reshape_makes_a_sequence_is_right(
    judge: Judge, text: str, product: str, declared: bool
) -> None:
    """The way of EfficientViT: a column of ones beside the values gives the divisor."""
    model = build(
        f"""g (float[B,8,H,W] x, float[B,8,H,W] values) => (float[B,8,8] y)
          <int64[3] flat = {{0, 8, -1}}, int64[1] a0 = {{0}}, int64[1] a1 = {{1}},
           int64[1] a2 = {{2}}, int64[1] eight = {{8}}, int64[1] rest = {{-1}},
           int64[1] far = {{9}}> {{
          {text}
          features = Conv(x, filters)
          positive = Relu(features)
          k = Reshape(positive, shape)
          v = Reshape(values, shape)
          {product}
          sums = ReduceSum(k, last)
          y = Div(kv, sums)
        }}""",
        declared=declared,
        filters=np.abs(normal(4, 8, 8, 1, 1, spread=0.3)),
        last=np.array([-1]),
    )
    feeds = {
        "x": normal(5, 1, 8, 80, 70, mean=1),
        "values": normal(6, 1, 8, 80, 70, mean=1),
    }
    judge.holds(model, feeds)


@SHAPES
def test_a_product_without_a_batch_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[T,8] k, float[T,8] v) => (float[8,8] y) {
          y = Gemm<transA = 1>(k, v)
        }""",
        declared=declared,
    )
    k = np.abs(normal(5, LENGTH, 8, mean=1))
    judge.holds(model, {"k": k, "v": normal(6, LENGTH, 8, mean=1)})


@SHAPES
def test_an_attention_of_equations_stays_half(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,32] x) => (float[B,T,32] y)
          <int64[4] split = {0, 0, 2, 16}, int64[3] joined = {0, 0, 32}, float scale = {0.25}> {
          h = Reshape(x, split)
          raw = Einsum<equation = "bihd,bjhd->bhij">(h, h)
          scores = Mul(raw, scale)
          p = Softmax<axis = -1>(scores)
          mixed = Einsum<equation = "bhij,bjhd->bihd">(p, h)
          y = Reshape(mixed, joined)
        }""",
        declared=declared,
    )
    judge.stays_half(model, {"x": normal(9, 1, 50, 32)}, casts=2)
