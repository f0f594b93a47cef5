"""If, Loop and Scan, whose bodies read what is outside; nested up to two deep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
from graph_builder import (
    BOOL,
    F16,
    F32,
    F64,
    FLOATS,
    GREATEST_BOUND,
    GREATEST_ERROR,
    I64,
    SHAPES,
    Builder,
    InapplicableError,
    Value,
    dtype,
)
from onnx import helper

Fill = Callable[[Builder], None]
STATE_BOUND, STATE_ERROR = 4.0, 0.03  # what every turn of a loop starts and ends within


def declare(value: Value) -> onnx.ValueInfoProto:
    """Return the declaration of a value."""
    return helper.make_tensor_value_info(value.name, value.kind, value.shape)


def _typeless(graph: Builder, values: Sequence[Value]) -> list[onnx.ValueInfoProto]:
    """Declare a body's inputs, some without their shape; a Loop needs that of its own two."""
    declared = []
    for value in values:
        shape = None if value.kind in FLOATS and graph.chance(4) else value.shape
        declared.append(helper.make_tensor_value_info(value.name, value.kind, shape))
    return declared


def produce(graph: Builder, kind: int, shape: tuple[int, ...]) -> Value:
    """Return a value of a type and shape that a node of this very graph makes."""
    try:
        value = graph.find(lambda item: (item.kind, item.shape) == (kind, shape))
    except InapplicableError:
        value = graph.numbers(shape, kind)
    outputs = {item for node in graph.nodes for item in node.output}
    if value.name not in outputs or graph.chance(3):
        value = graph.emit("Identity", [value], value, exact=value.exact)
    return value


def as_graph(
    graph: Builder, name: str, inputs: Sequence[Value], outputs: Sequence[Value]
) -> onnx.GraphProto:
    """Return a body."""
    made = helper.make_graph(graph.nodes, name, [], [], graph.initializers)
    made.input.extend(_typeless(graph, inputs))
    made.output.extend(declare(value) for value in outputs)  # Scan needs their shapes
    if graph.chance(4):
        made.value_info.extend(
            declare(value)
            for value in graph.values
            if value.name in graph.made and value not in outputs
        )
    return made


def shuffled(graph: Builder, nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the nodes in another order now and then: ONNX Runtime sorts the main graph's."""
    nodes = list(nodes)
    if graph.chance(4):
        for last in range(len(nodes) - 1, 0, -1):
            other = graph.integer(0, last)
            nodes[last], nodes[other] = nodes[other], nodes[last]
    return nodes


def _condition(graph: Builder) -> Value:
    """Return a scalar truth."""
    if graph.chance(2):
        try:
            return graph.find(lambda item: item.kind == BOOL and item.shape in ((), (1,)))
        except InapplicableError:
            pass
    if graph.chance(2):
        x = graph.find(lambda item: item.exact and item.kind == F32 and 0 not in item.shape)
        low = graph.emit("ReduceMax", [x], replace(x, shape=()), exact=True, keepdims=0)
        limit = graph.numbers((), exact=True)
        return graph.emit("Less", [low, limit], Value("", BOOL, ()))
    return graph.constant(np.array(graph.chance(2)))


def branches(graph: Builder, fill: Fill) -> None:
    """Add If."""
    condition = _condition(graph)
    kinds = [graph.choose((F32, F32, F32, F16, F64, I64)) for _ in range(graph.integer(1, 2))]
    results = [(kind, graph.choose(SHAPES)) for kind in kinds]
    bodies, outputs = [], []
    for name in ("then", "else"):
        body = Builder(graph.shared, graph)
        for _ in range(graph.integer(0, 3)):
            fill(body)
        made: list[Value] = []
        for kind, shape in results:
            value = produce(body, kind, shape)
            if value.name in [item.name for item in made]:
                value = body.emit("Identity", [value], value, exact=value.exact)
            made.append(value)
        bodies.append(as_graph(body, name, [], made))
        outputs.append(made)
    names = [graph.name() for _ in results]
    graph.node("If", [condition], names, then_branch=bodies[0], else_branch=bodies[1])
    for name, *pair in zip(names, *outputs, strict=True):
        like = replace(
            pair[0],
            name=name,
            bound=max(item.bound for item in pair),
            error=max(item.error for item in pair),
        )
        graph.output(like, exact=all(item.exact for item in pair) and like.kind in FLOATS)


def _state(graph: Builder, name: str, kind: int, shape: tuple[int, ...]) -> Value:
    return Value(name, kind, shape, STATE_BOUND, STATE_ERROR)


def _start(graph: Builder) -> Value:
    """Return a value that may start a loop."""
    x = graph.find_float(lambda item: item.error <= STATE_ERROR)
    if x.bound <= STATE_BOUND:
        return x
    return graph.emit("Tanh", [x], replace(x, bound=1.0))


def _next(body: Builder, state: Value) -> Value:
    """Return what a state becomes: within the bounds that it started from."""
    value = produce(body, state.kind, state.shape)
    scale = 1.0
    while value.bound * scale > STATE_BOUND or (value.error + 0.01) * scale > STATE_ERROR:
        scale /= 2
    if scale < 1:
        factor = body.constant(np.array(scale, dtype(value.kind)))
        like = replace(value, bound=value.bound * scale, error=value.error * scale)
        value = body.emit("Mul", [value, factor], like)
    elif body.chance(2) or value.name == state.name:
        value = body.emit("Identity", [value], value, exact=value.exact)
    return value


def _distinct(body: Builder, values: list[Value]) -> list[Value]:
    """Return the values, with an Identity where one stands there twice."""
    seen: set[str] = set()
    result = []
    for value in values:
        if value.name in seen:
            value = body.emit("Identity", [value], value, exact=value.exact)
        seen.add(value.name)
        result.append(value)
    return result


def loop(graph: Builder, fill: Fill) -> None:
    """Add Loop with a state and, now and then, a scan output."""
    turns = graph.integer(1, 3)
    starts = [_start(graph) for _ in range(graph.integer(1, 2))]
    count = graph.constant(np.array(turns, np.int64))
    going = graph.constant(np.array(True)) if graph.chance(2) else None
    body = Builder(graph.shared, graph)
    index = body.add(Value(body.name(), I64, (), 3.0))
    again = body.add(Value(body.name(), BOOL, ()))
    states = [body.add(_state(body, body.name(), start.kind, start.shape)) for start in starts]
    for _ in range(graph.integer(1, 3)):
        fill(body)
    goes_on = body.emit("Identity", [again], again)
    outputs = [goes_on, *(_next(body, state) for state in states)]
    if graph.chance(2):
        outputs.append(produce(body, F32, graph.choose(SHAPES[:4])))
    outputs = _distinct(body, outputs)
    names = [graph.name() for _ in outputs[1:]]
    made = as_graph(body, "body", [index, again, *states], outputs)
    graph.node("Loop", [count, going, *starts], names, body=made)
    for position, (name, value) in enumerate(zip(names, outputs[1:], strict=True)):
        shape = value.shape if position < len(states) else (turns, *value.shape)
        _loop_output(graph, replace(value, name=name, shape=shape))


def _loop_output(graph: Builder, value: Value) -> None:
    bound = max(value.bound, STATE_BOUND)
    assert bound <= GREATEST_BOUND or value.kind not in FLOATS or value.exact
    error = max(value.error, STATE_ERROR)
    assert error <= GREATEST_ERROR * 1.1
    graph.add(replace(value, bound=bound, error=error, exact=False))


def scan(graph: Builder, fill: Fill) -> None:
    """Add Scan over the first axis of a value, with a state and a scan output."""
    start = _start(graph)
    over = graph.find_float(lambda item: len(item.shape) > 0 and item.shape[0] > 0)
    body = Builder(graph.shared, graph)
    state = body.add(_state(body, body.name(), start.kind, start.shape))
    element = body.add(replace(over, name=body.name(), shape=over.shape[1:]))
    for _ in range(graph.integer(1, 3)):
        fill(body)
    after = _next(body, state)
    each = produce(body, F32, graph.choose((element.shape, ())))
    outputs = _distinct(body, [after, each])
    names = [graph.name(), graph.name()]
    made = as_graph(body, "body", [state, element], outputs)
    graph.node("Scan", [start, over], names, body=made, num_scan_inputs=1)
    _loop_output(graph, replace(outputs[0], name=names[0]))
    shape = (over.shape[0], *outputs[1].shape)
    _loop_output(graph, replace(outputs[1], name=names[1], shape=shape))


RULES = (branches, branches, loop, scan)
