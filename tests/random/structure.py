"""What is wrong with the structure of a converted model, whatever it computes."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterator

import onnx
from onnx import TensorProto
from onnxquant_tools.walking import all_graphs, all_nodes, reads, sort_nodes

FLOAT, HALVES = TensorProto.FLOAT, (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_CASTS = ("Cast", "CastLike")  # the latter may become the former
_Types = dict[str, int]


def repeated_node_names(model: onnx.ModelProto, before: onnx.ModelProto) -> list[str]:
    """Return the names that several nodes have, more than before; nodes may have none.

    Nodes of two branches may share a name: ONNX Runtime wants them distinct in one graph only.
    """
    had = collections.Counter(node.name for node in all_nodes(before.graph))
    names = collections.Counter(node.name for node in all_nodes(model.graph) if node.name)
    repeated = {name for name, count in names.items() if count > max(1, had[name])}
    for graph in all_graphs(model.graph):
        here = collections.Counter(node.name for node in graph.node if node.name)
        repeated |= {name for name, count in here.items() if count > 1}
    return sorted(repeated)


def dead_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the outputs of nodes none of whose outputs is read."""
    dead = []
    for graph in all_graphs(model.graph):
        read = {name for node in graph.node for name in reads(node)}
        read |= {output.name for output in graph.output}
        dead += [node.output[0] for node in graph.node if read.isdisjoint(node.output)]
    return dead


def unread_initializers(model: onnx.ModelProto) -> list[str]:
    """Return the initializers that nothing reads."""
    unread = []
    for graph in all_graphs(model.graph):
        read = {name for node in graph.node for name in reads(node)}
        read |= {item.name for item in [*graph.output, *graph.input]}
        unread += [tensor.name for tensor in graph.initializer if tensor.name not in read]
    return unread


def _types(model: onnx.ModelProto) -> dict[int, _Types]:
    """Return the known element types by the position of each graph."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types: dict[int, _Types] = {}
    for position, graph in enumerate(all_graphs(inferred.graph)):
        infos = [*graph.input, *graph.value_info, *graph.output]
        types[position] = {item.name: item.type.tensor_type.elem_type for item in infos}
        types[position] |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return types


def _visible(
    graph: onnx.GraphProto, casts: dict[str, onnx.NodeProto], position: list[int]
) -> Iterator[tuple[int, onnx.GraphProto, dict[str, onnx.NodeProto]]]:
    """Yield each graph with its position and the Casts that its nodes can read, outer ones too."""
    here = position[0]
    position[0] += 1
    seen = dict(casts)
    for node in graph.node:
        if node.op_type == "Cast":
            seen[node.output[0]] = node
    yield here, graph, seen
    for node in graph.node:
        for attribute in node.attribute:
            for body in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _visible(body, seen, position)


def _target(cast: onnx.NodeProto) -> int:
    return next(int(item.i) for item in cast.attribute if item.name == "to")


def _idle_casts(model: onnx.ModelProto) -> set[str]:
    """Return what Casts (CastLike too) to the type that is there already read and make."""
    ordered = onnx.ModelProto()
    ordered.CopyFrom(model)
    sort_nodes(ordered)
    model = ordered
    types = _types(model)
    return {
        name
        for position, graph in enumerate(all_graphs(model.graph))
        for node in graph.node
        if node.op_type in _CASTS
        and types[position].get(node.input[0]) == types[position].get(node.output[0])
        for name in (node.input[0], node.output[0])
    }


def useless_casts(
    model: onnx.ModelProto, before: onnx.ModelProto, meant: Collection[str]
) -> list[str]:
    """Return the Casts that the conversion added, or changed, and that do nothing.

    Those are Casts to the type that is there already; Casts of what was just cast from that very
    type, if one of the two is new and nothing is lost (the model's own Casts to the type that is
    there already may come to change it for some readers); and new Casts that another one repeats.
    """
    idle = _idle_casts(before)
    excused = idle | set(meant)
    old = {node.output[0] for node in all_nodes(before.graph) if node.op_type in _CASTS}
    # The model's own, which may have got another output.
    theirs = {node.name for node in all_nodes(before.graph) if node.op_type in _CASTS}
    types = _types(model)
    useless = []
    outputs = {item.name for graph in all_graphs(model.graph) for item in graph.output}
    for position, graph, casts in _visible(model.graph, {}, [0]):
        repeated: set[tuple[str, int]] = set()
        for node in graph.node:
            if node.op_type != "Cast":
                continue
            name, source, to = node.output[0], node.input[0], _target(node)
            new = name not in old
            if types[position].get(source) == to and name not in outputs | idle:
                useless.append(f"{name}: from type {to} to itself")
            inner = casts.get(source)
            odd = inner is not None and not excused.isdisjoint((name, inner.output[0]))
            if inner is not None and not odd and (new or inner.output[0] not in old):
                start = next((t[inner.input[0]] for t in types.values() if inner.input[0] in t), 0)
                if start == to and {start, _target(inner)} <= {FLOAT, *HALVES}:
                    useless.append(f"{name}: casts back what {source} was cast from")
            if (source, to) in repeated and new and source not in idle and name not in outputs:
                useless.append(f"{name}: a second Cast of {source} to type {to}")
            if new and (not node.name or node.name not in theirs):
                repeated.add((source, to))
    return useless


def faults(
    model: onnx.ModelProto, before: onnx.ModelProto, meant: Collection[str] = ()
) -> list[str]:
    """Return everything that is wrong, in words.

    `meant` names the outputs of the model's own Casts that shall round, whatever is around them.
    """
    return [
        *(f"several nodes are named {name}" for name in repeated_node_names(model, before)),
        *(f"the node that makes {name} is read by nothing" for name in dead_nodes(model)),
        *(f"initializer {name} is read by nothing" for name in unread_initializers(model)),
        *(f"useless Cast {what}" for what in useless_casts(model, before, meant)),
    ]
