"""Runs one other converter or quantizer on one file, as its documentation says, to be timed.

They live in an environment of their own (python/requirements-performance.txt):

    venv-performance/bin/python -m onnxquant_tools.peer_run NAME MODEL.onnx OUTPUT.onnx
"""

import argparse
import importlib
import logging
from collections.abc import Callable
from pathlib import Path

import onnx

from onnxquant_tools.peer_converters import PEERS as CONVERTERS
from onnxquant_tools.peer_converters import save
from onnxquant_tools.peer_quantizers import PEERS as QUANTIZERS
from onnxquant_tools.peer_quantizers import quantize

BLOCK = 32


def _converter(name: str) -> Callable[[Path, Path], None]:
    def run(model: Path, output: Path) -> None:
        options = {"disable_shape_infer": True, "keep_io_types": True}
        save(CONVERTERS[name](onnx.load(model), **options), output)

    return run


def _products(model: Path) -> list[str]:
    """Return the names of the products with constants, but for that which makes logits."""
    graph = onnx.load(model, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul"
        and node.input[1] in constants
        and not outputs & set(node.output)
    ]


def _quantizer(name: str) -> Callable[[Path, Path], None]:
    def run(model: Path, output: Path) -> None:
        save(quantize(QUANTIZERS[name], model, _products(model), BLOCK), output)

    return run


def _dynamic(model: Path, output: Path) -> None:
    module = importlib.import_module("onnxruntime.quantization")
    external = True  # a model beyond 2 GB would not be written otherwise
    module.quantize_dynamic(model, output, use_external_data_format=external)


def _nncf(model: Path, output: Path) -> None:
    module = importlib.import_module("nncf")
    compressed = module.compress_weights(
        onnx.load(model), mode=module.CompressWeightsMode.INT4_SYM, group_size=BLOCK, ratio=1.0
    )
    save(compressed, output)


def _onnx_quantize(model: Path, output: Path) -> None:
    module = importlib.import_module("onnx_quantize")
    config = module.QConfig(
        weights_only=True, is_static=False, group_size=BLOCK, strategy="group", weights_dtype="int4"
    )
    save(module.quantize(onnx.load(model), config), output)


PEERS: dict[str, Callable[[Path, Path], None]] = {
    **{f"{name} float16": _converter(name) for name in CONVERTERS},
    **{name: _quantizer(name) for name in QUANTIZERS},
    "quantize_dynamic": _dynamic,
    "NNCF": _nncf,
    "onnx-quantize": _onnx_quantize,
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    logging.disable()
    PEERS[arguments.name](arguments.model, arguments.output)


if __name__ == "__main__":
    main()
