"""Builds one graph of a random model: its values, its names, and where constants stand.

Every value carries what is known of it: its type and shape, a bound of its magnitude, a bound of
the error that computing all of it in float16 may make, and whether it is exact: a multiple of 1/8
that float16 holds. Only exact values decide (comparisons, integers), so that no output jumps, and
what grows too large is scaled down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32, F16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
I64, I32, BOOL = TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL
FLOATS = (F32, F16, F64)
Shape = tuple[int, ...]
SHAPES: tuple[Shape, ...] = ((4,), (3, 4), (), (1,), (2, 3, 4), (4, 4), (0, 4))

EPSILON = 2.0**-10  # twice what rounding to float16 may change
GREATEST_BOUND = 8.0
GREATEST_ERROR = 0.05
GREATEST_EXACT = 128.0  # multiples of 1/8 up to here are exact in float16
Item = TypeVar("Item")


class InapplicableError(Exception):
    """No value fits the operator; another one is tried."""


class Choices(Protocol):
    """Where the random decisions come from."""

    def integer(self, low: int, high: int) -> int:
        """Return a number, both ends included."""


@dataclass(frozen=True)
class Value:
    """A tensor and what is known of it."""

    name: str
    kind: int
    shape: Shape
    bound: float = 1.0
    error: float = 0.0
    exact: bool = False


@dataclass
class Shared:
    """What all graphs of a model have in common."""

    choices: Choices
    opset: int
    functions: list[onnx.FunctionProto] = field(default_factory=list)
    depth: int = 2
    loops: int = 1


def dtype(kind: int) -> np.dtype[Any]:
    """Return NumPy's type for a tensor's."""
    return np.dtype(helper.tensor_dtype_to_np_dtype(kind))


class Builder:
    """A graph in the making; bodies have a parent, whose values they may read."""

    def __init__(self, shared: Shared, parent: Builder | None = None) -> None:
        self.shared = shared
        self.parent = parent
        self.level: int = 0 if parent is None else parent.level + 1
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.inputs: list[Value] = []
        self.values: list[Value] = []
        self.made: set[str] = set()  # by nodes of this graph
        self._names: set[str] = set()
        self._below: set[str] = set()
        self._node_names: set[str] = set()
        self._count = 0

    # Decisions

    def integer(self, low: int, high: int) -> int:
        """Return a number, both ends included."""
        return self.shared.choices.integer(low, high)

    def chance(self, one_in: int) -> bool:
        """Return true once in so many times."""
        return self.integer(0, one_in - 1) == one_in - 1

    def choose(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.integer(0, len(items) - 1)]

    @property
    def opset(self) -> int:
        """Return the version of ONNX's operators."""
        return self.shared.opset

    # Names

    def _free(self, name: str) -> bool:
        if not name or name in self._names or name in self._below:
            return False
        scope = self.parent
        while scope is not None:
            if name in scope._names:
                return False
            scope = scope.parent
        return True

    def name(self) -> str:
        """Return a new value's name: a plain one, or one that a converter would invent."""
        name = ""
        if self.chance(6):
            visible = self.visible()
            other = self.choose(visible).name if visible else ""
            ends = ("_float16", "_float32", "_cast", "_float16_1", "_2", "/Cast")
            name = other + self.choose(ends)
        while not self._free(name):
            name = f"{'vbcd'[self.level]}{self._count}"
            self._count += 1
        self._names.add(name)
        scope = self.parent
        while scope is not None:
            scope._below.add(name)
            scope = scope.parent
        return name

    def _node_name(self, output: str) -> str:
        which = self.integer(0, 5)
        if which >= 4:
            return ""
        prefix = "" if self.level == 0 else f"{'nbcd'[self.level]}{len(self.nodes)}/"
        name = prefix + (f"{output}_float16/Cast" if which == 3 else f"n{len(self.nodes)}")
        if name in self._node_names:
            return ""
        self._node_names.add(name)
        return name

    # Values

    def visible(self) -> list[Value]:
        """Return what a node of this graph may read."""
        outer = [] if self.parent is None else self.parent.visible()
        return outer + self.values

    def is_made(self, value: Value) -> bool:
        """Return whether a node makes the value: then ONNX's inference may not know its type."""
        scope: Builder | None = self
        while scope is not None:
            if value.name in scope.made:
                return True
            scope = scope.parent
        return False

    def find(self, fits: Callable[[Value], bool]) -> Value:
        """Return a value that fits; the shrunk choice is the newest."""
        fitting = [value for value in self.visible() if fits(value)]
        if not fitting:
            raise InapplicableError
        return fitting[-1 - self.integer(0, len(fitting) - 1)]

    def find_float(self, fits: Callable[[Value], bool] = lambda value: True) -> Value:
        """Return a float32 value that fits, now and then one of another float type."""
        kinds = FLOATS if self.chance(8) else (F32,)
        return self.find(lambda value: value.kind in kinds and fits(value))

    def add(self, value: Value) -> Value:
        """Make a value known to what follows."""
        self.values.append(value)
        return value

    def node(
        self, op: str, inputs: Sequence[Value | None], outputs: Sequence[str], **attributes: Any
    ) -> onnx.NodeProto:
        """Add a node; an input that is None is left out."""
        names = ["" if value is None else value.name for value in inputs]
        domain = attributes.pop("domain", "")
        node = helper.make_node(op, names, outputs, self._node_name(outputs[0]), domain=domain)
        for key, value in attributes.items():
            if isinstance(value, onnx.AttributeProto):
                node.attribute.append(value)
            elif value is not None:
                node.attribute.append(helper.make_attribute(key, value))
        self.nodes.append(node)
        self.made.update(outputs)
        return node

    def emit(
        self,
        op: str,
        inputs: Sequence[Value | None],
        like: Value,
        *,
        exact: bool = False,
        **attributes: Any,
    ) -> Value:
        """Add a node with one output, which is as `like` says but for the name."""
        value = replace(like, name=self.name(), exact=False)
        self.node(op, inputs, [value.name], **attributes)
        return self.output(value, exact)

    def output(self, value: Value, exact: bool = False) -> Value:
        """Make a node's output known, with the error of its rounding; scale it if it is large."""
        if value.kind not in FLOATS:
            return self.add(value)
        if exact and value.bound <= GREATEST_EXACT:
            value = replace(value, exact=True, error=0.0)
        else:
            value = replace(value, exact=False, error=value.error + EPSILON * value.bound)
        self.add(value)
        excess = max(value.bound / GREATEST_BOUND, value.error / GREATEST_ERROR)
        if excess <= 1 or (value.exact and value.bound <= GREATEST_EXACT):
            return value
        scale = 2.0 ** -math.ceil(math.log2(excess) + 0.5)
        factor = self.constant(np.array(scale, dtype(value.kind)))
        smaller = replace(
            value, bound=value.bound * scale, error=value.error * scale + EPSILON * scale
        )
        self.values.remove(value)  # too inaccurate to read again
        return self.emit("Mul", [value, factor], smaller)

    # Constants

    def constant(self, array: Any, exact: bool = True, inline: bool = False) -> Value:
        """Add an initializer, here or in a graph around this one, or a Constant node."""
        array = np.asarray(array)
        bound = float(np.abs(array.astype(np.float64)).max(initial=0.0))
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        error = 0.0 if exact or kind not in FLOATS else EPSILON * bound / 2
        value = Value("", kind, array.shape, bound, error, exact and kind in FLOATS)
        if inline or self.chance(3):
            return self._constant_node(array, value)
        scope: Builder = self
        while scope.parent is not None and self.chance(2):
            scope = scope.parent
        value = replace(value, name=scope.name())
        scope.initializers.append(numpy_helper.from_array(array, value.name))
        return scope.add(value)

    def _constant_node(self, array: Any, value: Value) -> Value:
        value = replace(value, name=self.name())
        key: str = "value"
        content: Any = numpy_helper.from_array(array, value.name)
        forms: dict[tuple[int, int], str] = {(F32, 0): "value_float", (F32, 1): "value_floats"}
        forms |= {(I64, 0): "value_int", (I64, 1): "value_ints"}
        form = forms.get((value.kind, array.ndim))
        if form is not None and array.size and self.chance(2):
            key, content = form, array.tolist()
        self.node("Constant", [], [value.name], **{key: content})
        return self.add(value)

    def numbers(self, shape: Shape, kind: int = F32, exact: bool | None = None) -> Value:
        """Add a constant of random numbers of at most 2."""
        if exact is None:
            exact = self.chance(2)
        random = np.random.default_rng(self.integer(0, 255))
        if kind == BOOL:
            return self.constant(random.integers(0, 2, shape).astype(bool))
        if kind not in FLOATS:
            return self.constant(random.integers(0, 4, shape).astype(dtype(kind)))
        array = random.integers(-16, 17, shape) / 8 if exact else random.uniform(-2, 2, shape)
        return self.constant(np.asarray(array).astype(dtype(kind)), exact)

    def floats(self, shape: Shape, kind: int = F32, low: float = -2.0, high: float = 2.0) -> Value:
        """Return a float constant of a shape, an existing one now and then."""
        if (low, high) == (-2.0, 2.0) and self.chance(2):
            try:
                return self.find(lambda value: (value.kind, value.shape) == (kind, shape))
            except InapplicableError:
                pass
        random = np.random.default_rng(self.integer(0, 255))
        return self.constant(
            np.asarray(random.uniform(low, high, shape)).astype(dtype(kind)), False
        )

    def integers(self, *numbers: int) -> Value:
        """Add a constant int64 vector: axes, a shape."""
        return self.constant(np.array(numbers, np.int64))
