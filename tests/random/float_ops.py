"""Operators on floats: elementwise, products, reductions, normalizations, recurrent ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from graph_builder import F32, F64, Builder, InapplicableError, Value

Rule = Callable[[Builder], None]

# Operator: its slope, the bound of its result, whether it keeps exact values exact, its opset.
_UNARY: dict[str, tuple[float, Callable[[float], float], bool, int]] = {
    "Relu": (1, lambda bound: bound, True, 13),
    "Neg": (1, lambda bound: bound, True, 13),
    "Abs": (1, lambda bound: bound, True, 13),
    "Identity": (1, lambda bound: bound, True, 13),
    "Tanh": (1, lambda bound: 1.0, False, 13),
    "Sigmoid": (0.25, lambda bound: 1.0, False, 13),
    "Erf": (1.2, lambda bound: 1.0, False, 13),
    "Sin": (1, lambda bound: 1.0, False, 13),
    "Cos": (1, lambda bound: 1.0, False, 13),
    "Softplus": (1, lambda bound: bound + 1, False, 13),
    "Softsign": (1, lambda bound: 1.0, False, 13),
    "LeakyRelu": (1, lambda bound: bound, False, 13),
    "Elu": (1, lambda bound: bound + 1, False, 13),
    "HardSigmoid": (0.2, lambda bound: 1.0, False, 13),
    "HardSwish": (1.5, lambda bound: bound, False, 14),
    "Mish": (1.2, lambda bound: bound, False, 18),
    "Gelu": (1.2, lambda bound: bound, False, 20),
}
_PLAIN = ("Relu", "Neg", "Abs", "Identity", "Tanh")  # what every float type has


def unary(graph: Builder) -> None:
    """Add an elementwise operator of one input."""
    x = graph.find_float()
    names = [name for name in _UNARY if _UNARY[name][3] <= graph.opset]
    name = graph.choose(names if x.kind == F32 else _PLAIN)
    slope, bound, keeps, _ = _UNARY[name]
    like = replace(x, bound=bound(x.bound), error=slope * x.error)
    graph.emit(name, [x], like, exact=keeps and x.exact)


def positive(graph: Builder) -> None:
    """Add a root, logarithm, exponential or quotient, kept where it is well-behaved."""
    x = graph.find_float(lambda value: value.kind == F32)
    name = graph.choose(("Exp", "Sqrt", "Log", "Reciprocal", "Div", "Pow"))
    if name == "Exp":
        low = graph.emit("Tanh", [x], replace(x, bound=1.0))
        graph.emit("Exp", [low], replace(low, bound=math.e, error=math.e * low.error))
        return
    if name == "Pow":
        two = graph.constant(graph.choose((np.float32(2), np.int64(2))))
        like = replace(x, bound=x.bound**2, error=2 * x.bound * x.error)
        graph.emit("Pow", [x, two], like)
        return
    size = graph.emit("Abs", [x], x, exact=x.exact)
    one = graph.constant(np.float32(1))
    above = graph.emit("Add", [size, one], replace(size, bound=size.bound + 1), exact=x.exact)
    if above.bound < 1:  # it was scaled down
        return
    if name == "Div":
        y = graph.find_float(lambda value: _broadcast(value, above) is not None)
        like = replace(y, shape=_shape(y, above), error=y.error + y.bound * above.error)
        graph.emit("Div", [y, above], like)
        return
    bound = 1.0 if name == "Reciprocal" else above.bound
    graph.emit(name, [above], replace(above, bound=bound))


def _broadcast(*values: Value) -> tuple[int, ...] | None:
    """Return the shape of values together, if they have one type and fit."""
    if len({value.kind for value in values}) > 1:
        return None
    try:
        return np.broadcast_shapes(*(value.shape for value in values))
    except ValueError:
        return None


def _shape(*values: Value) -> tuple[int, ...]:
    shape = _broadcast(*values)
    if shape is None or math.prod(shape) > 96:
        raise InapplicableError
    return shape


def _partner(graph: Builder, a: Value) -> Value:
    if graph.chance(2):
        shape = graph.choose((a.shape, (), a.shape[-1:]))
        return graph.numbers(shape, a.kind)
    return graph.find(lambda value: _broadcast(a, value) is not None)


def binary(graph: Builder) -> None:
    """Add an elementwise operator of two or more inputs."""
    a = graph.find_float()
    b = _partner(graph, a)
    if graph.chance(3):
        a, b = b, a
    both = a.exact and b.exact
    name = graph.choose(("Add", "Mul", "Sub", "Max", "Min", "Sum", "Mean", "PRelu"))
    if name == "Mean" and a.kind != F32:  # ONNX Runtime has no kernel for it
        name = "Max"
    if name == "PRelu" and (a.kind != F32 or _shape(a, b) != a.shape):
        name = "Add"
    like = replace(a, shape=_shape(a, b))
    if name in ("Mul", "PRelu"):
        bound = a.bound * max(b.bound, 1.0)
        error = a.bound * b.error + max(b.bound, 1.0) * a.error
        graph.emit(name, [a, b], replace(like, bound=bound, error=error))
    elif name in ("Max", "Min", "Mean"):
        like = replace(like, bound=max(a.bound, b.bound), error=max(a.error, b.error))
        graph.emit(name, [a, b], like, exact=both and name != "Mean")
    else:
        like = replace(like, bound=a.bound + b.bound, error=a.error + b.error)
        graph.emit(name, [a, b], like, exact=both)


def product(graph: Builder) -> None:
    """Add MatMul, Gemm or Einsum with a matrix of 4 rows."""
    x = graph.find_float(lambda value: value.shape[-1:] == (4,))
    w = graph.floats((4, 4), x.kind)
    bound = 4 * x.bound * w.bound
    error = 4 * (x.bound * w.error + w.bound * x.error)
    like = replace(x, bound=bound, error=error)
    name = graph.choose(("MatMul", "Gemm", "Einsum"))
    if name == "Gemm" and len(x.shape) == 2:
        bias = graph.numbers((4,), x.kind) if graph.chance(2) else None
        inputs: list[Value | None] = [x, w] if bias is None else [x, w, bias]
        extra = (0.0, 0.0) if bias is None else (bias.bound, bias.error)
        like = replace(like, bound=bound + extra[0], error=error + extra[1])
        graph.emit("Gemm", inputs, like, transB=graph.integer(0, 1))
    elif name == "Einsum" and len(x.shape) == 2 and x.kind in (F32, F64):
        graph.emit("Einsum", [x, w], like, equation="ij,jk->ik")
    else:
        graph.emit("MatMul", [x, w], like)


def reduction(graph: Builder) -> None:
    """Add a reduction over one axis, or over all."""
    x = graph.find_float(lambda value: value.kind == F32 and 0 not in (value.shape or (0,)))
    name = graph.choose(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "CumSum"))
    if name == "ReduceMean" and graph.chance(3):
        name = "ReduceLogSumExp"
    axis = graph.integer(0, len(x.shape) - 1)
    length = x.shape[axis]
    grown = replace(x, bound=length * x.bound, error=length * (x.error + x.bound / 1024))
    if name == "CumSum":
        where = graph.constant(np.array(axis, np.int64))
        graph.emit(name, [x, where], grown)
        return
    keep = graph.integer(0, 1)
    shape = list(x.shape)
    shape[axis : axis + 1] = [1] * keep
    like = grown if name in ("ReduceSum", "ReduceL1") else x
    if name == "ReduceLogSumExp":
        like = replace(x, bound=x.bound + math.log(length) + 0.1)
    like = replace(like, shape=tuple(shape))
    if graph.opset >= (13 if name == "ReduceSum" else 18):
        graph.emit(name, [x, graph.integers(axis)], like, keepdims=keep)
    else:
        graph.emit(name, [x], like, axes=[axis], keepdims=keep)


def normalization(graph: Builder) -> None:
    """Add a normalization with an epsilon of 1, which amplifies nothing."""
    x = graph.find_float(lambda value: value.kind == F32 and 0 not in (value.shape or (0,)))
    name = graph.choose(("Softmax", "LogSoftmax", "LayerNormalization", "BatchNormalization"))
    if name in ("Softmax", "LogSoftmax"):
        bound = 1.0 if name == "Softmax" else 2 * x.bound + 2
        graph.emit(name, [x], replace(x, bound=bound, error=2 * x.error), axis=-1)
        return
    if x.shape[-1] != 4 or len(x.shape) < 2:
        raise InapplicableError
    scale = graph.floats((4,))
    bias = graph.numbers((4,))
    bound = 2 * scale.bound + bias.bound
    error = 4 * scale.bound * x.error + 2 * scale.error + bias.error
    like = replace(x, bound=bound, error=error)
    if name == "LayerNormalization":
        if graph.opset < 17:
            raise InapplicableError
        inputs = [x, scale, bias] if graph.chance(2) else [x, scale]
        graph.emit(name, inputs, like, axis=-1, epsilon=1.0)
        return
    if x.shape != (4, 4):
        raise InapplicableError
    mean, variance = graph.numbers((4,)), graph.floats((4,), F32, 0.5, 1.5)
    bound = scale.bound * (x.bound + mean.bound) + bias.bound
    error = scale.bound * (x.error + mean.error + x.bound * variance.error) + bias.error
    error += scale.error * (x.bound + mean.bound)
    like = replace(x, bound=bound, error=error)
    graph.emit(name, [x, scale, bias, mean, variance], like, epsilon=1.0)


def clip(graph: Builder) -> None:
    """Add Clip with limits that may be left out."""
    x = graph.find_float()
    limits: list[Value | None] = []
    for limit in (-1.5, 1.5):
        value = graph.constant(np.array(limit)) if x.kind == F64 else None
        if value is None:
            kind = np.float32 if x.kind == F32 else np.float16
            value = graph.constant(np.array(limit, kind))
        limits.append(value if graph.chance(2) else None)
    while limits and limits[-1] is None and graph.chance(2):
        limits.pop()
    graph.emit("Clip", [x, *limits], replace(x, bound=max(x.bound, 1.5)), exact=x.exact)


def recurrent(graph: Builder) -> None:
    """Add LSTM or GRU; optional inputs and outputs are left out at random."""
    x = graph.find_float(
        lambda value: value.kind == F32 and len(value.shape) == 3 and 0 not in value.shape
    )
    steps, batch, size = x.shape
    name = graph.choose(("GRU", "LSTM"))
    gates, hidden = {"GRU": 3, "LSTM": 4}[name], 2
    w = graph.floats((1, gates * hidden, size), F32, -0.25, 0.25)
    r = graph.floats((1, gates * hidden, hidden), F32, -0.25, 0.25)
    inputs: list[Value | None] = [x, w, r, None, None, None]
    if graph.chance(2):
        inputs[3] = graph.floats((1, 2 * gates * hidden), F32, -0.25, 0.25)
    if graph.chance(2):
        inputs[5] = graph.floats((1, batch, hidden), F32, -0.5, 0.5)
    names = [graph.name() for _ in range(2)]
    left_out = graph.integer(0, 2)
    outputs = ["" if left_out == index + 1 else item for index, item in enumerate(names)]
    while inputs[-1] is None:
        inputs.pop()
    graph.node(name, inputs, [item or "" for item in outputs], hidden_size=hidden)
    error = 4 * x.error + 0.01
    shapes = [(steps, 1, batch, hidden), (1, batch, hidden)]
    for item, shape in zip(outputs, shapes, strict=True):
        if item:
            graph.output(Value(item, F32, shape, 1.0, error))


RULES: tuple[Rule, ...] = (
    unary, unary, binary, binary, product, reduction, normalization, positive, clip, recurrent,
)  # fmt: skip
