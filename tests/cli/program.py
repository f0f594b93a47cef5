"""Runs the program as a user would, on small models."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxquant_tools.product import program

ROOT = Path(__file__).resolve().parents[2]
BINARY = program()

FP16 = "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float32}\n"
THREE = (
    "policy: 1\nname: p\noutputs:\n"
    "  fp16: {compute: float16, weights: float16, io: float32}\n"
    "  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}\n"
    "  q4f16: {compute: float16, weights: {format: int4, symmetric: false}, io: float32}\n"
)


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program; standard output and error are captured apart."""
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def small_model(rows: int = 96, columns: int = 48, seed: int = 0) -> onnx.ModelProto:
    """Return y = relu(x w1) w2 + bias with random weights."""
    random = np.random.default_rng(seed)

    def weight(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(random.normal(0, 0.1, shape).astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w1"], ["a"], "first"),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node("MatMul", ["b", "w2"], ["c"], "second"),
            helper.make_node("Add", ["c", "bias"], ["y"], "shift"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", columns])],
        [
            weight("w1", rows, rows),
            weight("w2", rows, columns),
            weight("bias", columns),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def save(model: onnx.ModelProto, folder: Path, external: bool = False) -> Path:
    """Write model.onnx and, on request, model.onnx_data."""
    path = folder / "model.onnx"
    onnx.save_model(
        model,
        path,
        save_as_external_data=external,
        location="model.onnx_data",
        size_threshold=0,
    )
    return path


def policy(folder: Path, text: str = FP16) -> Path:
    """Write a policy beside the model and return its path."""
    path = folder / "p.yaml"
    path.write_text(text)
    return path


def listing(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content, to see that nothing changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.is_fifo()
    }
