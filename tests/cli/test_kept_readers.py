"""DequantizeLinear and 8-bit floats before operators that stay as they are."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import weight_models as wm
import weight_sites as ws
from kept_readers import FLOAT8, Kept, as_written, expected, values_of
from onnx import helper
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)
from onnxruntime.quantization.quant_utils import QuantFormat
from program import policy, run, save
from weight_models import Array, Site

QDQ = [
    Kept(f"qdq_{kind}{bits}", shares)
    for bits, kind, shares in itertools.product([8, 4, 2], ["int", "uint"], [32, "channel", None])
]
FORMS = [*QDQ, *(Kept(word, shares) for word in FLOAT8 for shares in ("channel", None))]
NAMES = [*ws.FORMS, "ConvTranspose"]


def _sites(name: str, form: Kept) -> list[Site]:
    if name == "ConvTranspose":
        return ws.conv_transposes()
    if name == "MatMul" and form.bits == 2:
        return ws.matmuls([(k, 4 * n) for k, n in ws.SHAPES])
    sites = ws.FORMS[name]()
    if name == "Gemm" and form.bits == 2:
        return [site for site in sites if site.by_rows]
    if name == "Gather" and form.shares == "channel" and not form.float8:
        return [site for site in sites if site.feeds["i"].ndim > 0]
    return sites


def _fits(form: Kept, name: str) -> bool:
    if name == "MatMul of three dimensions":
        return form.bits > 2
    if name == "turned MatMul" and form.word == "qdq_uint2":
        return isinstance(form.shares, int)  # others ONNX Runtime reads wrongly
    if form.float8 or not name.startswith("Gather"):
        return True
    return form.bits == 8 and (name != "Gather along other axes" or form.shares is None)


CASES = [(form, name) for form in FORMS for name in NAMES if _fits(form, name)]


def _stored(model: onnx.ModelProto, sites: list[Site]) -> dict[str, Array]:
    constants = {f"s{i}.{name}" for i, site in enumerate(sites) for name in site.constants}
    return {name: a for name, a in wm.initializers(model).items() if name not in constants}


def _compare(model: onnx.ModelProto, sites: list[Site], form: Kept, most: float) -> None:
    parts, op = wm.initializers(model), sites[0].nodes[-1].op_type
    weights = {i: values_of(parts, f"s{i}.w", form, op, site) for i, site in enumerate(sites)}
    wm.expect_equal(as_written(model, sites), wm.results(wm.build(sites, weights), sites), most)


@pytest.mark.parametrize(("form", "name"), CASES, ids=str)
def test_an_operator_gives_what_its_stored_weight_stands_for(
    tmp_path: Path, form: Kept, name: str
) -> None:
    sites = _sites(name, form)
    op = sites[0].nodes[-1].op_type
    model = wm.converted(tmp_path, sites, form)
    found = {n: (str(a.dtype), list(a.shape)) for n, a in _stored(model, sites).items()}
    assert found == expected(form, op, sites, "float32")
    ops = wm.operators(model)
    assert ops.count(op) >= len(sites)
    assert ops.count("Cast" if form.float8 else "DequantizeLinear") == len(sites)
    _compare(model, sites, form, 1e-5)


HALVES = [
    (form, name) for form, name in CASES if name in ("MatMul", "turned MatMul", "Gemm", "Gather")
]


@pytest.mark.parametrize(("form", "name"), HALVES, ids=str)
def test_halves_give_what_they_stand_for(tmp_path: Path, form: Kept, name: str) -> None:
    sites = _sites(name, form)
    op = sites[0].nodes[-1].op_type
    model = wm.converted(tmp_path, sites, form, "float16")
    found = {n: (str(a.dtype), list(a.shape)) for n, a in _stored(model, sites).items()}
    assert found == expected(form, op, sites, "float16")
    _compare(model, sites, form, 2e-3)


@pytest.mark.parametrize("compute", ["float32", "float16"])
@pytest.mark.parametrize("form", [f for f in FORMS if _fits(f, "Gather")], ids=str)
def test_an_embedding_and_a_head_share_one_set_of_codes(
    tmp_path: Path, form: Kept, compute: str
) -> None:
    site = ws.shared(96)
    model = wm.converted(tmp_path, [site], form, compute)
    assert sorted(wm.initializers(model)) == sorted(expected(form, "Gather", [site], compute))
    weights = {0: values_of(wm.initializers(model), "s0.w", form, "Gather", site)}
    wm.expect_equal(
        as_written(model, [site]),
        wm.results(wm.build([site], weights), [site]),
        1e-5 if compute == "float32" else 2e-3,
    )


@pytest.mark.parametrize("word", ["qdq_int4", "qdq_uint4"])
@pytest.mark.parametrize("block", [16, 32, 128])
def test_blocks_of_4_bits_are_those_of_onnx_runtimes_quantizer(
    tmp_path: Path, word: str, block: int
) -> None:
    sites = ws.matmuls()
    ours = wm.initializers(wm.converted(tmp_path, sites, Kept(word, block)))
    quantizer = MatMulNBitsQuantizer(
        wm.build(sites),
        algo_config=DefaultWeightOnlyQuantConfig(
            block_size=block,
            is_symmetric=word == "qdq_int4",
            quant_format=QuantFormat.QDQ,
        ),
    )
    quantizer.process()
    theirs = wm.initializers(quantizer.model.model)
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert ours[name].shape == tensor.shape
        assert ours[name].tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize("word", list(FLOAT8))
def test_8_bit_floats_are_those_of_onnx_runtimes_quantize_linear(tmp_path: Path, word: str) -> None:
    sites = ws.matmuls()
    ours = wm.initializers(wm.converted(tmp_path, sites, Kept(word)))
    kind = onnx.TensorProto.FLOAT8E4M3FN if word == "float8_e4m3" else onnx.TensorProto.FLOAT8E5M2
    for i, site in enumerate(sites):
        nodes = [
            helper.make_node("QuantizeLinear", ["w", "s"], ["q"], axis=1, output_dtype=kind),
            helper.make_node("Cast", ["q"], ["y"], to=1),
        ]
        feeds = {"w": site.weight, "s": ours[f"s{i}.w_scale"]}
        values = [helper.make_tensor_value_info(n, 1, a.shape) for n, a in feeds.items()]
        out = [helper.make_tensor_value_info("y", 1, None)]
        graph = helper.make_graph(nodes, "g", values, out)
        opsets = [helper.make_opsetid("", 21)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        session = ort.InferenceSession(model.SerializeToString())
        (theirs,) = session.run(["y"], feeds)
        codes = ours[f"s{i}.w{FLOAT8[word][0]}"]
        assert codes.astype(np.float32).tobytes() == theirs.tobytes()


@pytest.mark.parametrize("form", [form for form in QDQ if isinstance(form.shares, int)], ids=str)
def test_onnx_runtime_makes_blocks_of_products_that_it_can_be_told_to_sum_in_float32(
    tmp_path: Path, form: Kept
) -> None:
    sites = _sites("MatMul", form)[:2]
    model = wm.converted(tmp_path, sites, form)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    exact = wm.results(model, sites, options=options)
    assert wm.operators(onnx.load(tmp_path / "fused.onnx")) == ["MatMulNBits"] * 2
    wm.expect_equal(exact, as_written(model, sites), 1e-5)
    wm.expect_equal(wm.results(model, sites), exact, 0.03)


@pytest.mark.parametrize("word", list(FLOAT8))
def test_onnx_runtime_folds_8_bit_floats_when_it_loads_them(tmp_path: Path, word: str) -> None:
    model = wm.converted(tmp_path, ws.matmuls(), Kept(word))
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    wm.results(model, ws.matmuls(), options=options)
    assert set(wm.operators(onnx.load(tmp_path / "folded.onnx"))) == {"MatMul"}


# Readers that the table has no row of, and slots beside the weight's.
OTHERS = {
    "a pile of matrices": (ws.single("MatMul", (2, 64, 5), x=(2, 3, 64)), True),
    "a sum": (ws.single("Add", (4, 40), x=(3, 4, 40)), False),
    "a sum of three dimensions": (ws.single("Add", (2, 3, 64), x=(2, 3, 64)), False),
}


@pytest.mark.parametrize(
    "form",
    [
        Kept("qdq_int8"),
        Kept("qdq_uint4", 32),
        Kept("qdq_uint8", None),
        Kept("float8_e4m3"),
    ],
    ids=str,
)
@pytest.mark.parametrize(("site", "by_default"), list(OTHERS.values()), ids=list(OTHERS))
def test_other_operators_read_codes_where_a_rule_says_so(
    tmp_path: Path, form: Kept, site: Site, by_default: bool
) -> None:
    op = site.nodes[0].op_type
    model = wm.converted(tmp_path, [site], form)
    assert ("s0.w" in wm.initializers(model)) != by_default
    (tmp_path / "by rule").mkdir()
    model = wm.converted(tmp_path / "by rule", [site], form, rule=f"{{op: {op}}}")
    parts = wm.initializers(model)
    assert {n: (str(a.dtype), list(a.shape)) for n, a in parts.items()} == expected(
        form, op, [site], "float32"
    )
    weights = {0: values_of(parts, "s0.w", form, op, site)}
    wm.expect_equal(as_written(model, [site]), wm.results(wm.build([site], weights), [site]), 1e-5)


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_two_constants_of_one_node_are_both_in_codes(tmp_path: Path, op: str) -> None:
    random = np.random.default_rng(3)
    gates = {"LSTM": 4, "GRU": 3}[op]
    node = helper.make_node(op, ["x", "w", "r"], ["y"], hidden_size=32)
    w = random.normal(0, 0.1, (1, gates * 32, 64)).astype(np.float32)
    r = random.normal(0, 0.1, (1, gates * 32, 32)).astype(np.float32)
    site = Site([node], w, {"x": wm.activations(random, 5, 2, 64)}, constants={"r": r})
    form = Kept("qdq_int8", 32)
    model = wm.converted(tmp_path, [site], form, rule=f"{{op: {op}}}")
    assert wm.operators(model) == ["DequantizeLinear", "DequantizeLinear", op]
    parts = wm.initializers(model)
    assert set(parts) == {f"s0.{n}_DQ_{part}" for n in "wr" for part in ("Q8", "scales")}
    recurrent = Site([node], r, {})
    site.constants["r"] = values_of(
        {n.replace("s0.r", "s0.w"): a for n, a in parts.items() if "s0.r" in n},
        "s0.w",
        form,
        op,
        recurrent,
    )
    weights = {0: values_of(parts, "s0.w", form, op, site)}
    wm.expect_equal(as_written(model, [site]), wm.results(wm.build([site], weights), [site]), 1e-5)


def test_a_gemm_in_blocks_adds_what_is_in_codes_too(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"])
    w, c = (random.normal(0, 0.1, shape).astype(np.float32) for shape in [(64, 32), (4, 32)])
    site = Site([node], w, {"x": wm.activations(random, 4, 64)}, constants={"c": c})
    text = (
        "policy: 1\nname: p\noutputs:\n  q4: {compute: float32, weights: int4, io: float32}\n"
        "rules:\n  - match: {weight: s0.c}\n    weights: {format: qdq_int8, block: 32}\n"
    )
    path = save(wm.build([site]), tmp_path)
    done = run("--policy", policy(tmp_path, text), "-o", tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    model = onnx.load(tmp_path / "out" / "model_q4.onnx")
    assert wm.operators(model) == ["DequantizeLinear", "MatMulNBits", "Add"]
    wm.expect_equal(as_written(model, [site]), wm.results(wm.build([site]), [site]), 0.2)


@pytest.mark.parametrize("form", [Kept("qdq_int8", 32), Kept("float8_e4m3")], ids=str)
def test_a_constant_that_is_two_matrices_to_its_readers_is_right_for_both(
    tmp_path: Path, form: Kept
) -> None:
    random = np.random.default_rng(5)
    w = random.normal(0, 0.1, (1, 64, 32)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y1"]),
        helper.make_node("Add", ["z", "w"], ["y2"]),
    ]
    feeds = {
        "x": wm.activations(random, 2, 3, 64),
        "z": np.zeros((1, 64, 32), np.float32),
    }
    site = Site(nodes, w, feeds)
    model = wm.converted(tmp_path, [site], form, rule="{op: Add}")
    assert "s0.w" not in wm.initializers(model)
    got = as_written(model, [site])
    both = wm.results(wm.build([site]), [site])
    # Steps are at most a block's largest number over 127, or a 16th of each number.
    wm.expect_equal(got, both, 0.06)


REFUSED = {
    "codes of 4 bits in a table": (
        Kept("qdq_int4", 32),
        ws.single("Gather", (8, 32)),
        "picks no",
    ),
    "columns": (
        Kept("qdq_int8", 32),
        ws.single("Gather", (8, 32), axis=1),
        "takes columns",
    ),
    "rows of more than one dimension": (
        Kept("qdq_int8"),
        ws.single("Gather", (8, 4, 32)),
        "those of a matrix",
    ),
    "one number": (
        Kept("qdq_int8"),
        Site(
            [helper.make_node("Gather", ["w", "i"], ["y"])],
            np.ones((4, 8), np.float32),
            {"i": np.array(1)},
        ),
        "without a dimension",
    ),
    "a pile of matrices that end within a block": (
        Kept("qdq_int8", 32),
        ws.single("MatMul", (2, 40, 5), x=(2, 3, 40)),
        "do not end with one of 32",
    ),
    "columns of 2 bits that do not end with a byte": (
        Kept("qdq_uint2", 16),
        ws.single("MatMul", (64, 6), x=(3, 64)),
        "no multiple of 4",
    ),
    "columns of a Gemm, too": (
        Kept("qdq_int2", 16),
        ws.single("Gemm", (64, 7), x=(3, 64)),
        "no multiple of 4",
    ),
    "a list": (
        Kept("float8_e5m2"),
        ws.single("Add", (40,), x=(3, 40)),
        "of 1 dimension",
    ),
}


@pytest.mark.parametrize(("form", "site", "why"), list(REFUSED.values()), ids=list(REFUSED))
def test_what_does_not_fit_stays_float_and_says_why(
    tmp_path: Path, form: Kept, site: Site, why: str
) -> None:
    model = wm.converted(tmp_path, [site], form, rule="{weight: s0.w}")
    assert list(wm.initializers(model)) == ["s0.w"]
    done = run(
        "plan",
        "--policy",
        tmp_path / "p.yaml",
        "--why",
        "s0.w",
        tmp_path / "model.onnx",
    )
    assert why in done.stdout


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("qdq_int3", "did you mean 'qdq_int8'"),
        ("float8_e4m2", "did you mean 'float8_e4m3'"),
        ("{format: qdq_int4, block: 24}", "16, 32, 64, 128, 256"),
        ("{format: qdq_int4, symmetric: false}", "qdq_int4 takes no 'symmetric'"),
        ("{format: float8_e4m3, block: 32}", "float8_e4m3 takes no 'block'"),
        ("{format: qdq_int8, block: 32, per_channel: true}", "say one of them"),
        ("{format: qdq_int8, per_channel: maybe}", "per_channel is true or false"),
    ],
)
def test_what_a_word_does_not_know_is_refused_at_its_place(
    tmp_path: Path, weights: str, message: str
) -> None:
    text = f"policy: 1\nname: p\noutputs:\n  q4: {{compute: float32, weights: {weights}}}\n"
    done = run(
        "--policy",
        policy(tmp_path, text),
        save(wm.build([OTHERS["a sum"][0]]), tmp_path),
    )
    assert done.returncode == 3
    assert "p.yaml:4:" in done.stderr
    assert message in done.stderr
