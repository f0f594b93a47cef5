"""Exponentials that meet one another: e^12 is beyond float16, and infinity by infinity is NaN."""

import numpy as np
import pytest
from judging import SHAPES, Judge, build, normal, spelt

OPSETS = pytest.mark.parametrize("opset", [13, 18])
STEPS = np.linspace(-13, 13, 64, dtype=np.float32).reshape(4, 16)


@SHAPES
@spelt(
    by_neg="minus = Neg(x) e = Exp(x) f = Exp(minus)",
    by_reciprocal="e = Exp(x) f = Reciprocal(e)",
    by_mul="minus = Mul(x, down) same = Identity(minus) e = Exp(x) f = Exp(same)",
)
def test_a_tangent_of_exponentials_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] x) => (float[N,16] y) <float down = {{-1}}> {{
          {text} top = Sub(e, f) bottom = Add(e, f) y = Div(top, bottom)
        }}""",
        declared=declared,
    )
    judge.holds(model, {"x": STEPS * 0.95})


@OPSETS
def test_a_tangent_of_a_double_exponential_is_right(judge: Judge, opset: int) -> None:
    model = build(
        """g (float[N,16] x) => (float[N,16] y) <float two = {2}, float one = {1}> {
          twice = Mul(x, two) e = Exp(twice)
          top = Sub(e, one) bottom = Add(e, one) y = Div(top, bottom)
        }""",
        opset=opset,
    )
    judge.holds(model, {"x": STEPS})


@SHAPES
@spelt(
    by_squares=(
        "q = Mul(e, e) d = Mul(e, two) n = Add(q, d) m = Add(n, two) t = Div(n, m) y = Mul(x, t)"
    ),
    by_products="s = Add(e, two) n = Mul(e, s) m = Add(two, n) xn = Mul(x, n) y = Div(xn, m)",
    by_powers=(
        "s = Add(e, one) q = Pow(s, two) n = Sub(q, one) m = Add(q, one) t = Div(n, m) "
        "y = Mul(t, x)"
    ),
)
def test_a_mish_of_exponentials_is_right(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] x) => (float[N,16] y) <float one = {{1}}, float two = {{2}}> {{
          e = Exp(x) {text}
        }}""",
        declared=declared,
    )
    judge.holds(model, {"x": STEPS})


@SHAPES
def test_values_weighted_by_exponentials_are_right(judge: Judge, declared: bool) -> None:
    """An attention-free transformer: a token's weights are those of its neighbours' keys."""
    model = build(
        """g (float[B,T,8] k, float[B,T,8] v, float[B,T,8] r) => (float[B,T,8] y)
          <int64[1] ax = {1}> {
          e = Exp(k)
          ev = Mul(e, v)
          top = ReduceSum(ev, ax)
          bottom = ReduceSum(e, ax)
          mean = Div(top, bottom)
          gate = Sigmoid(r)
          y = Mul(gate, mean)
        }""",
        opset=13,
        declared=declared,
    )
    feeds = {
        "k": normal(1, 2, 9, 8, mean=4, spread=4),
        "v": normal(2, 2, 9, 8),
        "r": normal(3, 2, 9, 8),
    }
    judge.holds(model, feeds)


@OPSETS
def test_weights_of_positions_times_weights_of_keys_are_right(judge: Judge, opset: int) -> None:
    model = build(
        """g (float[B,6,8] k, float[B,6,8] v) => (float[B,6,8] y) {
          e = Exp(k)
          ew = Exp(positions)
          ev = Mul(e, v)
          top = MatMul(ew, ev)
          bottom = MatMul(ew, e)
          y = Div(top, bottom)
        }""",
        opset=opset,
        positions=normal(4, 6, 6, spread=2),
    )
    judge.holds(model, {"k": normal(1, 2, 6, 8, spread=4), "v": normal(2, 2, 6, 8)})


@SHAPES
def test_a_step_of_a_recurrent_attention_is_right(judge: Judge, declared: bool) -> None:
    """RWKV: the state's weighted values plus those of the token, by the sum of both weights."""
    model = build(
        """g (float[B,8] k, float[B,8] v, float[B,8] num, float[B,8] den) => (float[B,8] y) {
          uk = Add(k, bonus)
          e = Exp(uk)
          ev = Mul(e, v)
          top = Add(num, ev)
          bottom = Add(den, e)
          y = Div(top, bottom)
        }""",
        declared=declared,
        bonus=np.linspace(0, 3, 8),
    )
    feeds = {
        "k": np.linspace(-3, 11, 16, dtype=np.float32).reshape(2, 8),
        "v": normal(2, 2, 8),
        "num": normal(5, 2, 8),
        "den": np.abs(normal(6, 2, 8)),
    }
    judge.holds(model, feeds)


@SHAPES
@pytest.mark.parametrize("sum_of", ["Add", "Sum"])
def test_the_logarithm_of_two_exponentials_is_right(
    judge: Judge, sum_of: str, declared: bool
) -> None:
    model = build(
        f"""g (float[N,16] a, float[N,16] b) => (float[N,16] y) {{
          ea = Exp(a) eb = Exp(b) s = {sum_of}(ea, eb) y = Log(s)
        }}""",
        declared=declared,
    )
    judge.holds(model, {"a": STEPS, "b": STEPS[::-1] - 3})


@SHAPES
@pytest.mark.parametrize("joined_first", [False, True])
def test_a_softmax_of_two_parts_is_right(judge: Judge, joined_first: bool, declared: bool) -> None:
    """A sink, or keys of the past, beside the scores of the present."""
    text = (
        """e = Concat<axis = -1>(ea, eb) total = ReduceSum(e, ax) p = Div(e, total)"""
        if joined_first
        else """sa = ReduceSum(ea, ax) sb = ReduceSum(eb, ax) total = Add(sa, sb)
          pa = Div(ea, total) pb = Div(eb, total) p = Concat<axis = -1>(pa, pb)"""
    )
    model = build(
        f"""g (float[N,16] a, float[N,4] b) => (float[N,8] y) <int64[1] ax = {{-1}}> {{
          ea = Exp(a) eb = Exp(b) {text} y = MatMul(p, v)
        }}""",
        opset=15,
        declared=declared,
        v=normal(3, 20, 8),
    )
    judge.holds(model, {"a": STEPS, "b": normal(4, 4, 4, spread=5)})


@SHAPES
def test_values_multiplied_by_exponentials_before_the_division_are_right(
    judge: Judge, declared: bool
) -> None:
    model = build(
        """g (float[B,T,T] scores, float[B,T,8] v) => (float[B,T,8] y) <int64[1] ax = {-1}> {
          e = Exp(scores)
          ev = MatMul(e, v)
          total = ReduceSum(e, ax)
          y = Div(ev, total)
        }""",
        declared=declared,
    )
    judge.holds(model, {"scores": normal(1, 2, 7, 7, spread=5), "v": normal(2, 2, 7, 8)})


@OPSETS
def test_a_softmax_with_one_more_in_its_sum_is_right(judge: Judge, opset: int) -> None:
    model = build(
        """g (float[N,16] x) => (float[N,16] y) <int64[1] ax = {-1}, float one = {1}> {
          e = Exp(x)
          sum = ReduceSum(e, ax)
          total = Add(sum, one)
          same = Reshape(total, column)
          y = Div(e, same)
        }""",
        opset=opset,
        column=np.array([-1, 1]),
    )
    judge.holds(model, {"x": STEPS})


@SHAPES
@spelt(
    swish="y = Div(x, s)",
    sigmoid="y = Div(one, s)",
    by_reciprocal="t = Reciprocal(s) y = Mul(x, t)",
)
def test_a_sigmoid_of_one_exponential_stays_half(judge: Judge, text: str, declared: bool) -> None:
    """What the exponential is beyond float16, the result is nothing, as it is in float32."""
    model = build(
        f"""g (float[N,16] x) => (float[N,16] y) <float one = {{1}}> {{
          minus = Neg(x) e = Exp(minus) s = Add(e, one) {text}
        }}""",
        declared=declared,
    )
    judge.stays_half(model, {"x": STEPS}, casts=2)
