"""Angles: a sine is as wrong as its angle is, and float16 holds those of 1000 to half a radian."""

import numpy as np
import pytest
from judging import SHAPES, Judge, build, normal, spelt

DTYPES = pytest.mark.parametrize("dtype", ["fp16", "bf16"])
FREQUENCIES = np.power(10.0, -np.arange(32) * 4 / 32)
TIMES = np.array([998.39, 937, 61.5], np.float32)
# Within a square of side one, as points on surfaces and in pictures are.
POINTS = np.random.default_rng(3).uniform(0, 1, (9, 2)).astype(np.float32)


@DTYPES
def test_sines_of_time_steps_are_those_of_float32(judge: Judge, dtype: str) -> None:
    model = build(
        """g (float[N] t) => (float[N,8] y) <int64[1] ax = {1}> {
          column = Unsqueeze(t, ax)
          angle = Mul(column, frequencies)
          s = Sin(angle)
          c = Cos(angle)
          both = Concat<axis = -1>(s, c)
          y = MatMul(both, w)
        }""",
        frequencies=FREQUENCIES,
        w=normal(1, 64, 8, spread=0.3),
    )
    judge.holds(model, {"t": TIMES}, dtype)


@DTYPES
@SHAPES
def test_frequencies_that_the_graph_makes_itself_stay_right(
    judge: Judge, dtype: str, declared: bool
) -> None:
    """The way of diffusers, on times between 0 and 1 that it makes thousandths of."""
    model = build(
        """g (float[N] t) => (float[N,8] y)
          <int64 zero = {0}, int64 one = {1}, int64 half = {32}, int64[1] ax = {1},
           int64[1] first = {0}, int64[1] middle = {32}, int64[1] last = {64},
           float decay = {-9.21034}, float count = {32}, float thousand = {1000}> {
          steps = Range(zero, half, one)
          numbers = Cast<to = 1>(steps)
          scaled = Mul(numbers, decay)
          powers = Div(scaled, count)
          frequencies = Exp(powers)
          times = Mul(t, thousand)
          column = Unsqueeze(times, ax)
          angle = Mul(column, frequencies)
          s = Sin(angle)
          c = Cos(angle)
          both = Concat<axis = -1>(s, c)
          right = Slice(both, middle, last, ax)
          left = Slice(both, first, middle, ax)
          flipped = Concat<axis = -1>(right, left)
          hidden = Gemm<transB = 1>(flipped, w, b)
          gate = Sigmoid(hidden)
          y = Mul(hidden, gate)
        }""",
        opset=14,
        declared=declared,
        w=normal(1, 8, 64, spread=0.3),
        b=normal(2, 8, spread=0.1),
    )
    judge.holds(model, {"t": TIMES / 1000}, dtype)


@DTYPES
@SHAPES
def test_fourier_features_of_points_stay_right(judge: Judge, dtype: str, declared: bool) -> None:
    model = build(
        """g (float[N,2] points) => (float[N,8] y) <float turn = {6.2831855}> {
          p = MatMul(points, directions)
          angle = Mul(p, turn)
          s = Sin(angle)
          c = Cos(angle)
          both = Concat<axis = 1>(s, c)
          y = Gemm(both, w)
        }""",
        opset=13,
        declared=declared,
        directions=normal(4, 2, 32, spread=20),
        w=normal(1, 64, 8, spread=0.3),
    )
    judge.holds(model, {"points": POINTS}, dtype)


@DTYPES
def test_fourier_features_made_by_an_einsum_stay_right(judge: Judge, dtype: str) -> None:
    model = build(
        """g (float[2,N] points) => (float[N,64] y)
          <float turn = {6.2831855}, float quarter = {1.5707964}> {
          angle = Einsum<equation = "cn,ck->nk">(points, directions)
          turned = Mul(turn, angle)
          same = Identity(turned)
          s = Sin(same)
          shifted = Add(same, quarter)
          c = Sin(shifted)
          y = Concat<axis = 1>(s, c)
        }""",
        opset=16,
        directions=normal(4, 2, 32, spread=20),
    )
    judge.holds(model, {"points": POINTS.T.copy()}, dtype)


@DTYPES
def test_rotary_tables_of_float_positions_stay_right(judge: Judge, dtype: str) -> None:
    """The way of Llama's exports, but with positions that are floats from the beginning."""
    model = build(
        """g (float[B,S] positions, float[B,S,16] q) => (float[B,S,16] y)
          <int64[1] middle_ax = {1}, int64[1] zero = {0}, int64[1] half = {8},
           int64[1] far = {9223372036854775807}, int64[1] last_ax = {-1}> {
          rows = Unsqueeze(positions, middle_ax)
          products = MatMul(inverse, rows)
          angles = Transpose<perm = [0, 2, 1]>(products)
          twice = Concat<axis = -1>(angles, angles)
          c = Cos(twice)
          s = Sin(twice)
          left = Slice(q, zero, half, last_ax)
          right = Slice(q, half, far, last_ax)
          minus = Neg(right)
          turned = Concat<axis = -1>(minus, left)
          a = Mul(q, c)
          b = Mul(turned, s)
          y = Add(a, b)
        }""",
        inverse=np.power(10000.0, -np.arange(8) / 8).reshape(1, 8, 1),
    )
    positions = np.array([[3001, 3002, 3003, 4090, 4095]], np.float32)
    judge.holds(model, {"positions": positions, "q": normal(5, 1, 5, 16)}, dtype)


@DTYPES
def test_scaled_positions_times_frequencies_by_einsum_stay_right(judge: Judge, dtype: str) -> None:
    model = build(
        """g (float[S] positions, float[S,8] x) => (float[S,8] y)
          <float scale = {4}, int64[3] shape = {1, -1, 8}, int64[2] flat = {-1, 8}> {
          scaled = Div(positions, scale)
          angles = Einsum<equation = "i,j->ij">(scaled, inverse)
          apart = Reshape(angles, shape)
          s = Sin(apart)
          rows = Reshape(s, flat)
          y = Mul(rows, x)
        }""",
        opset=18,
        inverse=np.power(10000.0, -np.arange(8) / 8),
    )
    positions = np.array([12001, 12002, 12007, 16380], np.float32)
    judge.holds(model, {"positions": positions, "x": normal(5, 4, 8)}, dtype)


@DTYPES
@SHAPES
def test_phases_that_a_vocoder_accumulates_stay_right(
    judge: Judge, dtype: str, declared: bool
) -> None:
    """The source of a neural vocoder: the sum of a pitch's cycles, its harmonics, their sines."""
    model = build(
        """g (float[B,T,1] pitch) => (float[B,T,1] y)
          <int64 ax = {1}, float rate = {24000}, float turn = {6.2831855}> {
          cycles = Div(pitch, rate)
          many = Mul(cycles, harmonics)
          phase = CumSum(many, ax)
          angle = Mul(phase, turn)
          waves = Sin(angle)
          y = MatMul(waves, w)
        }""",
        opset=14,
        declared=declared,
        harmonics=np.arange(1.0, 9.0).reshape(1, 1, 8),
        w=normal(1, 8, 1, spread=0.3),
    )
    pitch = np.linspace(180, 220, 1500, dtype=np.float32).reshape(1, -1, 1)
    judge.holds(model, {"pitch": pitch}, dtype)


@DTYPES
def test_angles_made_by_divisions_and_sums_stay_right(judge: Judge, dtype: str) -> None:
    """The sine embedding of detection transformers: pixels by powers of a temperature."""
    model = build(
        """g (float[N] x, float[1] offset) => (float[N,32] y)
          <int64[1] ax = {-1}, int64[1] last_ax = {1}, int64[1] zero = {0}, int64[1] one = {1},
           int64[1] far = {9223372036854775807}, int64[1] two = {2}, int64[2] rows = {-1, 32}> {
          moved = Add(x, offset)
          column = Unsqueeze(moved, ax)
          angle = Div(column, wavelengths)
          even = Slice(angle, zero, far, last_ax, two)
          odd = Slice(angle, one, far, last_ax, two)
          s = Sin(even)
          c = Cos(odd)
          s3 = Unsqueeze(s, ax)
          c3 = Unsqueeze(c, ax)
          both = Concat<axis = -1>(s3, c3)
          y = Reshape(both, rows)
        }""",
        opset=13,
        wavelengths=np.power(10000.0, 2 * (np.arange(32) // 2) / 32),
    )
    x = np.array([17.25, 311.5, 640.75, 1279.5], np.float32)
    judge.holds(model, {"x": x, "offset": np.array([0.125], np.float32)}, dtype)


@DTYPES
def test_angles_that_pass_through_casts_and_choices_stay_right(judge: Judge, dtype: str) -> None:
    model = build(
        """g (float[N,1] t, bool[N,1] known) => (float[N,8] y)
          <float nothing = {0}, int64[3] apart = {-1, 4, 8}, int64[2] back = {-1, 32}> {
          angle = Mul(frequencies, t)
          same = Cast<to = 1>(angle)
          chosen = Where(known, same, nothing)
          cubes = Reshape(chosen, apart)
          turned = Transpose<perm = [0, 2, 1]>(cubes)
          c = Cos(turned)
          flat = Reshape(c, back)
          y = MatMul(flat, w)
        }""",
        opset=21,
        frequencies=FREQUENCIES.reshape(1, 32),
        w=normal(1, 32, 8, spread=0.3),
    )
    known = np.array([[True], [False], [True]])
    judge.holds(model, {"t": TIMES[:, None], "known": known}, dtype)


@DTYPES
@SHAPES
def test_a_snake_activation_gives_what_float32_does(
    judge: Judge, dtype: str, declared: bool
) -> None:
    model = build(
        """g (float[B,4,T] x) => (float[B,4,T] y) <float two = {2}> {
          h = Conv<kernel_shape = [1]>(x, w)
          angle = Mul(h, alpha)
          s = Sin(angle)
          square = Pow(s, two)
          small = Div(square, alpha)
          y = Add(h, small)
        }""",
        declared=declared,
        w=normal(1, 4, 4, 1),
        alpha=np.array([0.1, 1, 5, 20], np.float32).reshape(1, 4, 1),
    )
    judge.holds(model, {"x": normal(6, 1, 4, 50, spread=2)}, dtype)


@SHAPES
@spelt(
    of_sigmoid="b = Sigmoid(h) z = Sin(b)",
    of_tanh="a = Tanh(h) b = Mul(a, pi) z = Sin(b)",
)
def test_a_sine_of_what_is_bounded_stays_half(judge: Judge, text: str, declared: bool) -> None:
    model = build(
        f"""g (float[N,16] x) => (float[N,4] y) <float pi = {{3.1415927}}> {{
          h = MatMul(x, v) {text} y = MatMul(z, w)
        }}""",
        declared=declared,
        v=normal(1, 16, 8, spread=0.3),
        w=normal(2, 8, 4, spread=0.3),
    )
    judge.stays_half(model, {"x": normal(3, 5, 16)}, casts=2)
