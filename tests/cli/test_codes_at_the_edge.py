"""What codes cannot stand for is refused, and readers that a runtime fails at keep their floats."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import weight_models as wm
import weight_sites as ws
from onnx import helper, numpy_helper
from program import policy, run, save
from weight_models import Array, Site

WORDS = ["int4", "int8", "nf4", "qdq_int8", "qdq_uint4", "float8_e4m3", "dynamic_uint8"]
NO_NUMBERS = {"NaN": [np.nan], "Inf": [-np.inf]}


def _converted(
    folder: Path, model: onnx.ModelProto, word: str, rule: str = ""
) -> tuple[int, str, Path]:
    text = (
        f"policy: 1\nname: p\noutputs:\n  q4: {{compute: float32, weights: {word}, io: float32}}\n"
    )
    done = run("--policy", policy(folder, text + rule), "-o", folder / "out", save(model, folder))
    return done.returncode, done.stderr, folder / "out" / "model_q4.onnx"


def _expect_right(folder: Path, site: Site, word: str, most: float, rule: str = "") -> list[str]:
    """Convert, check, run; return the operators."""
    model = wm.build([site])
    status, messages, path = _converted(folder, model, word, rule)
    assert status == 0, messages
    found = onnx.load(path)
    onnx.shape_inference.infer_shapes(found, check_type=True, strict_mode=True)
    wm.expect_equal(wm.results(found, [site]), wm.results(model, [site]), most)
    return wm.operators(found)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("numbers", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_a_weight_with_what_is_no_number_is_refused(
    tmp_path: Path, numbers: list[float], word: str
) -> None:
    site = ws.single("MatMul", (64, 32), x=(2, 64))
    site.weight[7, : len(numbers)] = numbers
    status, messages, path = _converted(tmp_path, wm.build([site]), word)
    assert status == 2
    assert "initializer 's0.w'" in messages
    assert "weights: float32" in messages
    assert not path.exists()


@pytest.mark.parametrize("word", ["{format: int8, symmetric: false}", "qdq_uint4", "dynamic_uint8"])
def test_values_too_far_apart_for_a_scale_are_refused(tmp_path: Path, word: str) -> None:
    site = ws.single("MatMul", (64, 32), x=(2, 64))
    site.weight[:2, 0] = [3e38, -3e38]
    status, messages, _ = _converted(tmp_path, wm.build([site]), word)
    assert status == 2
    assert "keep it in float32 with a rule" in messages


@pytest.mark.parametrize("word", ["qdq_int8", "float8_e4m3", "int8"])
@pytest.mark.parametrize(
    ("equation", "shape"),
    [
        ("ki,kn->in", (64, 5)),
        ("ik,kn->ni", (5, 64)),
        ("bik,kn->bni", (2, 5, 64)),
        ("bki,kn->bin", (2, 64, 5)),
        ("bik,kn->bin", (2, 5, 64)),
    ],
)
def test_an_einsum_keeps_its_equation(
    tmp_path: Path, equation: str, shape: tuple[int, ...], word: str
) -> None:
    random = np.random.default_rng(1)
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)
    w = random.normal(0, 0.1, (64, 64)).astype(np.float32)
    site = Site([node], w, {"x": random.normal(0, 1, shape).astype(np.float32)})
    _expect_right(tmp_path, site, word, 0.1)


@pytest.mark.parametrize("word", ["qdq_uint2", "{format: qdq_uint2, per_channel: true}"])
def test_unsigned_codes_of_two_bits_behind_a_transpose_are_not_written(
    tmp_path: Path, word: str
) -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    random = np.random.default_rng(2)
    x, w = (random.normal(0, 1, (n, 64)).astype(np.float32) for n in (3, 8))
    ops = _expect_right(tmp_path, Site(nodes, w, {"x": x}, True), word, 1.0)
    assert ("DequantizeLinear" in ops) == (word == "qdq_uint2")


@pytest.mark.parametrize("word", ["qdq_int8", "qdq_int4", "int4", "float8_e4m3"])
def test_a_product_in_a_body_is_right(tmp_path: Path, word: str) -> None:
    random = np.random.default_rng(3)
    w = random.normal(0, 0.1, (64, 32)).astype(np.float32)
    bodies = []
    for name in ("then", "else"):
        node = helper.make_node("MatMul", ["x", f"w_{name}"], [f"y_{name}"])
        out = helper.make_tensor_value_info(f"y_{name}", 1, None)
        own = [numpy_helper.from_array(w if name == "then" else -w, f"w_{name}")]
        bodies.append(helper.make_graph([node], name, [], [out], own))
    choice = helper.make_node("If", ["c"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    inputs = [
        helper.make_tensor_value_info("x", 1, [3, 64]),
        helper.make_tensor_value_info("c", 9, []),
    ]
    y = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([choice], "choice", inputs, [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    status, messages, path = _converted(tmp_path, model, word)
    assert status == 0, messages
    x = random.normal(0, 1, (3, 64)).astype(np.float32)
    for c in (True, False):
        expected = x @ (w if c else -w)
        found = _run(path, {"x": x, "c": np.array(c)})
        assert np.abs(found - expected).max() < 0.15 * np.abs(expected).max()


def _run(path: Path, feeds: dict[str, Array]) -> Array:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feeds)
    return np.asarray(found)


RULE = "rules:\n  - match: {op: Gather}\n    weights: "


@pytest.mark.parametrize("axis", [0, -2])
@pytest.mark.parametrize("word", ["qdq_int8", "qdq_uint8", "{format: qdq_int8, block: 16}"])
def test_rows_may_be_counted_from_behind(tmp_path: Path, word: str, axis: int) -> None:
    site = ws.single("Gather", (8, 32), axis=axis)
    ops = _expect_right(tmp_path, site, word, 0.01)
    assert "DequantizeLinear" in ops


def test_a_plain_table_of_an_old_model_is_valid(tmp_path: Path) -> None:
    site = ws.single("Gather", (8, 32))
    model = wm.build([site], opset=8)
    status, messages, path = _converted(tmp_path, model, "float32", RULE + "plain_int8\n")
    assert status == 0, messages
    found = onnx.load(path)
    onnx.shape_inference.infer_shapes(found, check_type=True, strict_mode=True)
    assert "s0.w_Q8" in wm.initializers(found)


def test_a_single_output_is_not_said_to_be_a_choice(tmp_path: Path) -> None:
    path = save(wm.build([ws.single("MatMul", (64, 32), x=(2, 64))]), tmp_path)
    source = path.rename(tmp_path / "model_fp16.onnx")
    done = run("--policy", "q4", "-o", tmp_path / "out", source)
    assert done.returncode == 0
    assert "writing q4 to" in done.stderr
