"""Ways through a model: its graphs, its nodes, and what they read."""

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
