"""Which weights get the format that a policy asks for, and which stay float."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import weight_models as wm
import weight_sites as ws
from onnx import helper
from program import policy, run, save
from weight_models import Format, Site

INT4, INT2 = Format("int4"), Format("int2")
DYNAMIC_UINT8 = Format("dynamic_uint8", symmetric=False)
CHANNELS = [
    Format(word, symmetric=False, per_channel=True) for word in ("dynamic_uint8", "dynamic_int8")
]
LEFT = Site(
    [helper.make_node("MatMul", ["w", "x"], ["y"])],
    np.linspace(-1, 1, 128, dtype=np.float32).reshape(4, 32),
    {"x": np.ones((32, 5), np.float32)},
)
PILE = ws.single("MatMul", (2, 32, 5), x=(2, 3, 32))
FILTERS = ws.single("Conv", (3, 2, 3), x=(1, 2, 8))
MATRIX = ws.single("MatMul", (32, 5), x=(3, 32))
REFUSED = {
    "a pile of matrices": (INT4, PILE),
    "a pile of matrices of integers": (DYNAMIC_UINT8, PILE),
    "a matrix that adds a dimension": (INT4, ws.single("MatMul", (1, 32, 5), x=(3, 32))),
    "a left operand": (INT4, LEFT),
    "a left operand of integers": (DYNAMIC_UINT8, LEFT),
    "columns": (INT4, ws.single("Gather", (8, 32), axis=1)),
    "columns counted from behind": (INT4, ws.single("Gather", (8, 32), axis=-1)),
    "a table of three dimensions": (INT4, ws.single("Gather", (8, 4, 32))),
    "zero points of an odd number of blocks": (
        Format("int4", 16, False),
        ws.single("Gather", (8, 40)),
    ),
    "zero points of six blocks": (Format("int2", 16, False), ws.single("Gather", (8, 96))),
    "half a byte": (INT4, ws.single("Gather", (8, 33))),
    "a quarter of a byte": (INT2, ws.single("Gather", (8, 33))),
    "filters in blocks": (INT4, FILTERS),
    "as many numbers as a block": (INT4, ws.single("MatMul", (8, 4), x=(3, 8))),
    "filters of as many numbers as a block": (INT4, ws.single("Conv", (4, 8, 1), x=(1, 8, 5))),
    "zero points of channels": (CHANNELS[0], FILTERS),
    "signed zero points of channels": (CHANNELS[1], FILTERS),
}


def _stays_float(model: onnx.ModelProto, site: Site, kind: int) -> None:
    assert [op for op in wm.operators(model) if op != "Cast"] == [site.nodes[0].op_type]
    (tensor,) = model.graph.initializer
    assert (tensor.name, tensor.data_type) == ("s0.w", kind)
    assert tuple(tensor.dims) == site.weight.shape


@pytest.mark.parametrize(("form", "site"), list(REFUSED.values()), ids=list(REFUSED))
def test_what_does_not_fit_stays_float_and_right(tmp_path: Path, form: Format, site: Site) -> None:
    model = wm.converted(tmp_path, [site], form)
    _stays_float(model, site, onnx.TensorProto.FLOAT)
    wm.expect_equal(wm.results(model, [site]), wm.results(wm.build([site]), [site]), 0)


@pytest.mark.parametrize(
    "site", [MATRIX, FILTERS, ws.single("Gather", (8, 32))], ids=["MatMul", "Conv", "Gather"]
)
def test_integers_do_not_go_with_halves(tmp_path: Path, site: Site) -> None:
    model = wm.converted(tmp_path, [site], DYNAMIC_UINT8, "float16")
    _stays_float(model, site, onnx.TensorProto.FLOAT16)
    wm.expect_equal(wm.results(model, [site]), wm.results(wm.build([site]), [site]), 2e-3)


@pytest.mark.parametrize("form", [INT2, INT4, Format("int8"), DYNAMIC_UINT8], ids=str)
def test_codes_do_not_go_with_bfloat16(tmp_path: Path, form: Format) -> None:
    text = (
        f"policy: 1\nname: p\noutputs:\n  q4: {{compute: bfloat16, weights: {form}, io: float32}}\n"
    )
    path = save(wm.build([MATRIX]), tmp_path)
    done = run("--policy", policy(tmp_path, text), "-o", tmp_path / "out", path)
    assert done.returncode == 3
    assert "bfloat16" in done.stderr
    assert not (tmp_path / "out").exists()


def test_tables_are_stored_in_blocks_by_a_rule_alone(tmp_path: Path) -> None:
    site = ws.single("Gather", (8, 32))
    text = (
        f"policy: 1\nname: p\noutputs:\n  q4: {{compute: float32, weights: {INT4}, io: float32}}\n"
    )
    path = save(wm.build([site]), tmp_path)
    done = run("--policy", policy(tmp_path, text), path)
    assert done.returncode == 0, done.stderr
    assert wm.operators(onnx.load(tmp_path / "model_q4.onnx")) == ["Gather"]
    text = text.replace(str(INT4), str(DYNAMIC_UINT8))
    done = run("--force", "--policy", policy(tmp_path, text), path)
    assert done.returncode == 0, done.stderr
    assert wm.operators(onnx.load(tmp_path / "model_q4.onnx")) == ["Gather", "DequantizeLinear"]


@pytest.mark.parametrize(("name", "most"), [("q4", 0.01), ("q4f16", 0.01)])
def test_built_in_policies_reach_matrices_however_they_are_spelt(
    tmp_path: Path, name: str, most: float
) -> None:
    random = np.random.default_rng(12)
    w, x = random.normal(0, 0.3, (96, 64)), random.normal(0, 1, (2, 3, 64))
    first = Site(
        [
            helper.make_node("Flatten", ["x"], ["f"], axis=2),
            helper.make_node("Gemm", ["f", "w", "b"], ["g"], transB=1),
            helper.make_node("Relu", ["g"], ["y"]),
        ],
        w.astype(np.float32),
        {"x": x.astype(np.float32)},
        True,
        {"b": random.normal(0, 1, 96).astype(np.float32)},
    )
    pile = random.normal(0, 0.3, (4, 64, 16)).astype(np.float32)
    second = Site(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("Unsqueeze", ["a", "one"], ["u"]),
            helper.make_node("MatMul", ["u", "pile"], ["y"]),
        ],
        random.normal(0, 0.3, (1, 64, 64)).astype(np.float32),
        {"x": x.astype(np.float32)},
        constants={"pile": pile, "one": np.array([1])},
    )
    sites = [first, second]
    model = wm.converted(tmp_path, sites, name)
    ops = wm.operators(model)
    assert ops.count("MatMulNBits") == 2
    assert "Gemm" not in ops
    assert ops.count("MatMul") == 1
    names = set(wm.initializers(model))
    assert {"s0.w_Q4", "s1.w_Q4", "s1.pile"} <= names
    assert names.isdisjoint({"s0.w", "s1.w"})
    parts = wm.initializers(model)
    weights = {
        i: wm.from_blocks(parts, f"s{i}.w", INT4, site).values for i, site in enumerate(sites)
    }
    got, expected = wm.results(model, sites), wm.results(wm.build(sites, weights), sites)
    # Activations are in 8 bits where the provider has a kernel for them.
    for output, y in expected.items():
        assert np.linalg.norm(got[output] - y) <= most * np.linalg.norm(y)


@pytest.mark.parametrize("arguments", [["--why", "s0.w"], ["--json"]])
def test_a_weight_that_stays_float_is_listed_with_the_reason(
    tmp_path: Path, arguments: list[str]
) -> None:
    site = ws.single("MatMul", (2, 32, 5), x=(2, 3, 32))
    wm.converted(tmp_path, [site], Format("int4"))
    done = run("plan", "--policy", tmp_path / "p.yaml", *arguments, tmp_path / "model.onnx")
    assert "a product's codes are those of one matrix" in done.stdout


def test_a_refusal_of_bfloat16_names_the_word_of_the_policy(tmp_path: Path) -> None:
    site = ws.single("MatMul", (32, 5), x=(3, 32))
    with pytest.raises(AssertionError) as refused:
        wm.converted(tmp_path, [site], Format("dynamic_uint8", symmetric=False), "bfloat16")
    assert "dynamic_uint8" in str(refused.value)
    assert "int4" not in str(refused.value)


@pytest.mark.parametrize("beta", [1e5, 1e-8])
def test_factors_of_a_gemm_beyond_float16_keep_their_value(tmp_path: Path, beta: float) -> None:
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], beta=beta, alpha=0.01)
    c = np.array([1e-3 if beta > 1 else 6e4], np.float32)
    w = np.full((32, 1), 1e-3, np.float32)
    site = Site([node], w, {"x": np.full((1, 32), 1e-1, np.float32)}, constants={"c": c})
    model = wm.converted(tmp_path, [site], Format("int4"), "float16")
    wm.expect_equal(wm.results(model, [site]), wm.results(wm.build([site]), [site]), 0.01)


@pytest.mark.parametrize("form", [INT4, DYNAMIC_UINT8], ids=str)
def test_a_model_of_an_old_opset_gets_one_that_knows_what_reads_the_codes(
    tmp_path: Path, form: Format
) -> None:
    sites = [MATRIX, FILTERS]
    model = wm.converted(tmp_path, sites, form, opset=6)
    assert wm.initializers(model)["s0.w" + ("_Q4" if form == INT4 else "_quantized")].size > 0
    wm.expect_equal(wm.results(model, sites), wm.results(wm.build(sites), sites), 0.3)
