"""The 4-bit quantizers of ONNX Runtime's Python package, by name, for comparison.

They live in an environment of their own (python/requirements-quantizers.txt):

    venv-quantizers/bin/python -m onnxquant_tools.peer_quantizers NAME MODEL.onnx OUTPUT.onnx \
        --block 32 --only NODE...
"""

import argparse
import contextlib
import importlib
import io
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from onnxquant_tools.peer_converters import save

_MODULE = "onnxruntime.quantization.matmul_nbits_quantizer"


@dataclass(frozen=True)
class Peer:
    """A quantizer: whether its codes are symmetric, and its configuration in ONNX Runtime."""

    symmetric: bool
    config: Callable[[Any, int], Any]  # of the module and a block size


PEERS = {
    "ONNX Runtime default, symmetric": Peer(
        symmetric=True,
        config=lambda module, block: module.DefaultWeightOnlyQuantConfig(
            block_size=block, is_symmetric=True
        ),
    ),
    "ONNX Runtime default": Peer(
        symmetric=False,
        config=lambda module, block: module.DefaultWeightOnlyQuantConfig(
            block_size=block, is_symmetric=False
        ),
    ),
    "ONNX Runtime k-quant": Peer(
        symmetric=False, config=lambda module, _: module.KQuantWeightOnlyQuantConfig()
    ),
    "ONNX Runtime HQQ": Peer(
        symmetric=False,
        config=lambda module, block: module.HQQWeightOnlyQuantConfig(block_size=block),
    ),
}


def quantize(peer: Peer, path: Path, only: Collection[str], block: int) -> onnx.ModelProto:
    """Quantize the MatMul nodes `only`, by name, to 4 bits in blocks along their first axis."""
    module = importlib.import_module(_MODULE)
    model = onnx.load(path)
    others = [n.name for n in model.graph.node if n.name not in only]
    quantizer = module.MatMulNBitsQuantizer(
        model,
        bits=4,
        block_size=block,
        is_symmetric=peer.symmetric,
        nodes_to_exclude=others,
        algo_config=peer.config(module, block),
    )
    quantizer.process()
    result = quantizer.model
    quantized: onnx.ModelProto = getattr(result, "model", result)
    return quantized


def main() -> None:
    """Quantize one file, its weights beside the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--only", required=True, help="a file with the names of nodes, a line each")
    arguments = parser.parse_args()
    only = set(Path(arguments.only).read_text(encoding="utf-8").splitlines())
    logging.disable()
    with contextlib.redirect_stdout(io.StringIO()):
        model = quantize(PEERS[arguments.name], arguments.model, only, arguments.block)
    save(model, arguments.output)


if __name__ == "__main__":
    main()
