"""Parts of stored forms that no node reads: they are neither written nor counted."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import run, save


def _model() -> onnx.ModelProto:
    """Return y = table[i] w, and another product of the table."""
    random = np.random.default_rng(0)
    parts = {"table": (128, 64), "w": (64, 32)}
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "i"], ["h"], "gather"),
            helper.make_node("MatMul", ["h", "w"], ["y"], "product"),
        ],
        "g",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(random.normal(0, 0.1, shape).astype(np.float32), name)
            for name, shape in parts.items()
        ],
    )
    imports = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def test_zero_points_of_symmetric_rows_are_not_stored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = save(_model(), tmp_path)
    plan = json.loads(run("plan", "--json", "--policy", "int8", source).stdout)
    done = run("--policy", "int8", source)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "model_int8.onnx"
    capfd.readouterr()
    ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert "Removing initializer" not in capfd.readouterr().err
    model = onnx.load(path)
    read = {name for node in model.graph.node for name in node.input}
    stored = {t.name: numpy_helper.to_array(t).nbytes for t in model.graph.initializer}
    assert set(stored) <= read
    assert sorted(stored) == [
        "table_quantized",
        "table_scale",
        "w_quantized",
        "w_scale",
        "w_zero_point",
    ]
    (output,) = plan["outputs"]
    for row in output["tensors"]:
        assert row["bytes"] == sum(stored.pop(name) for name in row["stored_as"])
    assert not stored
    for file in output["files"]:
        assert (tmp_path / file["name"]).stat().st_size == file["bytes"]


def test_onnx_runtime_says_so_where_a_part_is_not_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The other test looks for a message that exists."""
    model = _model()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(8, np.int8), "unread"))
    ort.InferenceSession(save(model, tmp_path), providers=["CPUExecutionProvider"])
    assert "Removing initializer 'unread'" in capfd.readouterr().err
