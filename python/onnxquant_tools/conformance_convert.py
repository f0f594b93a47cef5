"""Converts a test model with the program, once for each pass of the conformance suite."""

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from onnxquant_tools.conformance_cases import Case
from onnxquant_tools.product import program

_POLICY = (
    "policy: 1\nname: conformance\noutputs:\n"
    "  fp16: {{compute: float16, weights: float16, io: {io}, constants: {{overflow: clamp}}}}\n"
)


class RefusedError(Exception):
    """A converter did not convert a model; the message is what it said."""


@dataclass(frozen=True)
class Pass:
    """A way to convert: the type of inputs and outputs, and whether some nodes stay float32.

    `named` gives every node a name first (most of the test models' have none), as `mixed` does.
    """

    name: str
    half_io: bool = False
    mixed: bool = False
    named: bool = False


PLAIN = Pass("plain")
MIXED = Pass("mixed", mixed=True)
HALF_IO = Pass("half-io", half_io=True)
NAMED = Pass("named", named=True)
PASSES = (PLAIN, MIXED, HALF_IO)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield every node of a graph and of the graphs in its attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g, *attribute.graphs]:
                yield from _nodes(body)


def count_nodes(model: onnx.ModelProto) -> int:
    """Return how many nodes a model has, in bodies too; functions count once."""
    inner = sum(len(function.node) for function in model.functions)
    return max(1, sum(1 for _ in _nodes(model.graph)) + inner)


def uses_half(model: onnx.ModelProto) -> bool:
    """Return whether anything in a model is float16: an input, a weight, or what a Cast gives."""
    half = onnx.TensorProto.FLOAT16
    if any(item.type.tensor_type.elem_type == half for item in model.graph.input):
        return True
    if any(tensor.data_type == half for tensor in model.graph.initializer):
        return True
    for node in _nodes(model.graph):
        for attribute in node.attribute:
            if attribute.t.data_type == half or (attribute.name == "to" and attribute.i == half):
                return True
    return False


def name_nodes(case: Case) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model with every node named, and the names of those to keep in float32.

    About half are kept, at least one; which ones depends on the case's name alone.
    """
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    names = []
    for index, node in enumerate(_nodes(model.graph)):
        node.name = f"n{index}"
        names.append(node.name)
    chosen = random.Random(case.seed)
    kept = [name for name in names if chosen.random() < 0.5]
    return model, kept or names[:1]


def prepared(case: Case, how: Pass) -> tuple[onnx.ModelProto, list[str]]:
    """Return a copy of the model that a pass converts, and the names of the nodes it keeps."""
    if how.mixed or how.named:
        model, kept = name_nodes(case)
        return model, kept if how.mixed else []
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    return model, []


def convert(case: Case, how: Pass, folder: Path) -> Path:
    """Convert with the program and return the converted file, or raise RefusedError."""
    model, kept = prepared(case, how)
    arguments = []
    if kept:
        # Some models have no node that a type changes.
        rule = f"match: {{name: [{', '.join(kept)}]}}, compute: float32, optional: true"
        arguments = ["--set", rule]
    source = folder / "model.onnx"
    source.write_bytes(model.SerializeToString())
    policy = folder / "policy.yaml"
    policy.write_text(_POLICY.format(io="float16" if how.half_io else "float32"))
    command = [str(program()), "--force", "--threads", "1", "--policy", str(policy), *arguments]
    done = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("onnxquant: ").replace(f"{folder}/", "")
        raise RefusedError(f"exit status {done.returncode}: {said}")
    return folder / "model_fp16.onnx"
