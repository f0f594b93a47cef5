"""Weights of equal bytes are stored once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from program import policy, run, save

ROWS, COLUMNS = 256, 96  # 96 KiB in float32
FORMATS = ["float16", "float32", "int4", "{format: int8, symmetric: false}", "dynamic_uint8"]


def _weight(seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(0, 0.1, (ROWS, COLUMNS)).astype(np.float32)


def _model(*weights: NDArray[Any]) -> onnx.ModelProto:
    """Return a product of x with each weight."""
    nodes, outputs, constants = [], [], []
    for i, weight in enumerate(weights):
        nodes.append(helper.make_node("MatMul", ["x", f"w{i}"], [f"y{i}"], f"product{i}"))
        outputs.append(helper.make_tensor_value_info(f"y{i}", 1, [None] * weight.ndim))
        constants.append(numpy_helper.from_array(weight, f"w{i}"))
    x = helper.make_tensor_value_info("x", 1, [1, ROWS])
    graph = helper.make_graph(nodes, "equal", [x], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _policy(folder: Path, weights: str, *rules: str) -> Path:
    lines = [f"  - {{{rule}}}\n" for rule in (f"match: {{op: MatMul}}, weights: {weights}", *rules)]
    text = "policy: 1\nname: p\noutputs:\n  q4: {compute: float32, weights: float32, io: float32}\n"
    return policy(folder, f"{text}rules:\n{''.join(lines)}")


def _convert(folder: Path, path: Path, weights: str, *rules: str) -> dict[str, Any]:
    """Convert as planned, look at the result, and return the plan of its output."""
    text = _policy(folder, weights, *rules)
    plan: dict[str, Any]
    (plan,) = json.loads(run("plan", "--policy", text, "--json", path).stdout)["outputs"]
    done = run("--force", "--policy", text, path)
    assert done.returncode == 0, done.stderr
    files = [(f["name"], (folder / f["name"]).stat().st_size) for f in plan["files"]]
    assert files == [(f["name"], f["bytes"]) for f in plan["files"]]
    made = folder / "model_q4.onnx"
    onnx.checker.check_model(made, full_check=True)
    apart = run("diff", "--json", made, made)
    assert json.loads(apart.stdout)["equal"]
    return plan


def _results(path: Path) -> list[NDArray[Any]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(9).normal(0, 1, (1, ROWS)).astype(np.float32)
    return list(session.run(None, {"x": x}))


@pytest.mark.parametrize("weights", FORMATS)
@pytest.mark.parametrize("external", [True, False])
def test_equal_bytes_are_stored_once_and_read_by_both(
    tmp_path: Path, weights: str, external: bool
) -> None:
    path = save(_model(_weight(), _weight(1), _weight()), tmp_path, external)
    plan = _convert(tmp_path, path, weights)
    rows = {row["name"]: row for row in plan["tensors"]}
    assert [rows[name]["same_as"] for name in ("w0", "w1", "w2")] == ["", "", "w0"]
    assert rows["w2"]["bytes"] == 0
    assert rows["w0"]["bytes"] == rows["w1"]["bytes"] > 0
    assert 0.9 * rows["w0"]["bytes"] <= plan["shared_bytes"] <= rows["w0"]["bytes"]
    assert plan["shared_tensors"] >= 1
    first, second, third = _results(tmp_path / "model_q4.onnx")
    assert np.array_equal(first, third)
    assert not np.array_equal(first, second)
    made = onnx.load(tmp_path / "model_q4.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    for name, array in tensors.items():
        if name.startswith("w0"):
            assert np.array_equal(array, tensors["w2" + name[2:]]), name
    alone = tmp_path / "alone"
    alone.mkdir()
    _convert(alone, save(_model(_weight(), _weight(1)), alone), weights)
    a, b = (folder / "model_q4.onnx_data" for folder in (tmp_path, alone))
    assert a.read_bytes() == b.read_bytes()


def test_one_range_of_the_source_is_stored_once(tmp_path: Path) -> None:
    model = _model(_weight(), _weight(1))
    path = save(model, tmp_path, external=True)
    loaded = onnx.load(path, load_external_data=False)
    first, second = loaded.graph.initializer
    del second.external_data[:]
    second.external_data.extend(first.external_data)
    path.write_bytes(loaded.SerializeToString())
    plan = _convert(tmp_path, path, "float16")
    assert plan["shared_bytes"] == ROWS * COLUMNS * 2
    first_result, second_result = _results(tmp_path / "model_q4.onnx")
    assert np.array_equal(first_result, second_result)


def test_what_is_stored_in_different_forms_is_not_shared(tmp_path: Path) -> None:
    path = save(_model(_weight(), _weight(), _weight()), tmp_path)
    plan = _convert(tmp_path, path, "float16", "match: {weight: w1}, weights: int4")
    assert [row["same_as"] for row in plan["tensors"]] == ["", "", "w0"]


def test_bytes_that_differ_in_one_place_are_not_equal(tmp_path: Path) -> None:
    other = _weight()
    other[ROWS // 3, 5] += 1e-3  # not among the samples
    nan = _weight()
    nan[-1, -1] = np.nan
    plan = _convert(tmp_path, save(_model(_weight(), other, nan), tmp_path), "float32")
    assert plan["shared_tensors"] == 0
    first, second, _ = _results(tmp_path / "model_q4.onnx")
    assert not np.array_equal(first, second)


def test_equal_bytes_of_another_shape_or_a_small_weight_are_stored_apart(tmp_path: Path) -> None:
    flat = _weight().reshape(1, ROWS, COLUMNS)
    plan = _convert(tmp_path, save(_model(_weight(), flat), tmp_path), "float32")
    assert plan["shared_tensors"] == 0
    small = _weight()[:, :32]
    plan = _convert(tmp_path, save(_model(small, small.copy()), tmp_path), "float32")
    assert plan["shared_tensors"] == 0


def test_many_that_look_alike_are_compared_with_few(tmp_path: Path) -> None:
    weights = []
    for i in range(12):
        weight = np.zeros((ROWS, COLUMNS), np.float32)
        weight[ROWS // 3, i] = 1
        weights.append(weight)
    path = save(_model(*weights, weights[2].copy(), weights[11].copy()), tmp_path)
    plan = _convert(tmp_path, path, "float32")
    assert [row["same_as"] for row in plan["tensors"]][-2:] == ["w2", ""]


def test_the_table_says_what_is_saved(tmp_path: Path) -> None:
    path = save(_model(_weight(), _weight()), tmp_path)
    text = _policy(tmp_path, "float16")
    said = "q4: 1 tensor has the bytes of another, stored once: 49.2 kB saved\n"
    plan = run("plan", "--policy", text, path)
    assert said in plan.stdout
    assert "float16, in the bytes of 'w0'" in plan.stdout
    assert said in run("--policy", text, path).stdout
