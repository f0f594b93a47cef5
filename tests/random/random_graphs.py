"""Random models: what hypothesis draws, and what it stands for.

A model has one to three inputs, a few operators, bodies nested up to two deep, and whatever is
awkward for a converter of types: see graph_builder.py and the files of operators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import contrib_ops
import control_ops
import float_ops
import numpy as np
import onnx
import type_ops
from graph_builder import (
    BOOL,
    F16,
    F32,
    F64,
    FLOATS,
    I64,
    SHAPES,
    Builder,
    Choices,
    InapplicableError,
    Shared,
    Value,
    dtype,
)
from hypothesis import strategies as st
from onnx import helper
from onnxquant_tools.retyping import TYPES, retyped, rounded_array, rounded_weights
from onnxquant_tools.walking import all_nodes, reads

# The float types of sources; `mixed` is any of the others with float32 nodes between Casts.
MIXED = "mixed"
SOURCES = ("float32", *TYPES, MIXED)


@dataclass(frozen=True)
class Case:
    """A model, what to feed it, and how far each output may be off in float16.

    `model` is of float32 and says what is right; `source` is what is converted, which is the same
    model or its like in another type: ONNX Runtime's CPU provider runs few operators in bfloat16.
    """

    model: onnx.ModelProto
    feeds: dict[str, Any]
    errors: dict[str, float]
    mask: int  # which of the named nodes have a type of their own in a mixed conversion
    other: onnx.ModelProto | None = None

    @property
    def source(self) -> onnx.ModelProto:
        """Return the model to convert."""
        return self.other or self.model

    def chosen(self, mask: int) -> list[str]:
        """Return the names of the nodes whose bits are set."""
        names = sorted({node.name for node in all_nodes(self.model.graph) if node.name})
        return [name for index, name in enumerate(names) if mask >> index & 1]

    def __repr__(self) -> str:
        return f"Case({onnx.printer.to_text(self.source)})"


def _fill(graph: Builder) -> None:
    """Add one operator, or nothing if none of a few fits."""
    for _ in range(4):
        try:
            which = graph.integer(0, 9)
            if which == 0:
                graph.choose(contrib_ops.RULES)(graph)
            elif which < 5:
                graph.choose(float_ops.RULES)(graph)
            elif which < 9 or graph.level >= 2 or (graph.level > 0 and not graph.chance(3)):
                graph.choose(type_ops.RULES)(graph)
            else:
                graph.choose(control_ops.RULES)(graph, _fill)
        except InapplicableError:
            continue
        return


def _inputs(graph: Builder) -> dict[str, Any]:
    """Add the model's inputs; return what is fed to them."""
    feeds: dict[str, Any] = {}
    for position in range(graph.integer(1, 3)):
        kind = F32 if position == 0 else graph.choose((F32, F32, F16, F64, I64, BOOL))
        shape = graph.choose(SHAPES)
        exact = kind in FLOATS and (position == 0 or graph.chance(2))
        random = np.random.default_rng(graph.integer(0, 255))
        array: Any = random.integers(-16, 17, shape) / 8 if exact else random.uniform(-2, 2, shape)
        if kind in (I64, BOOL):
            array = random.integers(0, 4 if kind == I64 else 2, shape)
        bound = 3.0 if kind == I64 else 2.0
        error = 0.0 if exact or kind not in FLOATS else 0.002
        value = graph.add(Value(graph.name(), kind, shape, bound, error, exact))
        graph.inputs.append(value)
        feeds[value.name] = np.asarray(array).astype(dtype(kind))
    return feeds


def _outputs(graph: Builder) -> list[Value]:
    """Return what nothing reads, and some of the rest."""
    read = {name for node in graph.nodes for name in reads(node)}
    made = [value for value in graph.values if value.name in graph.made]
    sinks = [value for value in made if value.name not in read]
    others = [value for value in made if value.name in read]
    outputs = [value for value in sinks if len(sinks) == 1 or not graph.chance(8)]
    outputs += [value for value in others if graph.chance(6)]
    if graph.chance(6):
        outputs += [graph.choose([*graph.inputs])]
    if graph.initializers and graph.chance(6):
        names = [tensor.name for tensor in graph.initializers]
        outputs += [graph.choose([value for value in graph.values if value.name in names])]
    return outputs or made[-1:] or [graph.emit("Identity", [graph.values[0]], graph.values[0])]


def in_type(case: Case, source: str) -> Case:
    """Return the case with a source in one of the types of SOURCES; its numbers are rounded."""
    if source == "float32":
        return case
    kept: list[str] = []
    if source == MIXED:
        source = list(TYPES)[case.mask % len(TYPES)]
        kept = case.chosen(case.mask >> 1)
    feeds = dict(case.feeds)
    for name, array in feeds.items():
        if array.dtype == np.float32:
            feeds[name] = rounded_array(array, source).astype(np.float32)
    other, _ = retyped(case.model, source, kept)
    return replace(case, model=rounded_weights(case.model, source), feeds=feeds, other=other)


def make_case(choices: Choices, source: str = "float32") -> Case:
    """Return a random model that ONNX Runtime runs, and a source in one of the types of SOURCES."""
    # Control flow takes bfloat16 since opset 16.
    oldest = 16 if source in ("bfloat16", MIXED) else 13
    opset = choices.integer(0, 21 - oldest) + oldest
    mask = choices.integer(0, 2**16 - 1)
    graph = Builder(Shared(choices, opset))
    feeds = _inputs(graph)
    for _ in range(graph.integer(0, 2)):
        graph.numbers(graph.choose(SHAPES))
    for _ in range(graph.integer(1, 8)):
        _fill(graph)
    outputs = _outputs(graph)
    made = helper.make_graph(
        control_ops.shuffled(graph, graph.nodes),
        "random",
        [control_ops.declare(value) for value in graph.inputs],
        [control_ops.declare(value) for value in outputs],
        graph.initializers,
    )
    names = {value.name for value in outputs}
    if graph.chance(3):
        made.value_info.extend(
            control_ops.declare(value)
            for value in graph.values
            if value.name in graph.made and value.name not in names
        )
    if graph.chance(4):
        for tensor in graph.initializers:
            if graph.chance(2):
                made.input.append(
                    helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                )
    imports = [helper.make_opsetid("", opset)]
    if any(node.domain == "com.microsoft" for node in all_nodes(made)):
        imports.append(helper.make_opsetid("com.microsoft", 1))
    if graph.shared.functions:
        imports.append(helper.make_opsetid("local", 1))
    model = helper.make_model(
        made, opset_imports=imports, functions=graph.shared.functions, ir_version=10
    )
    errors = {value.name: value.error for value in outputs}
    return in_type(Case(model, feeds, errors, mask), source)


class _Drawn:
    """Choices that hypothesis makes, and can shrink."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """Return a number, both ends included."""
        return self._draw(st.integers(low, high))


@st.composite
def cases(draw: st.DrawFn, source: str = "float32") -> Case:
    """Draw a model whose source has one of the types of SOURCES."""
    return make_case(_Drawn(draw), source)
