"""Masks that add up: two fills of -65504, or one and a score below -16, are minus infinity.

A row of nothing else is NaN in float16, and with it whatever attends to it afterwards.
"""

import numpy as np
import pytest
from attention import LEFT_PADDED, attention, batch, causal, later
from judging import SHAPES, Judge

DTYPES = pytest.mark.parametrize("dtype", ["fp16", "q4f16"])
ROWS = ("rows",)  # a row that is wholly masked need only be finite
PADDING = """numbers = Cast<to = 1>(mask) wide = Unsqueeze(numbers, a1)
  inverse = Sub(one, wide) """
TWO = "first = Add(scores, causal) masked = Add(first, padding)"


@DTYPES
@SHAPES
@pytest.mark.parametrize(
    ("name", "fill"),
    [("low", -1e9), ("low", -3.4e38), ("half_least", -65504)],
    ids=["1e9", "3.4e38", "65504"],
)
def test_a_causal_mask_and_one_of_padding_add_up(
    judge: Judge, dtype: str, declared: bool, name: str, fill: float
) -> None:
    prepare = f"{PADDING} padding = Mul(inverse, {name})"
    model = attention(prepare, TWO, declared=declared, causal=causal(fill))
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
def test_layers_that_share_their_weights_are_right_on_the_cpu_too(judge: Judge, dtype: str) -> None:
    """ONNX Runtime goes wrong where float16 products of 8-bit activations share 4-bit weights."""
    model = attention(
        f"{PADDING} padding = Mul(inverse, low)", TWO, shared=True, causal=causal(-1e9)
    )
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
def test_masks_of_heads_add_up(judge: Judge, dtype: str, declared: bool) -> None:
    prepare = """numbers = Cast<to = 1>(mask) row = Unsqueeze(numbers, a1) wide = Unsqueeze(row, a2)
      inverse = Sub(one, wide) padding = Mul(inverse, least)
      later = Unsqueeze(causal, a0) both = Unsqueeze(later, a0)"""
    mask = "first = Add(scores, both) masked = Add(first, padding)"
    model = attention(prepare, mask, declared=declared, heads=True, causal=causal(-1e9))
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
@pytest.mark.parametrize("opset", [13, 21])
def test_padding_filled_by_where_adds_to_a_causal_mask(
    judge: Judge, dtype: str, opset: int
) -> None:
    prepare = """wide = Unsqueeze(mask, a1) kept = Cast<to = 9>(wide)
      padding = Where(kept, zero, low) both = Add(padding, causal)"""
    model = attention(prepare, "masked = Add(scores, both)", opset, causal=causal(-1e9))
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
def test_one_mask_and_a_strongly_negative_score_are_finite(
    judge: Judge, dtype: str, declared: bool
) -> None:
    """A sequence of nothing but padding, beside one of tokens."""
    prepare = f"{PADDING} padding = Mul(inverse, low)"
    model = attention(prepare, "masked = Add(scores, padding)", declared=declared)
    judge.holds(model, batch([0, 0, 0, 0], [1, 1, 0, 0]), dtype, finite_only=ROWS)


@DTYPES
def test_one_mask_leaves_rows_that_see_something_right(judge: Judge, dtype: str) -> None:
    prepare = f"{PADDING} padding = Mul(inverse, least)"
    model = attention(prepare, "masked = Add(padding, scores)", opset=14)
    judge.holds(model, batch([1, 1, 0, 0], [1, 1, 1, 1]), dtype)


@DTYPES
@SHAPES
def test_masks_expanded_and_joined_add_up(judge: Judge, dtype: str, declared: bool) -> None:
    """The way of transformers' decoders: where both masks hide a token, float32 too is infinite."""
    prepare = """lengths = Shape(mask) batch = Slice(lengths, a0, a1) many = Slice(lengths, a1, two)
      square = Concat<axis = 0>(batch, many, many)
      wide = Unsqueeze(mask, a1) all = Expand(wide, square) numbers = Cast<to = 1>(all)
      inverse = Sub(one, numbers) hidden = Cast<to = 9>(inverse)
      padding = Where(hidden, least, inverse)
      past = Unsqueeze(causal, a0) joined = Concat<axis = 0>(past, past, past)
      both = Add(padding, joined)"""
    model = attention(
        prepare,
        "masked = Add(scores, both)",
        declared=declared,
        constants="int64[1] two = {2}",
        causal=causal(-3.4028235e38),
    )
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
def test_three_masks_add_up(judge: Judge, dtype: str) -> None:
    """Later tokens, padding, and those that are too far away."""
    far = np.tril(np.full((4, 4), -1e9, np.float32), -3)
    prepare = f"{PADDING} padding = Mul(inverse, low) shape = Identity(window)"
    mask = "first = Add(scores, padding) second = Add(first, shape) masked = Add(causal, second)"
    model = attention(prepare, mask, opset=18, causal=causal(-1e9), window=far)
    judge.holds(model, batch([0, 0, 1, 1], [0, 1, 1, 1]), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
def test_scores_that_where_replaces_are_masked_again(
    judge: Judge, dtype: str, declared: bool
) -> None:
    """The way of GPT-2: the fill takes the score's place, then padding adds to it."""
    prepare = f"{PADDING} padding = Mul(inverse, least)"
    mask = "first = Where(later, low, scores) masked = Add(first, padding)"
    model = attention(prepare, mask, declared=declared, later=later())
    judge.holds(model, batch([0, 0, 0, 0], [0, 1, 1, 1]), dtype, finite_only=ROWS)


@DTYPES
@pytest.mark.parametrize("opset", [14, 20])
def test_a_causal_mask_that_the_graph_makes_adds_up(judge: Judge, dtype: str, opset: int) -> None:
    prepare = """lengths = Shape(mask) count = Gather(lengths, last) many = Unsqueeze(count, a0)
      square = Concat<axis = 0>(many, many)
      full = ConstantOfShape<value = float[1] {-3.4028235e38}>(square)
      hidden = Trilu<upper = 1>(full, next)
      wide = Unsqueeze(mask, a1) kept = Cast<to = 9>(wide) padding = Where(kept, zero, low)
      both = Add(hidden, padding)"""
    model = attention(
        prepare,
        "masked = Add(scores, both)",
        opset,
        constants="int64 next = {1}",
    )
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
@SHAPES
def test_a_bias_of_relative_positions_adds_to_a_mask(
    judge: Judge, dtype: str, declared: bool
) -> None:
    """The way of T5: one mask of padding and later tokens, a bias below -16, unscaled scores."""
    prepare = """wide = Unsqueeze(mask, a1) kept = Cast<to = 9>(wide) seen = And(kept, earlier)
      numbers = Cast<to = 1>(seen) inverse = Sub(one, numbers) hidden = Mul(inverse, least)
      rows_of = Gather(table, buckets) bias = Squeeze(rows_of, a2) both = Add(bias, hidden)"""
    model = attention(
        prepare,
        "masked = Add(scores, both)",
        declared=declared,
        earlier=~later(),
        table=-np.linspace(17, 25, 8).reshape(8, 1),
        buckets=np.abs(np.subtract.outer(np.arange(4), np.arange(4))),
    )
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@DTYPES
def test_an_added_mask_reaches_softmax_through_a_maximum(judge: Judge, dtype: str) -> None:
    """The way of OPT's exports: the sum is limited from below again, which an infinity is not."""
    prepare = f"{PADDING} padding = Mul(inverse, low)"
    mask = "first = Add(scores, causal) sum = Add(first, padding) masked = Max(sum, least)"
    model = attention(prepare, mask, causal=causal(-1e9))
    judge.holds(model, batch(*LEFT_PADDED), dtype, finite_only=ROWS)


@SHAPES
def test_two_masks_of_minus_ten_thousand_stay_half(judge: Judge, declared: bool) -> None:
    """They come to -20000, which float16 holds."""
    prepare = f"{PADDING} padding = Mul(inverse, ten_thousand)"
    model = attention(
        prepare,
        TWO,
        declared=declared,
        constants="float ten_thousand = {-10000}",
        causal=causal(-10000),
    )
    judge.stays_half(model, batch([1, 1, 0, 0], [1, 1, 1, 1]), casts=4, wide=("ends", "y"))
