"""A folder with a model and the manifest of a plan for it, and what applies that."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from program import BINARY, listing, run, save

PARTS = 8
SHARD = "20k"

# Integers of one scale for all put a scalar into the .onnx file for every weight in a data file.
POLICY = (
    "policy: 1\nname: p\noutputs:\n"
    "  fp16: {compute: float16, weights: float16, io: float32, "
    "constants: {overflow: clamp}}\n"
    "  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}\n"
    "  q8: {compute: float32, weights: {format: dynamic_uint8}, io: float32}\n"
)


def layers_model(layers: int = 6, width: int = 96) -> onnx.ModelProto:
    """Return a chain of products, each with a bias that lies in the .onnx file."""
    generator = np.random.default_rng(3)
    nodes = []
    weights = []
    value = "x"
    for layer in range(layers):
        weights += [
            numpy_helper.from_array(
                generator.normal(0, 0.1, (width, width)).astype(np.float32), f"w{layer}"
            ),
            numpy_helper.from_array(generator.normal(0, 1, width).astype(np.float32), f"b{layer}"),
        ]
        nodes += [
            helper.make_node("MatMul", [value, f"w{layer}"], [f"p{layer}"], f"product{layer}"),
            helper.make_node("Add", [f"p{layer}", f"b{layer}"], [f"s{layer}"], f"shift{layer}"),
            helper.make_node("Relu", [f"s{layer}"], [f"v{layer}"], f"relu{layer}"),
        ]
        value = f"v{layer}"
    # Beyond float16, so that the conversion has something to warn of.
    large = numpy_helper.to_array(weights[0]).copy()
    large[0, 0] = 1e5
    weights[0] = numpy_helper.from_array(large, "w0")
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", width])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def one_run(template: Path, folder: Path) -> dict[str, bytes]:
    """Return the files of one ordinary run in a copy, and those that were there before."""
    place = Path(shutil.copytree(template, folder / "place"))
    done = run("--policy", "p.yaml", "--max-shard", SHARD, "onnx/model.onnx", cwd=place)
    assert done.returncode == 0, done.stderr
    files = listing(place)
    assert len([name for name in files if "_data" in name]) > PARTS
    return files


def make_template(folder: Path) -> Path:
    """Fill a folder with config.json, a model, its policy and a manifest."""
    (folder / "onnx").mkdir()
    (folder / "config.json").write_text('{"model_type": "small"}\n')
    save(layers_model(), folder / "onnx", external=True)
    (folder / "p.yaml").write_text(POLICY)
    done = run(
        *("plan", "--policy", "p.yaml", "--max-shard", SHARD, "--manifest", "plan.json"),
        "onnx/model.onnx",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


def made(place: Path) -> dict[str, bytes]:
    """Return every file but the note that all is done, which one ordinary run leaves none of."""
    return {name: content for name, content in listing(place).items() if name != "plan.json.done"}


def apply(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("apply", "--manifest", "plan.json", *arguments, cwd=place)


def start(place: Path, part: int, of: int = PARTS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BINARY, "apply", "--manifest", "plan.json", "--part", f"{part}/{of}", "-j", "1"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def edit(place: Path, change: Callable[[Any], object]) -> None:
    content = json.loads((place / "plan.json").read_text())
    change(content)
    (place / "plan.json").write_text(json.dumps(content, indent=1))


def staging(place: Path) -> Path:
    return place / "onnx" / "plan.parts"


def data_files(place: Path) -> list[str]:
    outputs = json.loads((place / "plan.json").read_text())["outputs"]
    return [file["file"] for output in outputs for file in output["data"]]
