"""Two layers of attention with masks that a test spells out, for batches that padding spoils."""

import re

import numpy as np
import onnx
from judging import Array, Feeds, build, normal

WIDTH = 64
TOKENS = 4

# Tokens are much alike: a score is about -0.6 of their squared length, -38.
_QUERY = -0.6 * np.eye(WIDTH)


_WHOLE = """q = MatMul(BEFORE, query) k = Transpose<perm = [0, 2, 1]>(BEFORE)
  scores = MatMul(q, k) MASK
  p = Softmax<axis = -1>(masked) mixed = MatMul(p, BEFORE) out = MatMul(mixed, wo)"""
_HEADS = """q3 = MatMul(BEFORE, query) q4 = Reshape(q3, split) v4 = Reshape(BEFORE, split)
  q = Transpose<perm = [0, 2, 1, 3]>(q4) k = Transpose<perm = [0, 2, 3, 1]>(v4)
  v = Transpose<perm = [0, 2, 1, 3]>(v4) scores = MatMul(q, k) MASK
  p = Softmax<axis = 3>(masked) mixed4 = MatMul(p, v)
  apart = Transpose<perm = [0, 2, 1, 3]>(mixed4) mixed = Reshape(apart, joined_shape)
  out = MatMul(mixed, wo)"""


def causal(fill: float, tokens: int = TOKENS) -> Array:
    """Return the constant that hides later tokens."""
    return np.triu(np.full((tokens, tokens), fill, np.float32), 1)


def later(tokens: int = TOKENS) -> Array:
    """Return which tokens are later ones."""
    return np.triu(np.ones((tokens, tokens), np.bool_), 1)


def attention(
    prepare: str,
    mask: str,
    opset: int = 17,
    declared: bool = False,
    heads: bool = False,
    shared: bool = False,
    constants: str = "",
    **weights: Array,
) -> onnx.ModelProto:
    """Return a model of two layers, of which `rows` is all that comes out and `y` a part of it.

    That is the last token of every sequence but the first, which may be of nothing but padding.
    Each layer has weights of its own, or both have one set.

    `prepare` makes masks, once; `mask` makes `masked` of `scores`, in each layer. Scalars one,
    zero, low (-1e9), least (-3.4e38) and half_least (-65504) are there, and axes a0, a1, a2.
    """
    layers = []
    for i, (before, after) in enumerate([("x", "mid"), ("mid", "rows")]):
        text = (_HEADS if heads else _WHOLE).replace("BEFORE", before).replace("MASK", mask)
        for name in [*_made(text), *(() if shared else ("query", "wo"))]:
            text = re.sub(rf"\b{name}\b", f"{name}_{i}", text)
        layers.append(f"{text} {after} = Add(out_{i}, {before})")
    query = _QUERY * (2 if heads else 1)  # as large a score for half of the elements
    for i in range(2):
        suffix = "" if shared else f"_{i}"
        weights |= {f"query{suffix}": query, f"wo{suffix}": normal(i, WIDTH, WIDTH, spread=0.15)}
    outputs = f"float[B,T,{WIDTH}] rows, float[S,{WIDTH}] y"
    graph = f"""g (float[B,T,{WIDTH}] x, int64[B,T] mask) => ({outputs})
      <int64[1] a0 = {{0}}, int64[1] a1 = {{1}}, int64[1] a2 = {{2}},
       int64[1] far = {{9999}}, float one = {{1}}, float zero = {{0}},
       int64[4] split = {{0, 0, 2, 32}}, int64[3] joined_shape = {{0, 0, 64}},
       float low = {{-1e9}}, float least = {{-3.4028235e38}}, float half_least = {{-65504}},
       int64 last = {{-1}}{constants and ", "}{constants}> {{
        {prepare}
        {" ".join(layers)}
        ends = Gather<axis = 1>(rows, last)
        y = Slice(ends, a1, far, a0)
      }}"""
    return build(graph, opset, declared, **weights)


def _made(text: str) -> list[str]:
    """Return the names that a layer's text gives values; attributes stand behind a bracket."""
    words = text.split()
    names = [words[i - 1] for i, word in enumerate(words) if word == "="]
    return [name for name in names if name.isidentifier()]


def batch(*masks: list[int]) -> Feeds:
    """Return tokens that are much alike, and which of them are no padding."""
    x = normal(7, WIDTH) + normal(8, len(masks), len(masks[0]), WIDTH, spread=0.4)
    return {"x": x, "mask": np.array(masks, np.int64)}


LEFT_PADDED = ([0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1])
