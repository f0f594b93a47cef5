"""The other float16 converters that this project measures itself against, by name.

They live in an environment of their own (python/requirements-converters.txt):

    venv-converters/bin/python -m onnxquant_tools.peer_converters NAME MODEL.onnx OUTPUT.onnx
"""

import argparse
import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

Converter = Callable[..., onnx.ModelProto]
MODULES = {
    "onnxconverter-common": "onnxconverter_common.float16",
    "ONNX Runtime": "onnxruntime.transformers.float16",
}


def with_common(model: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
    """Convert with onnxconverter-common."""
    module = importlib.import_module(MODULES["onnxconverter-common"])
    converted: onnx.ModelProto = module.convert_float_to_float16(model, **options)
    return converted


def with_runtime(model: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
    """Convert with ONNX Runtime's converter for transformers, and sort the nodes as it does.

    The function leaves that to its callers in ONNX Runtime.
    """
    module = importlib.import_module(MODULES["ONNX Runtime"])
    onnx_model = importlib.import_module("onnxruntime.transformers.onnx_model")
    whole = onnx_model.OnnxModel(module.convert_float_to_float16(model, **options))
    _remove_repeated_casts(whole.model.graph)
    whole.topological_sort()
    converted: onnx.ModelProto = whole.model
    return converted


def _remove_repeated_casts(graph: onnx.GraphProto) -> None:
    """Leave one of the equal Casts that several blocked readers of a value got.

    They have one name and one output; ONNX Runtime itself does not load them.
    """
    nodes = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    kept = [node for node in graph.node if nodes.get(node.output[0], node) is node]
    del graph.node[:]
    graph.node.extend(kept)


PEERS: dict[str, Converter] = {
    "onnxconverter-common": with_common,
    "ONNX Runtime": with_runtime,
}


def convert_quietly(converter: Converter, model: onnx.ModelProto, **options: Any) -> Any:
    """Convert without the converter's warnings and prints."""
    logging.disable()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return converter(model, **options)


def save(model: onnx.ModelProto, output: Path) -> None:
    """Write a model, its weights beside it."""
    data = f"{output.name}_data"
    onnx.save(model, output, save_as_external_data=True, location=data)


def main() -> None:
    """Convert one file, its weights beside the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--block", nargs="*", default=[], help="operators to leave in float32 beside its own list"
    )
    arguments = parser.parse_args()
    model = onnx.load(arguments.model)
    options: dict[str, Any] = {"disable_shape_infer": True, "keep_io_types": True}
    if arguments.block:
        blocked = importlib.import_module(MODULES[arguments.name]).DEFAULT_OP_BLOCK_LIST
        options["op_block_list"] = [*blocked, *arguments.block]
    converted = convert_quietly(PEERS[arguments.name], model, **options)
    save(converted, arguments.output)


if __name__ == "__main__":
    main()
