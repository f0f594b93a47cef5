"""Fills of masks that a branch of an If makes, or a node that computes in float32."""

import pytest
from attention import LEFT_PADDED, attention, batch, causal
from judging import SHAPES, Judge, spelt

DTYPES = pytest.mark.parametrize("dtype", ["fp16", "q4f16"])
ROWS = ("rows",)
PADDING = """numbers = Cast<to = 1>(mask) wide = Unsqueeze(numbers, a1)
  inverse = Sub(one, wide) """
TWO = "first = Add(scores, causal) masked = Add(first, padding)"
CHOICE = """sizes = Shape(mask) tokens = Gather(sizes, last) several = Greater(tokens, next)
  """
INNER = "int64 next = {1}"


@DTYPES
@SHAPES
@spelt(
    filled_inside="""padding = If (several) <
      then_branch = then_g () => (float[B,1,T] then_y) { then_y = Mul(inverse, low) },
      else_branch = else_g () => (float[B,1,T] else_y) { else_y = Mul(inverse, zero) }>""",
    filled_before="""filled = Mul(inverse, low) padding = If (several) <
      then_branch = then_g () => (float[B,1,T] then_y) { then_y = Identity(filled) },
      else_branch = else_g () => (float[B,1,T] else_y) { else_y = Mul(inverse, zero) }>""",
    constants_inside="""padding = If (several) <
      then_branch = then_g () => (float[B,1,T] then_y) {
        least_of_all = Constant<value = float {-1e9}>()
        then_y = Mul(inverse, least_of_all) },
      else_branch = else_g () => (float[B,1,T] else_y) { else_y = Mul(inverse, zero) }>""",
    of_another_branch="""two = If (several) <
      then_branch = then_g () => (float[B,1,T] then_y) { then_y = Mul(inverse, low) },
      else_branch = else_g () => (float[B,1,T] else_y) { else_y = Mul(inverse, zero) }>
      padding = If (several) <
      then_branch = then_h () => (float[B,1,T] then_z) { then_z = Identity(two) },
      else_branch = else_h () => (float[B,1,T] else_z) { else_z = Mul(two, zero) }>""",
    chosen_inside="""kept = Cast<to = 9>(wide) padding = If (several) <
      then_branch = then_g () => (float[B,1,T] then_y) { then_y = Where(kept, zero, least) },
      else_branch = else_g () => (float[B,1,T] else_y) { else_y = Mul(inverse, zero) }>""",
)
def test_a_mask_of_a_branch_adds_to_another(
    judge: Judge, dtype: str, text: str, declared: bool
) -> None:
    model = attention(
        f"{PADDING} {CHOICE} {text}", TWO, declared=declared, constants=INNER, causal=causal(-1e9)
    )
    judge.holds(model, batch([0, 0, 0, 0], [0, 1, 1, 1]), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
@spelt(
    # Positions beyond 2048 make a distance's fill: the arithmetic on them stays float32.
    by_range="""sizes = Shape(mask) tokens = Gather(sizes, last) i = Range(start, tokens, next)
      f = Cast<to = 1>(i) tall = Unsqueeze(f, a1) wide_f = Unsqueeze(f, a0)
      apart = Sub(wide_f, tall) later = Clip(apart, zero, one) filled = Mul(later, least)
      wide = Unsqueeze(mask, a1) numbers = Cast<to = 1>(wide) inverse = Sub(one, numbers)
      padding = Mul(inverse, low) both = Add(filled, padding)""",
    by_count="""numbers = Cast<to = 1>(mask) sums = CumSum(numbers, next)
      early = Clip(sums, zero, one)
      seen = Unsqueeze(early, a1) inverse = Sub(one, seen) padding = Mul(inverse, least)
      both = Add(padding, causal)""",
    where_of_count="""numbers = Cast<to = 1>(mask) sums = CumSum(numbers, next)
      seen = Unsqueeze(sums, a1) fills = Sub(seen, seen) lows = Add(fills, least)
      none = Less(seen, one) padding = Where(none, lows, fills) both = Add(padding, causal)""",
)
@pytest.mark.parametrize("fill", [-1e9, -3.4e38])
def test_a_fill_that_is_computed_in_float32_is_finite_in_halves(
    judge: Judge, dtype: str, text: str, fill: float, declared: bool
) -> None:
    model = attention(
        text,
        "masked = Add(scores, both)",
        declared=declared,
        constants="int64 next = {1}, int64 start = {0}",
        causal=causal(fill),
    )
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
@spelt(
    padding="numbers = Cast<to = 1>(mask) sums = CumSum(numbers, next) "
    "seen = Unsqueeze(sums, a1) none = Less(seen, one) nothing = Sub(seen, seen) "
    "filled = Where(none, FILL, nothing)",
    large="numbers = Cast<to = 1>(mask) sums = CumSum(numbers, next) "
    "seen = Unsqueeze(sums, a1) rest = Clip(seen, zero, one) inverse = Sub(one, rest) "
    "filled = Mul(inverse, FILL)",
)
@pytest.mark.parametrize("number", ["low", "least"])
def test_one_mask_of_float32_leaves_scores_finite(
    judge: Judge, dtype: str, text: str, number: str, declared: bool
) -> None:
    model = attention(
        text.replace("FILL", number),
        "masked = Add(scores, filled)",
        declared=declared,
        constants="int64 next = {1}",
    )
    judge.holds(model, batch([0, 0, 0, 0], [0, 1, 1, 1]), dtype, finite_only=ROWS)
