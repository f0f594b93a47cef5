"""Makes of a float32 model the same model in another float type: a source that is not float32.

Every float32 tensor becomes one of the new type: inputs, outputs, weights, constants, what each
node makes. A node that its operator's schema keeps from it, wholly or for some of its parameters,
stands between Casts there, and so do nodes that shall stay float32. Weights are rounded, so the
float32 twin of the result is the model with weights rounded by rounded_weights().
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxquant_tools.element_types import Kind, Kinds, element_types
from onnxquant_tools.operator_schemas import parameter, schema_of
from onnxquant_tools.walking import all_graphs, bodies, sort_nodes

FLOAT = TensorProto.FLOAT
TYPES = {
    "float16": (TensorProto.FLOAT16, np.dtype(np.float16)),
    "bfloat16": (TensorProto.BFLOAT16, np.dtype(ml_dtypes.bfloat16)),
    "float64": (TensorProto.DOUBLE, np.dtype(np.float64)),
}
# Attributes that name the type of an output, and the operators that make float32 without them.
_NAMED = ("to", "dtype", "output_dtype", "output_datatype")
_FLOAT_WITHOUT = {
    **dict.fromkeys(("SequenceEmpty", "RandomNormal", "RandomUniform"), "dtype"),
    **dict.fromkeys(
        ("BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"), "output_datatype"
    ),
}


class UnretypableError(Exception):
    """The model cannot be made of the type: a body or sequence may not hold it."""


def rounded_array(array: Any, name: str) -> Any:
    """Round a float32 array to a type of TYPES, and return it as that type."""
    with np.errstate(over="ignore"):
        return np.asarray(array).astype(TYPES[name][1])


def rounded_weights(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the float32 twin of a retyped model: the same with weights rounded to the type."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    for graph in all_graphs(twin.graph):
        for tensor in _weights(graph):
            _change(tensor, lambda array: rounded_array(array, name).astype(np.float32))
        for node in graph.node:
            for tensor in _constants(node):
                _change(tensor, lambda array: rounded_array(array, name).astype(np.float32))
    return twin


def _change(tensor: TensorProto, change: Callable[[Any], Any]) -> None:
    array = np.asarray(change(numpy_helper.to_array(tensor)))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _weights(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from (tensor for tensor in graph.initializer if tensor.data_type == FLOAT)


def _constants(node: onnx.NodeProto) -> Iterator[TensorProto]:
    """Yield the float32 tensor of a Constant or ConstantOfShape.

    It is written as a tensor where it is not one: value_float and a default have no other type.
    """
    if node.op_type not in ("Constant", "ConstantOfShape"):
        return
    forms = {item.name: item for item in node.attribute}
    value: Any = None
    if "value_float" in forms:
        value = np.array(forms["value_float"].f, np.float32)
    elif "value_floats" in forms:
        value = np.array(forms["value_floats"].floats, np.float32)
    elif node.op_type == "ConstantOfShape" and not forms:
        value = np.zeros(1, np.float32)
    if value is not None:
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(value)))
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.t.data_type == FLOAT:
            yield attribute.t


@dataclass
class _Retyper:
    """One model on its way to another type."""

    name: str
    keep: Collection[str]
    opsets: dict[str, int]
    local: set[str]  # domains of the model's own functions, which take any type
    known: Iterator[dict[str, Kind]]  # of each graph, in the order of all_graphs()
    names: set[str]
    taken: int = 0  # nodes that have the new type somewhere

    @property
    def element(self) -> int:
        """Return the new type."""
        return TYPES[self.name][0]

    def changes(self, kind: Kind | None) -> bool:
        """Return whether values of the kind get the new type."""
        if kind is None or kind.element != FLOAT:
            return False
        # A sequence cannot be cast, and most operators on sequences know no bfloat16.
        return not kind.sequence or self.element != TensorProto.BFLOAT16

    def fresh(self, name: str) -> str:
        """Return a name that nothing has."""
        number = 0
        while f"{name}_wide{number}" in self.names:
            number += 1
        self.names.add(f"{name}_wide{number}")
        return f"{name}_wide{number}"

    def declare(self, value: onnx.ValueInfoProto) -> None:
        """Change a declaration."""
        sequence = value.type.HasField("sequence_type")
        kind = value.type.sequence_type.elem_type if sequence else value.type
        tensor = kind.tensor_type if kind.HasField("tensor_type") else None
        if tensor is not None and self.changes(Kind(tensor.elem_type, sequence)):
            tensor.elem_type = self.element

    def graph(self, graph: onnx.GraphProto, outer: Kinds) -> None:
        """Change a graph and the graphs in it."""
        kinds = {**outer, **next(self.known)}
        for value in (*graph.input, *graph.output, *graph.value_info):
            self.declare(value)
        for tensor in _weights(graph):
            _change(tensor, self.rounded)
        nodes: list[onnx.NodeProto] = []
        for node in graph.node:
            for body in bodies(node):
                self.graph(body, kinds)
            nodes += self.node(node, kinds)
        del graph.node[:]
        graph.node.extend(nodes)

    def rounded(self, array: Any) -> Any:
        """Return an array in the new type."""
        return rounded_array(array, self.name)

    def node(self, node: onnx.NodeProto, kinds: Kinds) -> list[onnx.NodeProto]:
        """Return a node in the new type, between the Casts that it needs."""
        changing = [
            (names, position, output)
            for names, output in ((node.input, False), (node.output, True))
            for position, name in enumerate(names)
            if name and self.changes(kinds.get(name))
        ]
        kept = node.name in self.keep and not self._fixed(node, changing, kinds)
        before, after = [], []
        for names, position, output in changing:
            name = names[position]
            if not kept and self._takes(node, kinds[name], position, output):
                continue
            if kinds[name].sequence or any(bodies(node)):
                raise UnretypableError(f"{node.op_type} takes no {self.name}")
            names[position] = wide = self.fresh(name)
            if output:
                after.append(helper.make_node("Cast", [wide], [name], to=self.element))
            else:
                before.append(helper.make_node("Cast", [name], [wide], to=FLOAT))
        if len(before) + len(after) < len(changing):
            self.taken += 1
            if self.changes(kinds.get(node.output[0])) and not after:
                self._change_attributes(node)
        return [*before, node, *after]

    def _fixed(self, node: onnx.NodeProto, changing: list[Any], kinds: Kinds) -> bool:
        """Return whether a node cannot stand between Casts, or has no type of its own to keep."""
        sequences = any(kinds[names[position]].sequence for names, position, _ in changing)
        return sequences or any(bodies(node)) or node.op_type in ("Constant", "Cast")

    def _takes(self, node: onnx.NodeProto, kind: Kind, position: int, output: bool) -> bool:
        """Return whether a node's schema admits the new type for a parameter."""
        if node.domain in self.local:
            return True
        if node.op_type == "Constant" and all(item.name[:5] != "value" for item in node.attribute):
            return False  # a sparse one
        domain = "" if node.domain == "ai.onnx" else node.domain
        schema = schema_of(domain, node.op_type, self.opsets.get(domain, 1))
        if schema is None:
            return False
        found = parameter(schema.outputs if output else schema.inputs, position)
        return found is not None and Kind(self.element, kind.sequence).text() in found.types

    def _change_attributes(self, node: onnx.NodeProto) -> None:
        """Change the attributes that say what type a node makes, and the values that it holds."""
        for tensor in _constants(node):
            _change(tensor, self.rounded)
        default = _FLOAT_WITHOUT.get(node.op_type)
        if default and all(item.name != default for item in node.attribute):
            node.attribute.append(helper.make_attribute(default, self.element))
        for item in node.attribute:
            if item.name in _NAMED and item.i == FLOAT:
                item.i = self.element


def retyped(
    model: onnx.ModelProto, name: str, keep: Collection[str] = ()
) -> tuple[onnx.ModelProto, int]:
    """Return the model in a type of TYPES, and how many of its nodes have that type.

    Nodes named in `keep` compute in float32 between Casts, but for those that cannot.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    sort_nodes(result)
    kinds = element_types(result)
    work = _Retyper(
        name,
        keep,
        {item.domain: item.version for item in result.opset_import},
        {item.domain for item in result.functions},
        iter(kinds),
        {value for own in kinds for value in own},
    )
    work.graph(result.graph, {})
    return result, work.taken
