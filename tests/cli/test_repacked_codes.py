"""Weights in codes behind a DequantizeLinear, which MatMulNBits reads as the same codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from coded_weights import BOTH, Array, Coded
from onnx import TensorProto, helper, numpy_helper
from program import policy, run, save
from weight_models import unpacked

ONE = "policy: 1\nname: p\noutputs:\n  q4: {{compute: float32, weights: {}, io: float32}}\n"


def _convert(folder: Path, model: onnx.ModelProto, bits: int = 4) -> Path:
    done = run("--policy", policy(folder, BOTH.format(bits)), save(model, folder))
    assert done.returncode == 0, done.stderr
    return folder


def _product(path: Path, x: Array) -> Array:
    (y,) = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})
    return np.asarray(y)


WEIGHTS = [
    Coded(
        bits=bits,
        is_signed=is_signed,
        points=points,
        turned=turned,
        k=k,
        n=n,
        block=block,
    )
    for bits in (4, 8)
    for is_signed, points in ((True, True), (True, False), (False, True))
    for turned in (False, True)
    # Three blocks, whose zero points do not fill their bytes; and a last one that is not full.
    for k, n, block in ((96, 18, 32), (80, 6, 16), (48, 10, 32), (256, 4, 256))
]


@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_codes_scales_and_zero_points_stay_and_the_product_is_the_same(
    tmp_path: Path, weight: Coded
) -> None:
    _convert(tmp_path, weight.model(), weight.bits)
    codes, scales, points = (a.T for a in weight.arrays())
    middle = 2 ** (weight.bits - 1) if weight.is_signed else 0
    x = np.random.default_rng(0).normal(0, 1, (3, weight.k)).astype(np.float32)
    expected = x @ weight.values()
    for dtype, scale, most in (("q4", np.float32, 1e-5), ("q4f16", np.float16, 4e-3)):
        path = tmp_path / f"model_{dtype}.onnx"
        model = onnx.load(path)
        (node,) = (n for n in model.graph.node if n.op_type != "Cast")
        assert node.op_type == "MatMulNBits"
        parts = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        assert list(parts) == list(node.input[1:])
        stored = [parts[name] for name in node.input[1:]]
        rows = unpacked(stored[0].reshape(weight.n, -1), weight.bits)
        assert np.array_equal(rows[:, : weight.k], codes + middle)
        assert not rows[:, weight.k :].any()
        assert stored[1].dtype == scale
        assert np.array_equal(stored[1], scales.astype(scale))
        if weight.points:
            found = unpacked(stored[2], weight.bits)[:, : scales.shape[1]]
            assert np.array_equal(found, points + middle)
        assert len(stored) == 2 + weight.points
        y = _product(path, x)
        assert np.abs(y - expected).max() <= most * np.abs(expected).max()


def test_a_cast_of_the_floats_goes_with_them(tmp_path: Path) -> None:
    weight = Coded(half=True)
    _convert(tmp_path, weight.model())
    path = tmp_path / "model_q4.onnx"
    assert [node.op_type for node in onnx.load(path).graph.node] == ["MatMulNBits"]
    x = np.random.default_rng(0).normal(0, 1, (3, weight.k)).astype(np.float32)
    expected = x @ weight.values()
    assert np.abs(_product(path, x) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_matrix_of_many_tiles_is_packed_as_one(tmp_path: Path) -> None:
    weight = Coded(k=2048, n=512)
    save(weight.model(), tmp_path)
    text = policy(tmp_path, BOTH.format(4))
    for name, arguments in (
        ("one", ["-j", "1"]),
        ("many", ["-j", "2", "--memory", "1M"]),
    ):
        done = run("--policy", text, *arguments, "-o", tmp_path / name, tmp_path / "model.onnx")
        assert done.returncode == 0, done.stderr
    for dtype in ("q4", "q4f16"):
        one, many = ((tmp_path / name / f"model_{dtype}.onnx_data") for name in ("one", "many"))
        assert one.read_bytes() == many.read_bytes()
    rows = np.frombuffer((tmp_path / "one" / "model_q4.onnx_data").read_bytes(), np.uint8)
    found = unpacked(rows[: 512 * 1024].reshape(512, -1), 4)
    assert np.array_equal(found, weight.arrays()[0].T + 8)


def _plan(folder: Path, model: onnx.ModelProto, bits: int = 4) -> list[dict[str, Any]]:
    text = policy(folder, BOTH.format(bits))
    done = run("plan", "--json", "--dtype", "q4", "--policy", text, save(model, folder))
    assert done.returncode == 0, done.stderr
    (output,) = json.loads(done.stdout)["outputs"]
    return list(output["tensors"])


def test_plan_says_what_is_packed_anew_and_as_how_many_bytes(tmp_path: Path) -> None:
    (row,) = _plan(tmp_path, Coded().model())
    assert row["name"] == "w"
    assert row["format"] == "int4 block 32 asymmetric"
    assert row["stored_as"] == ["w_Q4", "w_scales", "w_zero_points"]
    assert row["input_bytes"] == 96 * 9 + 3 * 18 * 4 + 3 * 9
    assert row["bytes"] == 18 * 48 + 3 * 18 * 4 + 18 * 2
    assert row["left"] == ""
    assert row["why"][-1].startswith("the source, whose codes are packed anew, sets weights: int4")


def _scales_of_channels() -> onnx.ModelProto:
    """Return a weight with a scale, and a zero point, for each column."""
    model = Coded(k=32).model(block_size=0)
    for tensor in model.graph.initializer:
        if tensor.name in "sz":
            del tensor.dims[0]
    for node in model.graph.node:
        for attribute in node.attribute:
            attribute.i = 1 if attribute.name == "axis" else attribute.i
    return model


def _along_columns() -> onnx.ModelProto:
    """Return a weight of 32 rows and columns without the Transpose that stood before its reader."""
    model = Coded(k=32, n=32, turned=True).model()
    decoder, _, product = model.graph.node
    product.input[1] = decoder.output[0]
    del model.graph.node[1]
    return model


ADDED = [helper.make_node("Abs", ["f"], ["v"], "other")]
STAYING = {
    "scales of channels": (
        _scales_of_channels(),
        "a scale for each channel or for all",
    ),
    "blocks along columns": (_along_columns(), "lie along the columns"),
    "short blocks": (Coded(block=8).model(), "blocks have 8 codes"),
    "long blocks": (Coded(k=1024, block=512).model(), "blocks have 512 codes"),
    "another reader": (Coded().model(ADDED), "also read by node 'other'"),
    "no zero points": (Coded(is_signed=False, points=False).model(), "no zero points"),
    "odd rows": (
        Coded(n=9).model(),
        "rows of 9 codes of 4 bits do not end with a byte",
    ),
    "other bits": (Coded(bits=8).model(), "codes have 8 bits, and int4 asks for 4"),
}


@pytest.mark.parametrize("name", STAYING)
def test_what_does_not_fit_stays_and_plan_says_why(tmp_path: Path, name: str) -> None:
    model, reason = STAYING[name]
    (row,) = (r for r in _plan(tmp_path, model) if r["name"] == "w")
    assert reason in row["left"]
    assert row["format"] == "codes of the source"
    text = policy(tmp_path, BOTH.format(4))
    done = run("--policy", text, "--dtype", "q4", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    made = onnx.load(tmp_path / "model_q4.onnx")
    assert [n.op_type for n in made.graph.node] == [n.op_type for n in model.graph.node]
    told = run("plan", "--dtype", "q4", "--policy", text, "--why", "w", tmp_path / "model.onnx")
    assert reason in told.stdout
    listed = run("plan", "-v", "--dtype", "q4", "--policy", text, tmp_path / "model.onnx")
    assert "1 weight stays as in the source" in listed.stdout


@pytest.mark.parametrize("word", ["float32", "qdq_int4", "{format: dynamic_int8}"])
def test_codes_stay_without_a_word_where_no_blocks_are_asked_for(tmp_path: Path, word: str) -> None:
    text = ONE.format(word)
    save(Coded().model(), tmp_path)
    done = run("plan", "--json", "--policy", policy(tmp_path, text), tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    (output,) = json.loads(done.stdout)["outputs"]
    assert [row["name"] for row in output["tensors"]] == ["s"]


def test_a_gemm_and_a_product_of_the_same_floats_share_the_packed_codes(
    tmp_path: Path,
) -> None:
    gemm = helper.make_node("Gemm", ["x", "f"], ["v"], "gemm", alpha=2.0)
    weight = Coded()
    _convert(tmp_path, weight.model([gemm]))
    path = tmp_path / "model_q4.onnx"
    model = onnx.load(path)
    assert [n.op_type for n in model.graph.node].count("MatMulNBits") == 2
    assert sorted(t.name for t in model.graph.initializer) == [
        "w_Q4",
        "w_scales",
        "w_zero_points",
    ]
    x = np.random.default_rng(0).normal(0, 1, (3, weight.k)).astype(np.float32)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    y, v = session.run(["y", "v"], {"x": x})
    assert np.abs(y - x @ weight.values()).max() <= 1e-5 * np.abs(y).max()
    assert np.abs(v - 2 * (x @ weight.values())).max() <= 1e-5 * np.abs(v).max()


def test_what_this_program_writes_for_dequantizelinear_becomes_what_it_writes_for_matmulnbits(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(3)
    w = numpy_helper.from_array(random.normal(0, 0.1, (96, 48)).astype(np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "m")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 96])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 48])],
        [w],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    source = save(model, tmp_path)
    for name, word in (("direct", "int4"), ("coded", "qdq_int4"), ("again", "int4")):
        text = ONE.format(word)
        given = tmp_path / "coded" / "model_q4.onnx" if name == "again" else source
        done = run("--policy", policy(tmp_path, text), "-o", tmp_path / name, given)
        assert done.returncode == 0, done.stderr
    parts = []
    for name in ("direct", "again"):
        stored = onnx.load(tmp_path / name / "model_q4.onnx").graph.initializer
        parts.append({t.name: numpy_helper.to_array(t).tobytes() for t in stored})
    assert parts[0] == parts[1]


def test_a_product_of_scales_beyond_float16_computes_in_float32_unless_a_rule_names_it(
    tmp_path: Path,
) -> None:
    weight = Coded()
    model = weight.model()
    (scales,) = (t for t in model.graph.initializer if t.name == "s")
    large = numpy_helper.to_array(scales).copy()
    large[0, 0] = 7e4
    scales.CopyFrom(numpy_helper.from_array(large, "s"))
    text = policy(tmp_path, BOTH.format(4))
    source = save(model, tmp_path)
    done = run("--policy", text, source)
    assert done.returncode == 0, done.stderr
    made = onnx.load(tmp_path / "model_q4f16.onnx")
    assert [node.op_type for node in made.graph.node] == ["MatMulNBits"]
    stored = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    assert np.array_equal(stored["w_scales"], large.T)
    told = run("plan", "--dtype", "q4f16", "--policy", text, "--why", "m", source)
    assert "its weight's scales, which go to 70000 and float16 to 65504" in told.stdout
    for match in ("name: m", "weight: w"):
        rule = f"match: {{{match}}}, weights: int4"
        done = run("--force", "--dtype", "q4f16", "--policy", text, "--set", rule, source)
        assert done.returncode != 0
        assert "65504" in done.stderr
