"""The policy quantize-dynamic writes what ONNX Runtime's quantize_dynamic does, tied heads too."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import weight_models as wm
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from program import run

ROWS, SIZE = 96, 64


def decoder(path: Path, *, tied: bool) -> Path:
    """Write a table, a product, and a head that is the table, or has weights of its own."""
    random = np.random.default_rng(7)

    def weights(name: str, *dims: int) -> TensorProto:
        return numpy_helper.from_array(random.standard_normal(dims, np.float32), name)

    head = [
        helper.make_node("Transpose", ["table"], ["turned"], "turn", perm=[1, 0]),
        helper.make_node("MatMul", ["h", "turned"], ["logits"], "head"),
    ]
    if not tied:
        head = [helper.make_node("MatMul", ["h", "own"], ["logits"], "head")]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], "embed"),
            helper.make_node("Tanh", ["rows"], ["x"], "tanh"),  # else it multiplies by the codes
            helper.make_node("MatMul", ["x", "inner"], ["h"], "product"),
            *head,
        ],
        "decoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 5])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5, ROWS])],
        [
            weights("table", ROWS, SIZE),
            weights("inner", SIZE, SIZE),
            *([] if tied else [weights("own", SIZE, ROWS)]),
        ],
    )
    opset = helper.make_opsetid("", 21)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    return path


@pytest.mark.parametrize("tied", [True, False])
def test_initializers_operators_and_logits_are_its(tmp_path: Path, *, tied: bool) -> None:
    model = decoder(tmp_path / "model.onnx", tied=tied)
    quantize_dynamic(model, tmp_path / "theirs.onnx", weight_type=QuantType.QUInt8)
    done = run("--policy", "quantize-dynamic", "-o", tmp_path / "out", model)
    assert done.returncode == 0, done.stderr
    paths = (tmp_path / "out" / "model_quantized.onnx", tmp_path / "theirs.onnx")
    ours, theirs = (onnx.load(path) for path in paths)
    expected = wm.initializers(theirs)
    found = wm.initializers(ours)
    assert sorted(found) == sorted(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].tobytes() == tensor.tobytes(), name
    assert sorted(wm.operators(ours)) == sorted(wm.operators(theirs))
    ids = np.array([[3, 95, 0, 41, 8]])
    first, second = (
        ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"ids": ids})[0]
        for path in paths
    )
    assert (first == second).all()
