"""Variances and covariances of weighted sums, and of means that matrices take."""

import numpy as np
from judging import SHAPES, Judge, build, normal, spelt

ROOT = """kept = Clip(variance, least) deviation = Sqrt(kept) away = Sub(x, mean)
  y = Div(away, deviation)"""


@SHAPES
@spelt(
    weights_first="q = Mul(x, x) wq = Mul(w, q) wx = Mul(w, x)",
    weights_between="wx = Mul(w, x) wq = Mul(wx, x)",
    by_pow="q = Pow(x, two) wq = Mul(q, w) wx = Mul(x, w)",
)
def test_statistics_that_an_attention_weighs_are_right(
    judge: Judge, text: str, declared: bool
) -> None:
    """The attentive pooling of speaker models."""
    model = build(
        f"""g (float[N,8,30] x) => (float[N,16] y)
          <float two = {{2}}, float least = {{1e-7}}, int64[1] ax = {{2}}> {{
          w = Softmax<axis = 2>(x)
          {text}
          mean = ReduceSum<keepdims = 0>(wx, ax)
          squares = ReduceSum<keepdims = 0>(wq, ax)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          kept = Clip(variance, least)
          deviation = Sqrt(kept)
          y = Concat<axis = 1>(mean, deviation)
        }}""",
        opset=15,
        declared=declared,
    )
    x = normal(1, 2, 8, 30, mean=40, spread=0.7)
    judge.holds(model, {"x": x})


@SHAPES
def test_a_variance_of_unmasked_tokens_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""g (float[N,30,8] x, int64[N,30] mask) => (float[N,30,8] y)
          <float least = {{1e-3}}, int64[1] ax = {{1}}, int64[1] last = {{-1}}> {{
          wide = Unsqueeze(mask, last)
          m = Cast<to = 1>(wide)
          n = ReduceSum(m, ax)
          xm = Mul(x, m)
          sum = ReduceSum(xm, ax)
          mean = Div(sum, n)
          q = Mul(xm, x)
          total = ReduceSum(q, ax)
          squares = Div(total, n)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          {ROOT}
        }}""",
        opset=15,
        declared=declared,
    )
    mask = (np.arange(30) < 25).astype(np.int64)[None]
    judge.holds(model, {"x": normal(1, 1, 30, 8, mean=40), "mask": mask})


@SHAPES
@spelt(
    matmul="q = Mul(x, x) squares = MatMul(q, average) mean = MatMul(x, average)",
    gemm="q = Mul(x, x) squares = Gemm(q, average) mean = Gemm(x, average)",
    einsum="""q = Mul(x, x) squares = Einsum<equation = "nd,de->ne">(q, average)
      mean = Einsum<equation = "nd,de->ne">(x, average)""",
    einsum_of_both="""total = Einsum<equation = "nd,nd->n">(x, x) turned = Unsqueeze(total, a1)
      squares = Mul(turned, share) mean = ReduceMean<axes = [1]>(x)""",
    of_rows="""tall = Transpose<perm = [1, 0]>(x) q = Mul(tall, tall) turned = MatMul(row, q)
      squares = Transpose<perm = [1, 0]>(turned) means = MatMul(row, tall)
      mean = Transpose<perm = [1, 0]>(means)""",
)
def test_a_variance_of_means_that_a_matrix_takes_is_right(
    judge: Judge, text: str, declared: bool
) -> None:
    model = build(
        f"""g (float[N,64] x) => (float[N,64] y)
          <float least = {{1e-3}}, float share = {{0.015625}}, int64[1] a1 = {{1}}> {{
          {text}
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          {ROOT}
        }}""",
        declared=declared,
        average=np.full((64, 1), 1 / 64),
        row=np.full((1, 64), 1 / 64),
    )
    judge.holds(model, {"x": normal(3, 3, 64, mean=40)})


@SHAPES
def test_a_variance_of_groups_by_one_convolution_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""g (float[N,4,H,W] x) => (float[N,4,H,W] y) <float least = {{1e-3}}> {{
          q = Mul(x, x)
          squares = Conv<group = 4, pads = [1, 1, 1, 1]>(q, window)
          mean = Conv<group = 4, pads = [1, 1, 1, 1]>(x, window)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          {ROOT}
        }}""",
        declared=declared,
        window=np.full((4, 1, 3, 3), 1 / 9),
    )
    judge.holds(model, {"x": normal(3, 1, 4, 9, 9, mean=40)})


@SHAPES
def test_a_variance_over_the_first_axis_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        f"""g (float[T,8] x) => (float[T,8] y) <float least = {{1e-3}}> {{
          q = Mul(x, x)
          squares = ReduceMean<axes = [0]>(q)
          mean = ReduceMean<axes = [0]>(x)
          square = Mul(mean, mean)
          variance = Sub(squares, square)
          {ROOT}
        }}""",
        declared=declared,
    )
    judge.holds(model, {"x": normal(3, 50, 8, mean=40)})


@SHAPES
@spelt(
    products="""turned = Transpose<perm = [0, 2, 1]>(x) total = MatMul(turned, x)
      tall = Transpose<perm = [0, 2, 1]>(mean) outer = MatMul(tall, mean)""",
    sums="""total = Einsum<equation = "nti,ntj->nij">(x, x)
      tall = Transpose<perm = [0, 2, 1]>(mean) outer = Mul(tall, mean)""",
)
def test_a_matrix_of_covariances_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,32,8] x) => (float[N,8,8] y) <float share = {{0.03125}}> {{
          mean = ReduceMean<axes = [1]>(x)
          {text}
          moment = Mul(total, share)
          y = Sub(moment, outer)
        }}""",
        declared=declared,
    )
    judge.holds(model, {"x": normal(3, 2, 32, 8, mean=20)})


@SHAPES
def test_a_complex_product_of_layers_stays_half(judge: Judge, declared: bool) -> None:
    """Its parts are differences of products, but no means are among them."""
    model = build(
        """g (float[N,16] x, float[N,16] z) => (float[N,8] re) {
          a = MatMul(x, wa)
          b = MatMul(z, wb)
          ar, ai = Split<axis = 1>(a)
          br, bi = Split<axis = 1>(b)
          rr = Mul(ar, br)
          ii = Mul(ai, bi)
          re = Sub(rr, ii)
        }""",
        declared=declared,
        wa=normal(1, 16, 16, spread=0.25),
        wb=normal(2, 16, 16, spread=0.25),
    )
    judge.stays_half(model, {"x": normal(8, 3, 16), "z": normal(9, 3, 16)}, casts=3)
