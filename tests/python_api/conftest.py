"""Small models for the tests of the installed package."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


def make_layers() -> onnx.ModelProto:
    """Return a language model of 50 tokens: an embedding, three layers beside a stream, a head."""
    nodes = [onnx.helper.make_node("Gather", ["table", "input_ids"], ["s0"], "embed")]
    weights = {"table": _array(10, 50, WIDTH) * 10, "head": _array(11, WIDTH, 50) * 3}
    for i in range(3):
        nodes += [
            onnx.helper.make_node("MatMul", [f"s{i}", f"up{i}"], [f"u{i}"], f"up_proj{i}"),
            onnx.helper.make_node("Relu", [f"u{i}"], [f"r{i}"], f"relu{i}"),
            onnx.helper.make_node("MatMul", [f"r{i}", f"down{i}"], [f"d{i}"], f"down_proj{i}"),
            onnx.helper.make_node("Add", [f"s{i}", f"d{i}"], [f"s{i + 1}"], f"add{i}"),
        ]
        weights[f"up{i}"] = _array(20 + i, WIDTH, 2 * WIDTH)
        weights[f"down{i}"] = _array(30 + i, 2 * WIDTH, WIDTH)
    nodes.append(onnx.helper.make_node("MatMul", ["s3", "head"], ["logits"], "lm_head"))
    graph = onnx.helper.make_graph(
        nodes,
        "layers",
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


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """Return the file of a language model with weights to choose formats for."""
    path = tmp_path / "layers" / "model.onnx"
    path.parent.mkdir()
    onnx.save(make_layers(), path)
    return path


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """Return a client of a Dask cluster of two processes, which are replaced when they die."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 100}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take SIGINT as a terminal's program does: a shell's background job starts ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupt() -> Callable[[], None]:
    """Return what presses Ctrl-C."""
    return lambda: os.kill(os.getpid(), signal.SIGINT)
