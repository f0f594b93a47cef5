"""Small models for the tests of the installed package."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

WIDTH = 64


def _array(seed: int, *shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def make_mlp() -> onnx.ModelProto:
    """Return x [n, 64] -> MatMul, Add, Relu, MatMul -> y [n, 64], weights inline."""
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "up"], ["h"], "up_proj"),
        onnx.helper.make_node("Add", ["h", "bias"], ["b"], "add"),
        onnx.helper.make_node("Relu", ["b"], ["r"], "relu"),
        onnx.helper.make_node("MatMul", ["r", "down"], ["y"], "down_proj"),
    ]
    weights = {
        "up": _array(1, WIDTH, 2 * WIDTH),
        "bias": _array(2, 2 * WIDTH),
        "down": _array(3, 2 * WIDTH, WIDTH),
    }
    graph = onnx.helper.make_graph(
        nodes,
        "mlp",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", WIDTH])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", WIDTH])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 21)]
    )


def make_text_model() -> onnx.ModelProto:
    """Return a language model of 50 tokens: an embedding, a sum beyond float16, a head."""
    nodes = [
        onnx.helper.make_node("Gather", ["table", "input_ids"], ["e"], "embed"),
        onnx.helper.make_node("Mul", ["e", "big"], ["large"], "grow"),
        onnx.helper.make_node("Div", ["large", "big"], ["small"], "shrink"),
        onnx.helper.make_node("MatMul", ["small", "head"], ["logits"], "lm_head"),
    ]
    weights = {
        "table": _array(4, 50, WIDTH) * 30,
        "big": np.array(5e4, np.float32),
        "head": _array(5, WIDTH, 50),
    }
    graph = onnx.helper.make_graph(
        nodes,
        "text",
        [onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["b", "n"])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", "n", 50])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 21)]
    )


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    """Return model.onnx in a folder of its own."""
    path = tmp_path / "in" / "model.onnx"
    path.parent.mkdir()
    onnx.save(make_mlp(), path)
    return path


@pytest.fixture
def text_model(tmp_path: Path) -> Path:
    """Return a language model's file."""
    path = tmp_path / "text" / "model.onnx"
    path.parent.mkdir()
    onnx.save(make_text_model(), path)
    return path
