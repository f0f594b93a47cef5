"""Exponentials that something else than a ReduceSum adds up, and powers of two and ten."""

import numpy as np
from judging import SHAPES, Judge, build, normal, spelt

STEPS = np.linspace(-13, 13, 64, dtype=np.float32).reshape(4, 16)


@SHAPES
@spelt(
    magnitudes="total = ReduceL1<axes = [-1], keepdims = 1>(e)",
    ones="total = MatMul(e, ones)",
    ones_spread="one_column = Expand(one, column) total = MatMul(e, one_column)",
    gemm="total = Gemm(e, ones)",
    einsum="""sum = Einsum<equation = "ni->n">(e) total = Unsqueeze(sum, last)""",
    einsum_with_ones="""total = Einsum<equation = "ni,ij->nj">(e, ones)""",
    mean="mean = ReduceMean<axes = [-1], keepdims = 1>(e) total = Mul(mean, sixteen)",
)
def test_a_softmax_by_another_sum_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] x) => (float[N,16] y)
          <float one = {{1}}, float sixteen = {{16}}, int64[1] last = {{-1}},
           int64[2] column = {{16, 1}}> {{
          e = Exp(x) {text} y = Div(e, total)
        }}""",
        declared=declared,
        ones=np.ones((16, 1)),
    )
    judge.holds(model, {"x": STEPS})


@SHAPES
def test_a_softmax_of_heads_whose_sums_a_matrix_takes_is_right(
    judge: Judge, declared: bool
) -> None:
    model = build(
        """g (float[N,16] x) => (float[N,16] y) {
          e = Exp(x) total = MatMul(e, blocks) y = Div(e, total)
        }""",
        declared=declared,
        blocks=np.kron(np.eye(4), np.ones((4, 4))),
    )
    judge.holds(model, {"x": STEPS})


@SHAPES
@spelt(
    elements='total = ScatterElements<axis = 0, reduction = "add">(nothing, wide, e)',
    nd='total = ScatterND<reduction = "add">(nothing, ends, e)',
)
def test_a_softmax_over_the_edges_of_a_graph_is_right(
    judge: Judge, text: str, declared: bool
) -> None:
    model = build(
        f"""g (float[E,4] scores, int64[E] to, float[E,4] v) => (float[5,4] y)
          <int64[1] last = {{-1}}, int64[2] size = {{5, 4}}> {{
          e = Exp(scores)
          ends = Unsqueeze(to, last)
          shape = Shape(scores)
          wide = Expand(ends, shape)
          nothing = ConstantOfShape<value = float[1] {{0}}>(size)
          {text}
          of_edge = Gather<axis = 0>(total, to)
          p = Div(e, of_edge)
          pv = Mul(p, v)
          y = ScatterND<reduction = "add">(nothing, ends, pv)
        }}""",
        opset=16,
        declared=declared,
    )
    to = np.arange(20) % 5
    judge.holds(model, {"scores": normal(1, 20, 4, spread=5), "to": to, "v": normal(2, 20, 4)})


@SHAPES
@spelt(
    softmax="e = Pow(two, x) total = ReduceSum(e, last) y = Div(e, total)",
    logarithm="e = Pow(ten, x) total = ReduceSum(e, last) z = Log(total) y = Sub(x, z)",
    tangent="""e = Pow(two, x) f = Reciprocal(e) top = Sub(e, f) bottom = Add(e, f)
      y = Div(top, bottom)""",
    of_cast="base = Identity(two) e = Pow(base, x) total = ReduceSum(e, last) y = Div(e, total)",
)
def test_powers_of_two_and_ten_are_exponentials(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] x) => (float[N,16] y)
          <float two = {{2}}, float ten = {{10}}, int64[1] last = {{-1}}> {{ {text} }}""",
        declared=declared,
    )
    judge.holds(model, {"x": STEPS * 1.4})


@SHAPES
def test_softmax_pooling_is_right(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[1,4,8,8] x) => (float[1,4,4,4] y) {
          e = Exp(x)
          xe = Mul(x, e)
          top = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(xe)
          bottom = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(e)
          y = Div(top, bottom)
        }""",
        declared=declared,
    )
    judge.holds(model, {"x": normal(1, 1, 4, 8, 8, spread=6)})


@SHAPES
def test_a_layer_that_reads_a_deviation_stays_half(judge: Judge, declared: bool) -> None:
    """A variational code: what the layer multiplies is no sum of exponentials."""
    model = build(
        """g (float[N,16] mean, float[N,16] logs, float[N,16] noise) => (float[N,16] y)
          <float half = {0.5}> {
          scaled = Mul(logs, half)
          deviation = Exp(scaled)
          part = Mul(deviation, noise)
          code = Add(mean, part)
          y = MatMul(code, w)
        }""",
        declared=declared,
        w=normal(1, 16, 16, spread=0.2),
    )
    feeds = {name: normal(i, 3, 16) for i, name in enumerate(["mean", "logs", "noise"])}
    judge.stays_half(model, feeds, casts=4)
