"""bfloat16 outputs, run by ONNX's reference evaluator: ONNX Runtime's CPU has few such kernels."""

from pathlib import Path
from typing import Any

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
    error = np.abs(np.asarray(found) - np.asarray(expected)).max() / np.abs(expected).max()
    assert 1e-4 < error < 2e-2  # eight bits of precision: neither exact nor far off


BODIES = """<ir_version: 10, opset_import: ["" : 21]>
g (float[4, 8] x, int64[3] rows, bool which) => (float[3, 8] y) {
  half = Constant <value_float = 0.5> ()
  m = MatMul(x, w)
  picked = Gather <axis = 0> (m, rows)
  chosen = If (which) <
    then_branch = t () => (float[3, 8] a) { s = Add(picked, shift)  a = Tanh(s) },
    else_branch = e () => (float[3, 8] b) { b = Mul(picked, half) }
  >
  y = Softmax <axis = -1> (chosen)
}"""


@pytest.mark.parametrize("which", [True, False])
def test_bodies_and_what_they_capture_become_bfloat16(tmp_path: Path, which: bool) -> None:
    random = np.random.default_rng(3)
    model = onnx.parser.parse_model(BODIES)
    for name, shape in {"w": (8, 8), "shift": (8,)}.items():
        values = random.normal(0, 1, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    converted = convert(tmp_path, model)
    nodes = list(converted.graph.node)
    bodies = [a.g for node in nodes for a in node.attribute if a.g.node]
    assert len(bodies) == 2
    types = {node.op_type for graph in [converted.graph, *bodies] for node in graph.node}
    assert {"MatMul", "Gather", "Tanh", "Mul"} <= types
    assert sum(node.op_type == "Cast" for node in nodes) == 2  # x on its way in, y out
    assert not any(node.op_type == "Cast" for body in bodies for node in body.node)
    feeds = {
        "x": random.normal(0, 1, (4, 8)).astype(np.float32),
        "rows": np.array([3, 0, 3]),
        "which": np.array(which),
    }
    (expected,) = ReferenceEvaluator(model).run(None, feeds)
    (found,) = ReferenceEvaluator(converted).run(None, feeds)
    assert 0 < np.abs(np.asarray(found) - np.asarray(expected)).max() < 2e-2


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


@pytest.mark.parametrize(("op", "changes"), [("BiasAdd", False), ("MultiHeadAttention", True)])
def test_an_operator_of_onnx_runtime_changes_where_its_schema_admits_bfloat16(
    tmp_path: Path, op: str, changes: bool
) -> None:
    attributes: dict[str, Any] = {"num_heads": 2} if changes else {}
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node(op, ["a"] * 3, ["b"], domain="com.microsoft", **attributes),
            helper.make_node("Relu", ["b"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4, 8])],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    casts = [n for n in convert(tmp_path, model).graph.node if n.op_type == "Cast"]
    assert len(casts) == (2 if changes else 4)
