"""What a model computes in which types: its nodes by name, and its float Casts by count."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto
from onnxquant_tools.initializers import read_initializers

# A node's operator, the element types it reads, and those it makes; "" where there is nothing.
Typed = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class NodeTypes:
    """The nodes by name, Casts and Constants aside, and how many Casts lead from type to type."""

    nodes: dict[str, Typed]
    casts: Counter[tuple[str, str]]


def _name(kind: int) -> str:
    name: str = TensorProto.DataType.Name(kind)
    return name


def _declared(graph: onnx.GraphProto) -> dict[str, str]:
    """Return the types that stand in the file: of inputs, outputs, weights, Casts, Constants."""
    values = (*graph.value_info, *graph.input, *graph.output)
    types = {value.name: _name(value.type.tensor_type.elem_type) for value in values}
    types |= {tensor.name: _name(tensor.data_type) for tensor in graph.initializer}
    for node in graph.node:
        for item in node.attribute:
            if node.op_type == "Cast" and item.name == "to":
                types[node.output[0]] = _name(item.i)
            elif node.op_type == "Constant" and item.name == "value":
                types[node.output[0]] = _name(item.t.data_type)
    return types


def node_types(path: Path) -> NodeTypes:
    """Return the types of a model whose values are all declared, or follow from their inputs'.

    A value that nothing declares has the type of its maker's first input: so it is for every
    operator of this model that makes a float.
    """
    graph = onnx.load(path, load_external_data=False).graph
    types = {"": "", **_declared(graph)}
    nodes: dict[str, Typed] = {}
    casts: Counter[tuple[str, str]] = Counter()
    for node in graph.node:
        for name in node.output:
            types.setdefault(name, types[node.input[0]] if node.input else "")
        read = tuple(types[name] for name in node.input)
        made = tuple(types[name] for name in node.output)
        if node.op_type == "Cast":
            casts[read[0], made[0]] += 1
        elif node.op_type != "Constant":
            nodes[node.name] = (node.op_type, read, made)
    return NodeTypes(nodes, casts)


def assert_same_types(found: NodeTypes, expected: NodeTypes) -> None:
    """Compare node by node, and say which differ."""
    differing = [
        f"{name}: {found.nodes.get(name)}, expected {expected.nodes.get(name)}"
        for name in sorted(found.nodes.keys() | expected.nodes.keys())
        if found.nodes.get(name) != expected.nodes.get(name)
    ]
    assert not differing, f"{len(differing)} nodes differ: " + "\n".join(differing[:10])
    assert found.casts == expected.casts


def assert_same_model(found: Path, expected: Path) -> None:
    """Compare nodes, declarations, and the bytes of every weight, whatever their order on disk."""
    ours, theirs = (onnx.load(p, load_external_data=False).graph for p in (found, expected))
    for item in ("node", "input", "output"):
        pairs = [[x.SerializeToString(deterministic=True) for x in getattr(g, item)]
                 for g in (ours, theirs)]  # fmt: skip
        assert pairs[0] == pairs[1], f"the {item}s of the graph differ"
    assert_same_types(node_types(found), node_types(expected))
    weights = dict(read_initializers(found))
    names = set()
    for name, weight in read_initializers(expected):
        names.add(name)
        assert name in weights, f"{name} is missing"
        assert (weights[name].dtype, weights[name].shape) == (weight.dtype, weight.shape), name
        assert weights[name].data.tobytes() == weight.data.tobytes(), f"{name}: bytes differ"
    assert set(weights) == names
