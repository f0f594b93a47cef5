"""The element types of every value of a small model, in every graph of it.

ONNX's inference stops at operators that it does not know; ONNX Runtime's own give a tensor of
their first input's type.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from onnxquant_tools.walking import all_graphs


@dataclass(frozen=True)
class Kind:
    """A tensor's element type, or that of a sequence's tensors."""

    element: int
    sequence: bool = False

    def text(self) -> str:
        """Return the type as operators' schemas spell it: `tensor(float)`, `seq(tensor(float))`."""
        name = "double" if self.element == TensorProto.DOUBLE else ""
        name = name or TensorProto.DataType.Name(self.element).lower()
        return f"seq(tensor({name}))" if self.sequence else f"tensor({name})"


FLOATS = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
}
Kinds = Mapping[str, Kind]


def _kind(kind: onnx.TypeProto) -> Kind | None:
    """Return the kind of a type, or nothing for maps, optional and unknown ones."""
    inner = kind.sequence_type.elem_type if kind.HasField("sequence_type") else kind
    if not inner.tensor_type.elem_type:
        return None
    return Kind(inner.tensor_type.elem_type, kind.HasField("sequence_type"))


def _declared(graph: onnx.GraphProto) -> dict[str, Kind]:
    values = (*graph.input, *graph.value_info, *graph.output)
    known = {value.name: _kind(value.type) for value in values}
    kinds = {name: kind for name, kind in known.items() if kind}
    return kinds | {tensor.name: Kind(tensor.data_type) for tensor in graph.initializer}


def _inferred(model: onnx.ModelProto) -> list[dict[str, Kind]]:
    inferred = onnx.shape_inference.infer_shapes(model)
    return [_declared(graph) for graph in all_graphs(inferred.graph)]


def _declare_foreign(model: onnx.ModelProto, known: list[dict[str, Kind]]) -> bool:
    """Declare what nodes of ONNX Runtime make of known inputs; say whether there was any."""
    everything = {name: kind for kinds in known for name, kind in kinds.items()}
    changed = False
    for graph, kinds in zip(all_graphs(model.graph), known, strict=True):
        for node in graph.node:
            if not node.input or node.domain in ("", "ai.onnx", "ai.onnx.ml"):
                continue
            kind = kinds.get(node.input[0]) or everything.get(node.input[0])
            for name in node.output:
                if name and name not in kinds and kind and not kind.sequence:
                    info = helper.make_tensor_value_info(name, kind.element, None)
                    graph.value_info.append(info)
                    changed = True
    return changed


def element_types(model: onnx.ModelProto) -> list[dict[str, Kind]]:
    """Return what each graph holds, by its own names; graphs are in the order of all_graphs()."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    while True:
        known = _inferred(copy)
        if not _declare_foreign(copy, known):
            return known


def float_types(model: onnx.ModelProto) -> set[int]:
    """Return which of the types of FLOATS a model's values have."""
    return {kind.element for kinds in element_types(model) for kind in kinds.values()} & FLOATS
