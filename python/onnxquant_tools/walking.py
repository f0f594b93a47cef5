"""Ways through a model: its graphs, its nodes, what they read, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those in it, outer ones first."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from all_graphs(body)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs in it."""
    for part in all_graphs(graph):
        yield from part.node


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, in its bodies too (their own values among them)."""
    yield from node.input
    for body in bodies(node):
        yield from (output.name for output in body.output)
        for inner in body.node:
            yield from reads(inner)


def sort_nodes(model: onnx.ModelProto) -> None:
    """Put the main graph's nodes into topological order, which inference needs.

    Nodes that are in such an order stay in theirs.
    """
    waiting = list(model.graph.node)
    del model.graph.node[:]
    unmade = {name for node in waiting for name in node.output if name}
    while waiting:
        left = []
        for node in waiting:
            if unmade.isdisjoint(reads(node)):
                model.graph.node.append(node)
                unmade.difference_update(node.output)
            else:
                left.append(node)
        assert len(left) < len(waiting), "the graph has a cycle"
        waiting = left
