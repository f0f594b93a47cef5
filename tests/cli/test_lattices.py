"""Weights that were codes: `inspect` says so, and `method: lattice` loses nothing of them."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from program import policy, run, save

K, N = 256, 64
Q = gguf.GGMLQuantizationType
Floats = NDArray[np.float32]

LATTICE = (
    "policy: 1\nname: p\noutputs:\n"
    "  q8: {compute: COMPUTE, weights: WEIGHTS, io: float32, method: lattice}\n"
)


def _trained(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.05, (N, K)).astype(np.float32)


def _made(kind: str) -> Floats:
    """Return [N, K] as a reader of GGUF or a trainer that rounds leaves it."""
    if kind == "trained":
        return _trained()
    if kind == "q6_k":
        random = np.random.default_rng(3)
        scales = random.integers(1, 127, (N, K // 16, 1)).astype(np.float32) * np.float32(0.00123)
        codes = random.integers(-32, 32, (N, K // 16, 16))
        codes[:, :, 0] = -32
        return np.asarray(codes * scales, np.float32).reshape(N, K)
    if kind == "int8 per channel":
        scales = np.abs(_trained(4)).max(1, keepdims=True) / np.float32(127)
        return np.asarray(np.round(_trained(4) / scales) * scales, np.float32)
    if kind in ("qat", "qat in bfloat16"):
        blocks = _trained(5).reshape(N, K // 32, 32)
        scales = np.abs(blocks).max(2, keepdims=True) / np.float32(7.5)
        made = (np.clip(np.round(blocks / scales), -8, 7) * scales).astype(np.float32)
        if kind == "qat in bfloat16":
            bits = made.view(np.uint32)
            made = (
                ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
            )
        return np.asarray(made).reshape(N, K)
    type_ = Q[kind.upper()]
    return np.asarray(gguf.quants.dequantize(gguf.quants.quantize(_trained(), type_), type_))


def _model(weight: Floats, folder: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "layer")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", N])],
        [numpy_helper.from_array(np.ascontiguousarray(weight.T), "w")],
    )
    return save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
        folder,
    )


def _convert(model: Path, weights: str, compute: str = "float32", *more: str) -> tuple[Path, Any]:
    rules = policy(model.parent, LATTICE.replace("WEIGHTS", weights).replace("COMPUTE", compute))
    report = model.parent / "report.json"
    done = run("--policy", rules, "--force", "--report", report, *more, model)
    assert done.returncode == 0, done.stderr
    (tensor,) = json.loads(report.read_text())["outputs"][0]["tensors"]
    return model.parent / "model_quantized.onnx", tensor


def _stands_for(path: Path) -> Floats:
    """Return what the product has in place of the weight, [N, K]: each row of it by itself."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    product = session.run(None, {"x": np.eye(K, dtype=np.float32)})[0]
    return np.asarray(product).T


@pytest.mark.parametrize(
    ("kind", "like", "bits", "block", "held"),
    [
        ("q4_0", "Q4_0", 4, 32, "int4 block 32 symmetric"),
        ("q5_0", "Q5_0", 5, 32, "int8 block 32 symmetric"),
        ("q8_0", "Q8_0", 8, 32, "int8 block 32 symmetric"),
        ("q4_1", "Q4_1", 4, 32, None),
        ("q5_1", "Q5_1", 5, 32, None),
        ("q6_k", "Q6_K", 6, 16, "int8 block 16 symmetric"),
        ("qat", "", 4, 32, "int4 block 32 symmetric"),
        ("qat in bfloat16", "", 4, 32, "int4 block 32 symmetric"),
        ("int8 per channel", "", 8, None, "int8 block 32 symmetric"),
    ],
)
def test_inspect_knows_the_grid_of_a_weight(
    kind: str, like: str, bits: int, block: int | None, held: str | None, tmp_path: Path
) -> None:
    model = _model(_made(kind), tmp_path)
    done = run("inspect", "--json", model)
    (weight,) = json.loads(done.stdout)["weights"]
    found = weight["lattice"]
    assert (found["like"], found["bits"], found["block"]) == (like, bits, block)
    assert found["held_by"] == held
    assert found["exact_blocks"] == found["blocks"] == K * N // (block or K)
    assert found["rounded_to"] == ("bfloat16" if kind == "qat in bfloat16" else "float32")
    text = run("inspect", model).stdout
    assert "values lie on a grid of" in text
    assert (held or "no format") in text


def test_inspect_sees_no_grid_in_trained_weights(tmp_path: Path) -> None:
    model = _model(_made("trained"), tmp_path)
    (weight,) = json.loads(run("inspect", "--json", model).stdout)["weights"]
    assert weight["lattice"] is None
    assert "lie on a grid" not in run("inspect", model).stdout


@pytest.mark.parametrize("kind", ["q4_0", "q5_0", "q8_0", "q6_k", "qat", "int8 per channel"])
def test_a_weight_that_was_codes_comes_back_bit_by_bit(kind: str, tmp_path: Path) -> None:
    made = _made(kind)
    path, tensor = _convert(_model(made, tmp_path), "int8")
    assert tensor["method"] == "lattice"
    assert "without loss" in tensor["why"][-1]
    np.testing.assert_array_equal(_stands_for(path), made)


@pytest.mark.parametrize("kind", ["q4_0", "q8_0", "qat", "trained"])
def test_the_policy_lossless_changes_no_number(kind: str, tmp_path: Path) -> None:
    model = _model(_made(kind), tmp_path)
    done = run("--policy", "lossless", model)
    assert done.returncode == 0, done.stderr
    written = tmp_path / "model_quantized.onnx"
    np.testing.assert_array_equal(_stands_for(written), _made(kind))
    holds = {node.op_type for node in onnx.load(written).graph.node}
    assert holds == ({"MatMul"} if kind == "trained" else {"MatMulNBits"})


def test_a_weight_rounded_afterwards_comes_back_but_for_that(tmp_path: Path) -> None:
    made = _made("qat in bfloat16")
    path, tensor = _convert(_model(made, tmp_path), "int4")
    assert "exact after rounding to bfloat16" in tensor["why"][-1]
    bits = _stands_for(path).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32)
    np.testing.assert_array_equal(rounded.view(np.float32), made)


def test_zero_points_are_kept_where_the_minimum_is_a_multiple_of_the_scale(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(6)
    codes = random.integers(-3, 13, (N, K // 32, 32))
    codes[:, :, :2] = (-3, 12)
    made = (codes * np.float32(0.0123)).astype(np.float32).reshape(N, K)
    path, tensor = _convert(_model(made, tmp_path), "int4")
    assert "int4 block 32 asymmetric" in tensor["format"]
    np.testing.assert_array_equal(_stands_for(path), made)


@pytest.mark.parametrize(
    ("kind", "weights", "why"),
    [
        ("trained", "int8", "the lack of a grid sets method: search"),
        ("q5_0", "int4", "which int4 does not hold, sets method: search"),
        ("q4_1", "int8", "whose minimums no format holds, sets method: search"),
    ],
)
def test_other_weights_are_searched_and_the_plan_says_why(
    kind: str, weights: str, why: str, tmp_path: Path
) -> None:
    _, tensor = _convert(_model(_made(kind), tmp_path), weights)
    assert tensor["method"] == "search"
    assert why in tensor["why"][-1]


def test_float16_keeps_what_float16_scales_hold(tmp_path: Path) -> None:
    made = _made("q4_0")
    _, tensor = _convert(_model(made, tmp_path), "int4", "float16")
    assert "without loss" in tensor["why"][-1]
    _, tensor = _convert(_model(_made("qat"), tmp_path), "int4", "float16")
    assert "scales rounded to float16" in tensor["why"][-1]


def test_the_bytes_are_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    model = _model(_made("q4_0"), tmp_path)
    files = []
    for threads in ("1", "2", "7"):
        path, _ = _convert(model, "int4", "float32", "--threads", threads)
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_a_rule_selects_the_weights_that_lie_on_a_grid(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
            helper.make_node("MatMul", ["h", "v"], ["y"], "second"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", K])],
        [
            numpy_helper.from_array(np.ascontiguousarray(_made("q8_0").T), "w"),
            numpy_helper.from_array(_trained(9), "v"),
        ],
    )
    model = save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
        tmp_path,
    )
    text = (
        "policy: 1\nname: p\noutputs:\n  q8: {compute: float32, weights: source, io: float32}\n"
        "rules:\n  - {match: {lattice: true}, weights: int8, method: lattice}\n"
    )
    done = run("--policy", policy(tmp_path, text), model)
    assert done.returncode == 0, done.stderr
    written = onnx.load(tmp_path / "model_quantized.onnx")
    assert [node.op_type for node in written.graph.node] == ["MatMulNBits", "MatMul"]
