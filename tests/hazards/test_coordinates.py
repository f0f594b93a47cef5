"""Coordinates: beyond 1024 float16 has no parts of pixels, beyond 2048 not every pixel."""

import numpy as np
import onnx
import pytest
from judging import SHAPES, Array, Judge, build, normal

WIDTH = 1024


def _pixels(height: int, width: int) -> Array:
    """Return the coordinates x, y of every pixel [height, width, 2]."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns, rows], -1).astype(np.float32)


def _boxes(seed: int, count: int) -> Array:
    """Return corners of small boxes in a picture of 1280 pixels, some of which overlap."""
    random = np.random.default_rng(seed)
    corners = random.uniform(1000, 1270, (count // 2, 2))
    corners = np.concatenate([corners, corners + random.uniform(0, 2, corners.shape)])
    return np.concatenate([corners, corners + random.uniform(4, 8, corners.shape)], 1).astype(
        np.float32
    )


@SHAPES
def test_a_picture_is_warped_by_a_flow_as_in_float32(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[1,3,4,1024] picture, float[1,2,4,1024] flow) => (float[1,3,4,1024] y)
          <float two = {2}, float one = {1}> {
          flat = Transpose<perm = [0, 2, 3, 1]>(flow)
          moved = Add(base, flat)
          part = Div(moved, size)
          double = Mul(part, two)
          grid = Sub(double, one)
          y = GridSample<align_corners = 1, padding_mode = "border">(picture, grid)
        }""",
        opset=16,
        declared=declared,
        base=_pixels(4, WIDTH)[None],
        size=np.array([WIDTH - 1, 3], np.float32),
    )
    feeds = {"picture": normal(1, 1, 3, 4, WIDTH), "flow": normal(2, 1, 2, 4, WIDTH, spread=3)}
    judge.holds(model, feeds)


def test_a_grid_that_the_graph_makes_from_ranges_stays_right(judge: Judge) -> None:
    model = build(
        """g (float[1,3,H,W] picture, float[1,1,H,W] disparity) => (float[1,3,H,W] y)
          <int64 zero = {0}, int64 one = {1}, int64 height_ax = {2}, int64 width_ax = {3},
           float half = {0.5}, float two = {2}, float unit = {1}, int64[1] ax = {1},
           int64[4] row = {1, 1, 1, -1}, int64[4] column = {1, 1, -1, 1}> {
          shape = Shape(picture)
          height = Gather(shape, height_ax)
          width = Gather(shape, width_ax)
          xs = Range(zero, width, one)
          ys = Range(zero, height, one)
          xf = Cast<to = 1>(xs)
          yf = Cast<to = 1>(ys)
          xc = Add(xf, half)
          yc = Add(yf, half)
          x4 = Reshape(xc, row)
          y4 = Reshape(yc, column)
          moved = Sub(x4, disparity)
          like = Shape(disparity)
          kept = Expand(y4, like)
          w = Cast<to = 1>(width)
          h = Cast<to = 1>(height)
          u = Div(moved, w)
          v = Div(kept, h)
          both = Concat<axis = 1>(u, v)
          double = Mul(both, two)
          centred = Sub(double, unit)
          grid = Transpose<perm = [0, 2, 3, 1]>(centred)
          y = GridSample<align_corners = 0>(picture, grid)
        }""",
        opset=20,
    )
    disparity = np.abs(normal(2, 1, 1, 4, WIDTH, spread=20))
    judge.holds(model, {"picture": normal(1, 1, 3, 4, WIDTH), "disparity": disparity})


@SHAPES
def test_an_affine_grid_spelt_out_as_a_product_stays_right(judge: Judge, declared: bool) -> None:
    base = np.concatenate([_pixels(4, WIDTH), np.ones((4, WIDTH, 1))], -1).reshape(1, -1, 3)
    base = (base - [WIDTH / 2, 2, 0]) / [WIDTH / 2, 2, 1]
    model = build(
        """g (float[1,2,3] theta, float[1,3,4,1024] picture) => (float[1,3,4,1024] y)
          <int64[4] shape = {1, 4, 1024, 2}> {
          turned = Transpose<perm = [0, 2, 1]>(theta)
          points = MatMul(base, turned)
          grid = Reshape(points, shape)
          y = GridSample<align_corners = 0>(picture, grid)
        }""",
        declared=declared,
        base=base,
    )
    theta = np.array([[[0.93, 0.01, 0.03], [0.02, 0.9, 0.01]]], np.float32)
    judge.holds(model, {"theta": theta, "picture": normal(1, 1, 3, 4, WIDTH)})


def test_an_affine_grid_of_the_operator_stays_right(judge: Judge) -> None:
    model = build(
        """g (float[1,2,3] theta, float[1,3,4,1024] picture) => (float[1,3,4,1024] y)
          <int64[4] size = {1, 3, 4, 1024}> {
          grid = AffineGrid<align_corners = 0>(theta, size)
          y = GridSample<align_corners = 0, mode = "linear">(picture, grid)
        }""",
        opset=20,
    )
    theta = np.array([[[0.93, 0.01, 0.03], [0.02, 0.9, 0.01]]], np.float32)
    judge.holds(model, {"theta": theta, "picture": normal(1, 1, 3, 4, WIDTH)})


@SHAPES
def test_regions_are_pooled_where_float32_pools_them(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[1,4,12,330] features, float[N,4] boxes) => (float[N,16] y)
          <float scale = {1.25}, int64[1] first = {0}, int64[2] flat = {-1, 16}> {
          rois = Mul(boxes, scale)
          shape = Shape(rois)
          count = Gather(shape, first)
          numbers = ConstantOfShape<value = int64[1] {0}>(count)
          pooled = RoiAlign<output_height = 2, output_width = 2, sampling_ratio = 1,
                            spatial_scale = 0.25>(features, rois, numbers)
          y = Reshape(pooled, flat)
        }""",
        opset=16,
        declared=declared,
    )
    left = np.array([901.37, 955.11, 1001.61, 1010.23, 1022.87], np.float32)
    boxes = np.stack([left, left / 60, left + 9.3, left / 60 + 11.7], 1)
    judge.holds(model, {"features": normal(1, 1, 4, 12, 330), "boxes": boxes})


_SUPPRESSED = """
  three = Unsqueeze(shifted, a0)
  selected = NonMaxSuppression(three, scores, most, overlap)
  column = Slice(selected, two, far, ax)
  kept = Squeeze(column, ax)
  boxes = Gather(corners, kept)
"""
_CONSTANTS = """<int64[1] ax = {1}, int64[1] a0 = {0}, int64[1] most = {20}, int64[1] two = {2},
   int64[1] far = {3}, float[1] overlap = {0.4}, float one = {1}, float shift = {7680},
   float half = {0.5}, int64[2] pair = {2, 2}, float[1] picture = {1280}>"""


def _suppression(text: str, inputs: str, opset: int, declared: bool) -> onnx.ModelProto:
    graph = f"g ({inputs}, float[1,1,M] scores) => (float[K,4] boxes, int64[K] kept) {_CONSTANTS}"
    return build(f"{graph} {{ {text} {_SUPPRESSED} }}", opset, declared)


def _scores(count: int) -> Array:
    return np.random.default_rng(8).uniform(0.1, 0.9, (1, 1, count)).astype(np.float32)


@SHAPES
def test_boxes_shifted_by_their_class_are_suppressed_alike(judge: Judge, declared: bool) -> None:
    text = """number = Cast<to = 1>(classes)
      wide = Unsqueeze(number, ax)
      offset = Mul(wide, shift)
      part = Sigmoid(raw)
      corners = Mul(part, picture)
      shifted = Add(corners, offset)"""
    model = _suppression(text, "float[M,4] raw, int64[M] classes", 17, declared)
    parts = _boxes(3, 12) / 1280
    classes = np.array([0, 79, 79, 12, 40, 40] * 2)
    raw = np.log(parts / (1 - parts))
    judge.holds(model, {"raw": raw, "classes": classes, "scores": _scores(12)})


def test_boxes_shifted_by_the_largest_coordinate_are_suppressed_alike(judge: Judge) -> None:
    """The way of torchvision's batched_nms."""
    text = """largest = ReduceMax<keepdims = 0>(corners)
      beyond = Add(largest, one)
      number = Cast<to = 1>(classes)
      offset = Mul(number, beyond)
      wide = Unsqueeze(offset, ax)
      shifted = Add(corners, wide)"""
    model = _suppression(text, "float[M,4] corners, int64[M] classes", 13, False)
    classes = np.array([3, 79, 21, 12, 40, 55] * 2)
    judge.holds(model, {"corners": _boxes(4, 12), "classes": classes, "scores": _scores(12)})


@pytest.mark.parametrize("opset", [13, 18])
def test_boxes_of_centres_and_sizes_times_strides_are_suppressed_alike(
    judge: Judge, opset: int
) -> None:
    text = """sized = Mul(cells, strides)
      centre, size = SPLIT
      part = Mul(size, half)
      low = Sub(centre, part)
      high = Add(centre, part)
      corners = Concat<axis = 1>(low, high)
      shifted = Identity(corners)"""
    split = (
        "Split<axis = 1, num_outputs = 2>(sized)" if opset >= 18 else "Split<axis = 1>(sized, pair)"
    )
    inputs = "float[M,4] cells, float[M,1] strides"
    model = _suppression(text.replace("SPLIT", split), inputs, opset, opset == 18)
    corners = _boxes(5, 24)
    strides = np.array([[8], [16], [32]] * 8, np.float32)
    low, high = corners[:, :2], corners[:, 2:]
    cells = np.concatenate([(low + high) / 2, high - low], 1) / strides
    judge.holds(model, {"cells": cells, "strides": strides, "scores": _scores(24)})


@SHAPES
def test_sizes_that_are_differences_of_corners_stay_right(judge: Judge, declared: bool) -> None:
    """Distances from a grid's points to the sides, as anchor-free detectors give them."""
    model = build(
        """g (float[1,4,M] distances) => (float[1,2,M] centres, float[1,2,M] sizes)
          <int64[2] pair = {2, 2}, float half = {0.5}> {
          towards, away = Split<axis = 1>(distances, pair)
          low = Sub(anchors, towards)
          high = Add(anchors, away)
          left = Mul(low, strides)
          right = Mul(high, strides)
          both = Add(left, right)
          centres = Mul(both, half)
          sizes = Sub(right, left)
        }""",
        opset=16,
        declared=declared,
        anchors=(np.arange(600) % 160 + 0.5).reshape(1, 2, 300),
        strides=np.full((1, 300), 8.0),
    )
    distances = np.random.default_rng(9).uniform(0.2, 0.6, (1, 4, 300)).astype(np.float32)
    judge.holds(model, {"distances": distances})


@SHAPES
def test_classes_times_a_constant_plus_boxes_do_not_overflow(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[6,4] boxes, int64[6] classes) => (float[6,4] y)
          <int64[1] ax = {1}, float shift = {7680}> {
          number = Cast<to = 1>(classes)
          wide = Unsqueeze(number, ax)
          offset = Mul(wide, shift)
          y = Add(boxes, offset)
        }""",
        declared=declared,
    )
    judge.holds(model, {"boxes": _boxes(3, 6), "classes": np.array([0, 79, 79, 12, 40, 40])})


def test_the_best_frame_times_its_length_does_not_overflow(judge: Judge) -> None:
    model = build(
        """g (float[B,T,C] x, float[B,C] shift) => (float[B,C] y) <float hop = {320}> {
          frame = ArgMax<axis = 1, keepdims = 0>(x)
          number = Cast<to = 1>(frame)
          sample = Mul(number, hop)
          y = Add(sample, shift)
        }""",
        opset=18,
    )
    judge.holds(model, {"x": normal(1, 2, 1000, 5), "shift": normal(2, 2, 5, spread=100)})


@SHAPES
def test_a_mask_of_minus_ten_thousand_stays_half(judge: Judge, declared: bool) -> None:
    model = build(
        """g (float[B,T,16] x, int64[B,T] mask) => (float[B,T,16] y)
          <int64[1] ax = {1}, float one = {1}, float fill = {-10000}> {
          numbers = Cast<to = 1>(mask)
          wide = Unsqueeze(numbers, ax)
          inverse = Sub(one, wide)
          filled = Mul(inverse, fill)
          q = MatMul(x, w)
          k = Transpose<perm = [0, 2, 1]>(x)
          scores = MatMul(q, k)
          masked = Add(scores, filled)
          p = Softmax<axis = -1>(masked)
          y = MatMul(p, x)
        }""",
        declared=declared,
        w=normal(1, 16, 16, spread=0.1),
    )
    feeds = {"x": normal(2, 2, 5, 16), "mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])}
    judge.stays_half(model, feeds, casts=3)
