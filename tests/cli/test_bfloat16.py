"""bfloat16 outputs, run by ONNX's reference evaluator: ONNX Runtime's CPU has few such kernels."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from program import run, small_model


def convert(folder: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Write the model's bf16 output; return it, checked with full type inference."""
    onnx.save(model, folder / "model.onnx")
    result = run("--policy", "bf16", folder / "model.onnx")
    assert result.returncode == 0, result.stderr
    onnx.checker.check_model(str(folder / "model_bf16.onnx"), full_check=True)
    return onnx.load(folder / "model_bf16.onnx")


def test_weights_become_bfloat16_and_the_result_agrees(tmp_path: Path) -> None:
    model = small_model()
    converted = convert(tmp_path, model)
    assert {tensor.data_type for tensor in converted.graph.initializer} == {TensorProto.BFLOAT16}
    x = np.random.default_rng(1).normal(0, 1, (5, 96)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    (found,) = ReferenceEvaluator(converted).run(None, {"x": x})
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-4 < error < 2e-2  # eight bits of precision: neither exact nor far off


def test_an_opset_without_bfloat16_is_raised_and_said_so(tmp_path: Path) -> None:
    model = small_model()
    model.opset_import[0].version = 12
    model.ir_version = 7
    onnx.save(model, tmp_path / "model.onnx")
    result = run("--policy", "bf16", tmp_path / "model.onnx")
    assert result.returncode == 0, result.stderr
    assert "opset raised from 12 to 13" in result.stdout + result.stderr
    assert onnx.load(tmp_path / "model_bf16.onnx").opset_import[0].version == 13


def test_the_web_configuration_is_not_told_of_bf16(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}\n")
    convert(tmp_path, small_model())
    assert "bf16" not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("value", [3.4e38, 1e-45])
def test_what_float16_could_not_hold_is_kept(tmp_path: Path, value: float) -> None:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"], "scale")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [value])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    result = run("--policy", "bf16", tmp_path / "model.onnx")
    assert result.returncode == 0, result.stderr
    warned = "became 0 in bfloat16" in result.stdout + result.stderr
    assert warned == (value < 1e-40)
