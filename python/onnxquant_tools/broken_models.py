"""The half-precision files of Gemma 3 that people hold, written by others' rules and converters.

    scripts/python.sh -m onnxquant_tools.broken_models KIND MODEL.onnx FOLDER

All are made of the float32 model, by nothing of this project's own converter, so that they can
stand for what users bring: each overflows float16 or does not load where its arithmetic is real.
"""

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.quant_utils import QuantFormat

from onnxquant_tools.build_gemma_reference import reference_initializers
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.peer_converters import PEERS
from onnxquant_tools.product import ROOT

Dtype = Literal["fp16", "q4f16"]
Writer = Callable[[Path, Path], Path]

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
NORM = "SimplifiedLayerNormalization"
FINAL_NORM = "/model/final_norm"
# Where re-uploads clamp the residual stream: half of float16's range, so that one sum fits.
LIMIT = 32752.0
_CLAMPED = re.compile(r"/model/layers\.\d+/Add_1/output_0")
_LARGEST_INLINE = 1024  # bytes


def build_gemma(model: Path, folder: Path, dtype: Dtype, *, final_norm_cast: bool = False) -> Path:
    """Write what the community exporter build_gemma.py makes of the float32 model.

    Everything is float16 but the logits and the norms, which have a Cast before and one after. The
    final norm has none before it, so that it reads float16 beside a float32 gain, unless
    `final_norm_cast` mends that. q4f16 is this file after ONNX Runtime's 4-bit quantizer.
    """
    made = _in_half(onnx.load(model, load_external_data=False), final_norm_cast)
    del made.graph.initializer[:]
    for name, weight in reference_initializers(model, "fp16"):
        made.graph.initializer.append(
            TensorProto(
                name=name,
                dims=weight.shape,
                data_type=TensorProto.DataType.Value(weight.dtype),
                raw_data=weight.data.tobytes(),
            )
        )
    return _save(_in_four_bits(made) if dtype == "q4f16" else made, folder, dtype)


def _in_half(model: onnx.ModelProto, final_norm_cast: bool) -> onnx.ModelProto:
    """Return the float32 graph with the exporter's types and Casts; weights stay as they are."""
    graph = model.graph
    norms = {node.name: node for node in graph.node if node.op_type == NORM}
    for value in (*graph.input, *graph.output, *graph.value_info):
        tensor = value.type.tensor_type
        if tensor.elem_type == FLOAT and value.name != "logits":
            tensor.elem_type = HALF
    # Readers of a norm read the Cast after it, those of a constant one that is named float16.
    renamed = {name: _output(f"{name}/output/Cast") for name in norms}
    renamed = {norms[name].output[0]: value for name, value in renamed.items()}
    renamed |= {
        node.output[0]: node.output[0].replace("/FLOAT/", "/FLOAT16/")
        for node in graph.node
        if node.op_type == "Constant"
    }
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.name in norms:
            nodes += _norm_between_casts(node, final_norm_cast or node.name != FINAL_NORM)
        elif "logits" in node.output:
            node.output[:] = [_output(node.name)]
            nodes += [node, _cast("/lm_head/Cast", node.output[0], FLOAT, "logits")]
        else:
            nodes.append(_half_constant(node) if node.op_type == "Constant" else node)
    wide = {norm.output[0] for norm in norms.values()}
    weights = {tensor.name for tensor in graph.initializer}
    infos = [value for value in graph.value_info if value.name not in weights]
    del graph.value_info[:]
    graph.value_info.extend(infos)
    for value in list(graph.value_info):
        if value.name in wide:
            kept = graph.value_info.add()
            kept.CopyFrom(value)
            kept.type.tensor_type.elem_type = FLOAT
        value.name = renamed.get(value.name, value.name)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _output(node: str) -> str:
    return f"{node}/output_0"


def _cast(name: str, source: str, to: int, output: str = "") -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [output or _output(name)], name, to=to)


def _norm_between_casts(norm: onnx.NodeProto, before: bool) -> Iterator[onnx.NodeProto]:
    """Yield a norm that computes in float32, and its Casts; the one before it may be left out."""
    if before:
        cast = _cast(f"{norm.name}/Cast", norm.input[0], FLOAT)
        norm.input[0] = cast.output[0]
        yield cast
    yield norm
    yield _cast(f"{norm.name}/output/Cast", norm.output[0], HALF)


def _half_constant(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a Constant node with its float32 tensor, if it has one, in float16."""
    (value,) = node.attribute
    if value.t.data_type != FLOAT:
        return node
    half = numpy_helper.from_array(numpy_helper.to_array(value.t).astype(np.float16))
    name = node.name.replace("/FLOAT/", "/FLOAT16/")
    output = node.output[0].replace("/FLOAT/", "/FLOAT16/")
    return helper.make_node("Constant", [], [output], name, value=half)


def _in_four_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model after ONNX Runtime's quantizer with the exporter's settings."""
    quantizer = MatMulNBitsQuantizer(
        model=model,
        block_size=32,
        is_symmetric=True,
        accuracy_level=4,
        quant_format=QuantFormat.QOperator,
        op_types_to_quantize=("MatMul",),
    )
    quantizer.process()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


def _save(model: onnx.ModelProto, folder: Path, dtype: Dtype) -> Path:
    """Write model_<dtype>.onnx, its weights in one file beside it; small ones stay in the graph."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"model_{dtype}.onnx"
    path.with_name(f"{path.name}_data").unlink(missing_ok=True)  # onnx.save would append to it
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        location=f"{path.name}_data",
        size_threshold=_LARGEST_INLINE,
    )
    return path


def by_peer(model: Path, folder: Path, name: str, *, blocked: bool = False) -> Path:
    """Write what another converter makes of the float32 model; see peer_converters.py.

    With `blocked` its list of operators to leave in float32 has the norms and Add, too. The edges
    between those are float16 all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model_fp16.onnx"
    subprocess.run([str(ROOT / "scripts" / "setup_converters.sh")], capture_output=True, check=True)
    python = cache_folder() / "venv-converters" / "bin" / "python"
    command = [str(python), "-m", "onnxquant_tools.peer_converters", name, str(model), str(path)]
    blocks = ["--block", NORM, "Add"] if blocked else []
    done = subprocess.run([*command, *blocks], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} does not convert {model}:\n{done.stderr[-2000:]}")
    return path


def clipped(model: Path, folder: Path) -> Path:
    """Write a half-precision file with a Clip after each sum of the stream and the attention.

    The weights are the same file on disk under another name, where the file system has links.
    """
    made = onnx.load(model, load_external_data=False)
    graph = made.graph
    limits = [f"/model/constants/FLOAT16/{sign * LIMIT}" for sign in (-1, 1)]
    values = {name for node in graph.node for name in node.output if _CLAMPED.fullmatch(name)}
    if not values:
        raise ValueError(f"{model}: no node has an output that {_CLAMPED.pattern} fits")
    clips = {name: name.replace("/output_0", "/Clip/output_0") for name in values}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        node.input[:] = [clips.get(name, name) for name in node.input]
        nodes.append(node)
        for name in sorted(values.intersection(node.output)):
            clip = clips[name].removesuffix("/output_0")
            nodes.append(helper.make_node("Clip", [name, *limits], [clips[name]], clip))
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.array(sign * LIMIT, np.float16), name)
        for sign, name in zip((-1, 1), limits, strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / model.name
    onnx.save(made, path)
    _share(model.with_name(f"{model.name}_data"), path.with_name(f"{path.name}_data"))
    return path


def _share(data: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    try:
        os.link(data, copy)
    except OSError:
        shutil.copy(data, copy)


@dataclass(frozen=True)
class Broken:
    """A kind of broken file: its dtype, and what writes it of the float32 model into a folder."""

    dtype: Dtype
    write: Writer


def _clipped(write: Writer) -> Writer:
    """Return a writer of the clipped form of what `write` writes."""

    def run(model: Path, folder: Path) -> Path:
        plain = write(model, folder / "plain")
        path = clipped(plain, folder)
        shutil.rmtree(plain.parent)
        return path

    return run


def _peers() -> Iterator[tuple[str, Broken]]:
    for name in PEERS:
        short = name.lower().replace(" ", "-")
        yield short, Broken("fp16", partial(by_peer, name=name))
        yield f"{short}-blocked", Broken("fp16", partial(by_peer, name=name, blocked=True))


_MENDED = {
    dtype: partial(build_gemma, dtype=dtype, final_norm_cast=True) for dtype in get_args(Dtype)
}
KINDS: dict[str, Broken] = {
    "build-gemma": Broken("fp16", partial(build_gemma, dtype="fp16")),
    "build-gemma-mended": Broken("fp16", _MENDED["fp16"]),
    "build-gemma-clipped": Broken("fp16", _clipped(_MENDED["fp16"])),
    **dict(_peers()),
    "build-gemma-q4f16": Broken("q4f16", partial(build_gemma, dtype="q4f16")),
    "build-gemma-q4f16-clipped": Broken("q4f16", _clipped(_MENDED["q4f16"])),
}


def main() -> None:
    """Write one file and print its path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("model", type=Path, help="the float32 model")
    parser.add_argument("folder", type=Path, help="folder to write model_<dtype>.onnx into")
    arguments = parser.parse_args()
    print(KINDS[arguments.kind].write(arguments.model, arguments.folder))


if __name__ == "__main__":
    main()
