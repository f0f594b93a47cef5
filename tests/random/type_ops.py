"""Operators that move data, change types, or work on integers, booleans and sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from graph_builder import (
    BOOL,
    EPSILON,
    F16,
    F32,
    F64,
    FLOATS,
    I32,
    I64,
    SHAPES,
    Builder,
    InapplicableError,
    Value,
    dtype,
)
from onnx import helper, numpy_helper

Rule = Callable[[Builder], None]


def _move(graph: Builder, op: str, x: Value, shape: tuple[int, ...], *more: Value | None) -> Value:
    return graph.emit(op, [x, *more], replace(x, shape=shape), exact=x.exact)


def reshape(graph: Builder) -> None:
    """Add an operator that only changes the shape."""
    x = graph.find(lambda value: value.kind in FLOATS or graph.chance(4))
    name = graph.choose(("Reshape", "Transpose", "Unsqueeze", "Flatten", "Identity", "Squeeze"))
    if name == "Reshape":
        fitting = [shape for shape in SHAPES if math.prod(shape) == math.prod(x.shape)]
        shape = graph.choose([(math.prod(x.shape),), *fitting])
        _move(graph, name, x, shape, graph.integers(*shape))
    elif name == "Transpose":
        like = replace(x, shape=x.shape[::-1])
        graph.emit(name, [x], like, exact=x.exact)
    elif name == "Unsqueeze" and len(x.shape) < 3:
        _move(graph, name, x, (1, *x.shape), graph.integers(0))
    elif name == "Squeeze" and x.shape[:1] == (1,):
        _move(graph, name, x, x.shape[1:], graph.integers(0))
    elif name == "Flatten" and x.shape:
        _move(graph, name, x, (x.shape[0], math.prod(x.shape[1:])))
    else:
        _move(graph, "Identity", x, x.shape)


def select(graph: Builder) -> None:
    """Add an operator that takes a part of a value, or repeats it."""
    x = graph.find_float(lambda value: len(value.shape) > 0)
    n = x.shape[0]
    if n == 0:
        raise InapplicableError
    name = graph.choose(("Gather", "Slice", "Split", "Expand", "Tile", "Pad", "Trilu", "Resize"))
    if name == "Gather":
        index = graph.constant(np.array(graph.choose((0, [0, 0, n - 1])), np.int64))
        _move(graph, name, x, (*index.shape, *x.shape[1:]), index)
    elif name == "Slice" and n > 1:
        _move(graph, name, x, (n - 1, *x.shape[1:]), graph.integers(1), graph.integers(n))
    elif name == "Split" and n > 1:
        names = [graph.name(), graph.name()]
        graph.node("Split", [x, graph.integers(1, n - 1)], names)
        for part, size in zip(names, (1, n - 1), strict=True):
            graph.output(replace(x, name=part, shape=(size, *x.shape[1:])), x.exact)
    elif name == "Expand" and len(x.shape) < 3:
        _move(graph, name, x, (2, *x.shape), graph.integers(2, *x.shape))
    elif name == "Tile" and math.prod(x.shape) < 32:
        _move(graph, name, x, (2 * n, *x.shape[1:]), graph.integers(2, *[1] * (len(x.shape) - 1)))
    elif name == "Pad":
        rank = len(x.shape)
        fill = graph.constant(np.array(0.5, dtype(x.kind))) if graph.chance(2) else None
        pads = graph.integers(*[1, *[0] * (rank - 1)] * 2)
        more = [pads] if fill is None else [pads, fill]
        _move(graph, name, x, (n + 2, *x.shape[1:]), *more)
    elif name == "Trilu" and len(x.shape) >= 2 and graph.opset >= 14:
        graph.emit(name, [x], x, exact=x.exact, upper=graph.integer(0, 1))
    elif name == "Resize" and x.shape == (2, 3, 4) and x.kind == F32:
        scales = graph.constant(np.array([1, 1, 2, 2], np.float32), inline=False)
        four = _move(graph, "Unsqueeze", x, (1, *x.shape), graph.integers(0))
        like = replace(four, shape=(1, 2, 6, 8))
        graph.emit(name, [four, None, scales], like, exact=x.exact, mode="nearest")
    else:
        raise InapplicableError


def concat(graph: Builder) -> None:
    """Add Concat, of a value with itself now and then."""
    x = graph.find_float(lambda value: len(value.shape) > 0)
    y = graph.find(
        lambda value: value.kind == x.kind and bool(value.shape) and value.shape[1:] == x.shape[1:]
    )
    if math.prod(x.shape) + math.prod(y.shape) > 96:
        raise InapplicableError
    shape = (x.shape[0] + y.shape[0], *x.shape[1:])
    like = replace(x, shape=shape, bound=max(x.bound, y.bound), error=max(x.error, y.error))
    graph.emit("Concat", [x, y], like, exact=x.exact and y.exact, axis=0)


def cast(graph: Builder) -> None:
    """Add Cast or CastLike between floats, or between exact floats, integers and booleans."""
    x = graph.find(lambda value: True)
    floats = [F16, F32, F64, F32]
    to: int = graph.choose(floats)
    if x.exact and graph.chance(2):
        to = graph.choose((I64, I32, BOOL))
    bound = 1.0 if x.kind == BOOL or to == BOOL else x.bound
    exact = to in FLOATS and (x.exact or x.kind not in FLOATS) and bound <= 128
    like = replace(x, kind=to, bound=bound)
    if to in FLOATS and bound > 1000:
        raise InapplicableError
    if graph.opset >= 15 and graph.chance(3):
        model = graph.numbers((), to) if graph.chance(2) else graph.find(lambda y: y.kind == to)
        graph.emit("CastLike", [x, model], like, exact=exact)
    else:
        graph.emit("Cast", [x], like, exact=exact, to=to)


def compare(graph: Builder) -> None:
    """Add a comparison of exact values, or a test of any float."""
    if graph.chance(5):
        x = graph.find_float(lambda value: value.kind == F32)
        graph.emit(graph.choose(("IsNaN", "IsInf")), [x], Value("", BOOL, x.shape))
        return
    x = graph.find(lambda value: value.exact and value.kind == F32)
    y = graph.numbers(graph.choose((x.shape, ())), exact=True)
    name = graph.choose(("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual"))
    graph.emit(name, [x, y], Value("", BOOL, x.shape))


def where(graph: Builder) -> None:
    """Add Where, with a condition that is found or made."""
    x = graph.find_float()
    y = graph.floats(x.shape, x.kind)
    try:
        condition = graph.find(lambda value: (value.kind, value.shape) == (BOOL, x.shape))
    except InapplicableError:
        condition = graph.numbers(x.shape, BOOL)
    like = replace(x, bound=max(x.bound, y.bound), error=max(x.error, y.error))
    graph.emit("Where", [condition, x, y], like, exact=x.exact and y.exact)


def from_shape(graph: Builder) -> None:
    """Add a float that comes from a shape or an integer: Shape, Size, ConstantOfShape, Range …"""
    x = graph.find(lambda value: True)
    name = graph.choose(("Shape", "Size", "ConstantOfShape", "Range", "EyeLike", "OneHot"))
    if name == "Shape":
        graph.emit(name, [x], Value("", I64, (len(x.shape),), 48.0))
    elif name == "Size":
        graph.emit(name, [x], Value("", I64, (), 96.0))
    elif name == "ConstantOfShape":
        size = graph.emit("Shape", [x], Value("", I64, (len(x.shape),), 48.0))
        kind = graph.choose((F32, F32, F16, F64, I64))
        fill = numpy_helper.from_array(np.array([1.5], np.float32).astype(dtype(kind)), "fill")
        if kind == F32 and graph.chance(2):
            like = Value("", F32, x.shape, 0.0)
            graph.emit(name, [size], like, exact=True)
        else:
            graph.emit(name, [size], Value("", kind, x.shape, 1.5), exact=True, value=fill)
    elif name == "Range":
        kind = graph.choose((F32, I64))
        limits = [graph.constant(np.array(item, dtype(kind))) for item in (0, 4, 1)]
        graph.emit(name, limits, Value("", kind, (4,), 3.0), exact=True)
    elif (
        name == "EyeLike"
        and not graph.is_made(x)
        and len(x.shape) == 2
        and x.kind in (F32, F64, I64, I32)
    ):
        kind = graph.choose((F32, F64))
        if x.kind == F32 and graph.chance(2):
            graph.emit(name, [x], Value("", F32, x.shape, 1.0), exact=True)
        else:
            graph.emit(name, [x], Value("", kind, x.shape, 1.0), exact=True, dtype=kind)
    elif name == "OneHot":
        depth = graph.constant(np.array(4, np.int64))
        indices = graph.constant(np.array([0, 3, 1], np.int64))
        values = graph.constant(np.array([0.25, 1.5], np.float32))
        graph.emit(name, [indices, depth, values], Value("", F32, (3, 4), 1.5), exact=True)
    else:
        raise InapplicableError


def whole(graph: Builder) -> None:
    """Add an operator that works on integers or booleans, or makes integers of exact floats."""
    name = graph.choose(("Mul", "ArgMax", "TopK", "Not", "And", "Floor"))
    if name == "Mul":
        x = graph.find(lambda value: value.kind in (I64, I32) and value.bound < 16)
        y = graph.numbers((), x.kind)
        graph.emit(graph.choose(("Add", "Mul")), [x, y], replace(x, bound=4 * x.bound + 4))
    elif name in ("Not", "And"):
        x = graph.find(lambda value: value.kind == BOOL)
        graph.emit(name, [x] if name == "Not" else [x, x], x)
    else:
        x = graph.find(
            lambda value: value.exact and value.kind == F32 and 0 not in (value.shape or (0,))
        )
        shape = (*x.shape[:-1], 1)
        if name == "Floor":
            graph.emit(name, [x], x, exact=True)
        elif name == "ArgMax":
            graph.emit(name, [x], Value("", I64, shape, 24.0), axis=-1)
        else:
            names = [graph.name(), graph.name()]
            graph.node(name, [x, graph.integers(1)], names)
            graph.output(replace(x, name=names[0], shape=shape), exact=True)
            graph.output(Value(names[1], I64, shape, 24.0))


def sequence(graph: Builder) -> None:
    """Add a sequence of tensors and read an element, or all of them together."""
    x = graph.find_float(lambda value: len(value.shape) > 0)
    same = (x.kind, x.shape[1:])
    y = graph.find(lambda value: bool(value.shape) and (value.kind, value.shape[1:]) == same)
    items, names = [x, y], [graph.name(), graph.name()]
    how = graph.integer(0, 3)
    if how <= 1:
        graph.node("SequenceConstruct", list(items), names[:1])
    else:
        graph.node("SequenceEmpty", [], names[1:], dtype=None if x.kind == F32 else x.kind)
        graph.node("SequenceInsert", [Value(names[1], x.kind, ()), x], names[:1])
        items = [x]
    made = Value(names[0], x.kind, ())
    like = replace(
        x, bound=max(item.bound for item in items), error=max(item.error for item in items)
    )
    exact = all(item.exact for item in items)
    if how % 2 == 0:
        graph.emit("SequenceAt", [made, graph.constant(np.array(0, np.int64))], x, exact=x.exact)
    else:
        shape = (sum(item.shape[0] for item in items), *x.shape[1:])
        like = replace(like, shape=shape)
        graph.emit("ConcatFromSequence", [made], like, exact=exact, axis=0)


def dequantize(graph: Builder) -> None:
    """Add DequantizeLinear of constant bytes."""
    random = np.random.default_rng(graph.integer(0, 255))
    data = random.integers(-16, 16, (4, 4)).astype(np.int8)
    x = graph.constant(data)
    scale = graph.constant(np.float32(0.0625))
    graph.emit("DequantizeLinear", [x, scale], Value("", F32, (4, 4), 1.0), exact=True)


def function(graph: Builder) -> None:
    """Call a local function, an existing one now and then; it takes any float type."""
    if graph.opset < 15:  # CastLike is that old
        raise InapplicableError
    x = graph.find_float()
    y = graph.floats(x.shape, x.kind)
    functions = graph.shared.functions
    if not functions or graph.chance(3):
        middle = graph.choose(("Tanh", "Abs", "Identity"))
        nodes = [
            helper.make_node("Add", ["x", "y"], ["z"], "inner"),
            helper.make_node(middle, ["z"], ["u"]),
            helper.make_node("CastLike", ["u", "x"], ["w"]),
            helper.make_node("Max", ["w", "x"], ["r"], "x_float16/Cast"),
        ]
        imports = [helper.make_opsetid("", graph.opset)]
        name = f"f{len(functions)}"
        functions.append(helper.make_function("local", name, ["x", "y"], ["r"], nodes, imports))
    called = graph.choose(functions).name
    bound, error = x.bound + y.bound, x.error + y.error + EPSILON * x.bound
    graph.emit(called, [x, y], replace(x, bound=bound, error=error), domain="local")


RULES: tuple[Rule, ...] = (
    reshape, select, concat, cast, cast, compare, where, from_shape, whole, sequence, dequantize,
    function,
)  # fmt: skip
