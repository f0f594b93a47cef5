"""Each weight format in each operator that reads it, against the same sums in NumPy's weights."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import weight_models as wm
import weight_sites as ws
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from program import policy, run, save, small_model
from weight_models import Array, Format, Site

BLOCKS = [
    Format("int2", 32, True),
    Format("int2", 16, False),
    Format("int4", 32, True),
    Format("int4", 16, False),
    Format("int4", 128, False, source="float16"),
    Format("int8", 32, True),
    Format("int8", 64, False),
]
DYNAMIC = [
    Format(word, symmetric=symmetric, per_channel=per_channel, reduce_range=reduced)
    for word, symmetric, per_channel, reduced in itertools.product(
        ["dynamic_uint8", "dynamic_int8"], [True, False], [True, False], [True, False]
    )
]
ALL = BLOCKS + DYNAMIC
PRODUCTS = ("MatMul", "Gemm", "Einsum")
READER = {**dict.fromkeys((*PRODUCTS, "Conv"), "MatMulNBits"), "Gather": "GatherBlockQuantized"}
INTEGER = {**dict.fromkeys(PRODUCTS, "MatMulInteger"), "Conv": "ConvInteger"}


def _fits(form: Format, sites: str) -> bool:
    if sites.startswith("Conv") and form.dynamic:
        return form.symmetric or not form.per_channel
    if sites == "Conv":
        return False
    if sites == "Gather of short rows":
        return form.symmetric or form.bits == 8
    return form.dynamic or sites != "Gather along other axes"


def _axis(site: Site) -> int:
    """Return along which axis the last node gathers."""
    return next((int(a.i) for a in site.nodes[-1].attribute if a.name == "axis"), 0)


def _dims(form: Format, op: str, site: Site, compute: str) -> dict[str, tuple[str, list[int]]]:
    """Return the type and dims of each part, by its suffix."""
    shape = list(site.weight.shape)
    if form.dynamic:
        channels = form.per_channel and not (op == "Gather" and _axis(site) != 0)
        n = shape[0] if site.by_rows else shape[-1]
        kind = form.word.removeprefix("dynamic_")
        scales = [n] + [1] * (len(shape) - 2) if op == "Conv" else [n]
        points = [] if op == "Conv" else [n]
        stored = {
            "_quantized": (kind, shape[-2:] if op in PRODUCTS else shape),
            "_scale": ("float32", scales if channels else []),
        }
        # A Gather of rows with scales of their own does without zero points that are all 0.
        if not (op == "Gather" and channels and form.symmetric and kind == "int8"):
            stored["_zero_point"] = (kind, points if channels else [])
        return stored
    if op == "Conv":
        shape = shape[:2]
    n, k = shape[-2:] if site.by_rows else shape[-1:-3:-1]
    blocks = -(-k // form.block)
    codes = [n, blocks, form.block * form.bits // 8]
    parts = {
        wm.CODES[form.bits]: (
            "uint8",
            [n, k * form.bits // 8] if op == "Gather" else codes,
        ),
        "_scales": (compute, [n, blocks]),
    }
    if not form.symmetric:
        parts["_zero_points"] = ("uint8", [n, -(-blocks * form.bits // 8)])
    return parts


def _stored(parts: dict[str, Array], name: str, form: Format, site: Site) -> wm.Stored:
    """Return what is stored, after a look at its distance from the weight."""
    if form.dynamic:
        stored = wm.from_integers(parts, name, site)
    else:
        stored = wm.from_blocks(parts, name, form, site)
    weight = site.weight
    if form.source == "float16":
        weight = weight.astype(np.float16).astype(np.float32)
    # A scale that was rounded to float16 moves the last code by a part of a step.
    scale = parts[f"{name}_scale" if form.dynamic else f"{name}_scales"]
    half_a_step = 0.501 + (2.0 ** (form.bits - 11) if scale.dtype == np.float16 else 0)
    # The value opposite to a symmetric block's largest has no code of its own.
    allowed = half_a_step + np.where(stored.clipped & form.symmetric, 0.5, 0)
    assert np.all(np.abs(stored.values - weight) <= allowed * stored.steps + 1e-12), name
    return stored


def _compare(model: onnx.ModelProto, sites: list[Site], form: Format, most: float) -> None:
    """Compare with a float model of the weights that are stored."""
    parts = wm.initializers(model)
    weights = {i: _stored(parts, f"s{i}.w", form, site).values for i, site in enumerate(sites)}
    change = wm.quantized_dynamically if form.dynamic else None
    wm.expect_equal(
        wm.results(model, sites),
        wm.results(wm.build(sites, weights), sites, change),
        most,
    )


@pytest.mark.parametrize(
    ("form", "name"),
    [(form, name) for form in ALL for name in ws.FORMS if _fits(form, name)],
    ids=str,
)
def test_an_operator_gives_what_its_stored_weight_stands_for(
    tmp_path: Path, form: Format, name: str
) -> None:
    sites = ws.FORMS[name]()
    op = sites[0].nodes[-1].op_type
    model = wm.converted(tmp_path, sites, form)
    ops = wm.operators(model)
    if form.dynamic and op == "Gather":
        by_row = sum(form.per_channel and _axis(site) == 0 for site in sites)
        assert ops.count("DequantizeLinear") == len(sites) - by_row
        assert ops.count("Mul") == by_row
        # Rows, their scales, and zero points where they may be other than 0.
        zero_points = not form.symmetric or form.word == "dynamic_uint8"
        assert ops.count("Gather") == len(sites) + by_row * (2 if zero_points else 1)
    else:
        assert ops.count(INTEGER[op] if form.dynamic else READER[op]) == len(sites)
        assert op not in ops
    expected = {}
    for i, site in enumerate(sites):
        for suffix, part in _dims(form, op, site, "float32").items():
            expected[f"s{i}.w{suffix}"] = part
    constants = {f"s{i}.{constant}" for i, site in enumerate(sites) for constant in site.constants}
    parts = wm.initializers(model)
    found = {n: (str(a.dtype), list(a.shape)) for n, a in parts.items() if n not in constants}
    assert found == expected
    _compare(model, sites, form, 1e-5)


@pytest.mark.parametrize("form", BLOCKS, ids=str)
@pytest.mark.parametrize(
    "name", ["MatMul", "turned MatMul", "Gemm", "Einsum", "Gather", "Conv of one place"]
)
def test_blocks_of_halves_give_what_they_stand_for(tmp_path: Path, form: Format, name: str) -> None:
    sites = ws.FORMS[name]()
    op = sites[0].nodes[-1].op_type
    model = wm.converted(tmp_path, sites, form, "float16")
    assert wm.operators(model).count(READER[op]) == len(sites)
    found = wm.initializers(model)
    for i, site in enumerate(sites):
        for suffix, part in _dims(form, op, site, "float16").items():
            stored = found[f"s{i}.w{suffix}"]
            assert (str(stored.dtype), list(stored.shape)) == part
        assert f"s{i}.w" not in found
    _compare(model, sites, form, 2e-3)


@pytest.mark.parametrize("compute", ["float32", "float16"])
@pytest.mark.parametrize("form", [form for form in BLOCKS if form.bits > 2], ids=str)
def test_an_embedding_and_a_head_share_one_set_of_codes(
    tmp_path: Path, form: Format, compute: str
) -> None:
    site = ws.shared(256)
    model = wm.converted(tmp_path, [site], form, compute)
    assert wm.operators(model).count("GatherBlockQuantized") == 1
    assert wm.operators(model).count("MatMulNBits") == 1
    expected = {
        f"s0.w{suffix}": part for suffix, part in _dims(form, "MatMul", site, compute).items()
    }
    found = wm.initializers(model)
    assert {n: (str(a.dtype), list(a.shape)) for n, a in found.items()} == expected
    _compare(model, [site], form, 1e-5 if compute == "float32" else 2e-3)


def test_codes_that_are_not_tied_are_stored_for_each_reader_and_their_scales_once(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(17)
    site = ws.shared(256)
    site.weight = wm.weights(random, 256, 300).T.copy()  # large enough to be shared
    form = Format("int4", symmetric=False)
    models = {}
    for tie in ("true", "false"):
        folder = tmp_path / tie
        folder.mkdir()
        text = (
            f"policy: 1\nname: p\noutputs:\n"
            f"  q4: {{compute: float32, weights: {form}, io: float32, tie: {tie}}}\n"
            f"rules:\n  - match: {{op: Gather}}\n    weights: {form}\n"
        )
        done = run("--policy", policy(folder, text), save(wm.build([site]), folder, True))
        assert done.returncode == 0, done.stderr
        models[tie] = onnx.load(folder / "model_q4.onnx")
        assert ("read by several operators, stored once: 38.4 kB saved" in done.stdout) == (
            tie == "true"
        )
        arguments = ("plan", "--json", "--policy", folder / "p.yaml", folder / "model.onnx")
        (plan,) = json.loads(run(*arguments).stdout)["outputs"]
        stored = onnx.load(folder / "model_q4.onnx", load_external_data=False).graph.initializer
        places = {tuple(entry.value for entry in tensor.external_data) for tensor in stored}
        sizes = [int(size) for _, _, size in places]
        assert sum(row["bytes"] for row in plan["tensors"]) == sum(sizes)
    assert [node.op_type for node in models["false"].graph.node] == [
        "GatherBlockQuantized",
        "MatMulNBits",
    ]
    files = {tie: (tmp_path / tie / "model_q4.onnx_data").stat().st_size for tie in models}
    codes = 300 * 256 // 2
    assert codes <= files["false"] - files["true"] < codes + 4096
    assert len(models["false"].graph.initializer) == 6
    tied, apart = (wm.results(model, [site]) for model in models.values())
    wm.expect_equal(tied, apart, 0)


def test_a_rule_that_ties_what_has_no_codes_is_refused(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    done = run("plan", "--policy", "q4", "--set", "match: {op: Relu}, tie: false", path)
    assert done.returncode == 3
    assert "sets tie: false, which changes nothing that it matches" in done.stderr


@pytest.mark.parametrize("form", [Format("int4"), Format("int8", 16, False)], ids=str)
def test_rows_that_end_within_a_block_are_stored_for_each_reader(
    tmp_path: Path, form: Format
) -> None:
    site = ws.shared(40)
    model = wm.converted(tmp_path, [site], form)
    found = wm.initializers(model)
    gather, product = model.graph.node
    assert (gather.op_type, product.op_type) == ("GatherBlockQuantized", "MatMulNBits")
    for node, inputs in [
        (gather, [0, *range(2, len(gather.input))]),
        (product, range(1, 5)),
    ]:
        op = "Gather" if node is gather else "MatMul"
        names = [node.input[i] for i in inputs if i < len(node.input)]
        parts = [(str(found[name].dtype), list(found[name].shape)) for name in names]
        assert parts == list(_dims(form, op, site, "float32").values())
    assert "s0.w" not in found
    _compare(model, [site], form, 1e-5)


@pytest.mark.parametrize("form", DYNAMIC, ids=str)
def test_an_embedding_and_a_head_of_integers_share_one_set_of_codes(
    tmp_path: Path, form: Format
) -> None:
    site = ws.shared(40)
    model = wm.converted(tmp_path, [site], form)
    assert wm.operators(model).count("MatMulInteger") == 1
    assert ("DequantizeLinear" in wm.operators(model)) != form.per_channel
    assert sorted(wm.initializers(model)) == ["s0.w_quantized", "s0.w_scale", "s0.w_zero_point"]
    _compare(model, [site], form, 1e-5)


PLAIN = [Format("plain_int8", 32, True), Format("plain_int8", 16, False)]


def _by_policy(folder: Path, site: Site, compute: str, form: Format, head: Format) -> Path:
    text = (
        f"policy: 1\nname: p\noutputs:\n"
        f"  q4: {{compute: {compute}, weights: {head}, io: float32}}\n"
        f"rules:\n  - match: {{op: Gather}}\n    weights: {form}\n    optional: true\n"
    )
    done = run("--policy", policy(folder, text), save(wm.build([site]), folder))
    assert done.returncode == 0, done.stderr
    return folder / "model_q4.onnx"


@pytest.mark.parametrize("compute", ["float32", "float16"])
@pytest.mark.parametrize("form", PLAIN, ids=str)
def test_operators_that_every_runtime_has_read_a_table_and_share_it_with_the_head(
    tmp_path: Path, form: Format, compute: str
) -> None:
    site = ws.shared(96)
    head = Format("int8", form.block, form.symmetric)
    model = onnx.load(_by_policy(tmp_path, site, compute, form, head))
    assert [node.op_type for node in model.graph.node if node.domain] == ["MatMulNBits"]
    expected = {
        f"s0.w{suffix}": part for suffix, part in _dims(head, "MatMul", site, compute).items()
    }
    found = wm.initializers(model)
    assert {n: (str(a.dtype), list(a.shape)) for n, a in found.items()} == expected
    _compare(model, [site], form, 1e-5 if compute == "float32" else 2e-3)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3,), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("form", [*PLAIN, Format("dynamic_uint8", 32, False, True)], ids=str)
def test_rows_are_gathered_for_indices_of_any_shape(
    tmp_path: Path, form: Format, shape: tuple[int, ...]
) -> None:
    random = np.random.default_rng(13)
    node = helper.make_node("Gather", ["w", "i"], ["y"])
    rows = wm.weights(random, 64, 9).T.copy()
    site = Site([node], rows, {"i": random.integers(-9, 9, shape)}, True)
    model = onnx.load(_by_policy(tmp_path, site, "float32", form, Format("int8")))
    assert "s0.w" not in wm.initializers(model)
    stored = _stored(wm.initializers(model), "s0.w", form, site).values
    (y,) = wm.results(model, [site]).values()
    assert y.shape == (*shape, 64)
    np.testing.assert_allclose(y, stored[site.feeds["i"]], rtol=1e-6)


def test_a_plain_table_whose_rows_end_within_a_block_stays_float(tmp_path: Path) -> None:
    site = ws.single("Gather", (8, 40))
    model = onnx.load(_by_policy(tmp_path, site, "float32", PLAIN[0], Format("int8")))
    assert wm.operators(model) == ["Gather"]


@pytest.mark.parametrize("form", DYNAMIC, ids=str)
def test_integers_are_those_of_onnx_runtimes_quantizer(tmp_path: Path, form: Format) -> None:
    sites = ws.matmuls()
    model = wm.converted(tmp_path, sites, form)
    quantize_dynamic(
        tmp_path / "model.onnx",
        tmp_path / "theirs.onnx",
        per_channel=form.per_channel,
        reduce_range=form.reduce_range,
        weight_type=QuantType.QUInt8 if form.word == "dynamic_uint8" else QuantType.QInt8,
        extra_options={"WeightSymmetric": form.symmetric},
    )
    theirs = wm.initializers(onnx.load(tmp_path / "theirs.onnx"))
    ours = wm.initializers(model)
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert ours[name].shape == tensor.shape
        assert ours[name].tobytes() == tensor.tobytes(), name


def _fused(folder: Path, model: onnx.ModelProto, level: str) -> list[str]:
    """Return the operators that ONNX Runtime makes of a model."""
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(folder / "fused.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return wm.operators(onnx.load(folder / "fused.onnx"))


@pytest.mark.parametrize("form", [form for form in DYNAMIC if not form.per_channel], ids=str)
@pytest.mark.parametrize("level", ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_onnx_runtime_fuses_products_of_integers(tmp_path: Path, form: Format, level: str) -> None:
    sites = [ws.matmuls()[0], ws.turned()[0]]
    two = Site(
        [helper.make_node("MatMul", ["x", name], [f"y{name}"]) for name in "wv"],
        sites[0].weight,
        sites[0].feeds,
        constants={"v": sites[0].weight[:, ::-1] / 2},
    )
    ops = _fused(tmp_path, wm.converted(tmp_path, [*sites, two], form), level)
    assert ops.count("DynamicQuantizeMatMul") == 2
    assert ops.count("MatMulIntegerToFloat") == 2  # of one activation
    assert "MatMulInteger" not in ops


@pytest.mark.parametrize(
    "form",
    [f for f in DYNAMIC if f.per_channel and f.symmetric],
    ids=str,
)
def test_filters_of_a_channel_of_zeros_stay_right(tmp_path: Path, form: Format) -> None:
    random = np.random.default_rng(10)
    sites = []
    for channel, zero in [(0, 0.0), (1, -0.0), (2, 1e-40)]:
        w = random.normal(0, 0.1, (3, 2, 3)).astype(np.float32)
        w[channel] = zero
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        sites.append(Site([node], w, {"x": wm.activations(random, 1, 2, 8)}, True))
    _compare(wm.converted(tmp_path, sites, form), sites, form, 1e-5)


@pytest.mark.parametrize(
    ("shape", "attributes", "reason"),
    [
        ((4, 8, 3), {}, "its Conv sums over several places, and a product of codes over channels"),
        ((4, 4, 1), {"group": 2}, "its Conv has groups, each a product of its own"),
        ((4, 8, 1), {"strides": [2]}, "its Conv leaves out places (strides)"),
        ((4, 8, 1), {"pads": [0, 1]}, "its Conv adds places (pads)"),
    ],
)
def test_a_conv_that_is_more_than_a_product_stays_and_says_why(
    tmp_path: Path, shape: tuple[int, ...], attributes: dict[str, Any], reason: str
) -> None:
    random = np.random.default_rng(15)
    node = helper.make_node("Conv", ["x", "w"], ["y"], None, None, None, None, **attributes)
    x = wm.activations(random, 2, 8, 6)
    site = Site([node], random.normal(0, 0.1, shape).astype(np.float32), {"x": x}, True)
    rule = "match: {op: Conv}, weights: int4, optional: true"
    done = run("plan", "--policy", "q4", "--set", rule, "--json", save(wm.build([site]), tmp_path))
    assert done.returncode == 0, done.stderr
    (tensor,) = json.loads(done.stdout)["outputs"][0]["tensors"]
    assert tensor["left"].startswith(reason)
    assert wm.operators(wm.converted(tmp_path, [site], Format("int4"))) == ["Conv"]


def test_a_conv_is_a_product_of_codes_only_where_a_rule_says_so(tmp_path: Path) -> None:
    site = ws.pointwise_convs()[0]
    model = wm.converted(tmp_path, [site], Format("int4"), rule="{op: Gather}")
    assert wm.operators(model) == ["Conv"]
    (tmp_path / "by_rule").mkdir()
    model = wm.converted(tmp_path / "by_rule", [site], Format("int4"))
    assert wm.operators(model) == ["Transpose", "MatMulNBits", "Transpose"]


@pytest.mark.parametrize("place", ["a Gemm with a bias", "a Conv"])
def test_the_accuracy_level_reaches_a_product_with_nodes_behind_it(
    tmp_path: Path, place: str
) -> None:
    random = np.random.default_rng(16)
    weights = random.normal(0, 0.1, (32, 32)).astype(np.float32)
    if place == "a Conv":
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        site = Site([node], weights[:, :, None], {"x": wm.activations(random, 2, 32, 6)}, True)
    else:
        node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], alpha=0.5)
        site = Site([node], weights, {"x": wm.activations(random, 2, 32), "c": weights[0]})
    rule = "match: {op: Conv}, weights: int4, accuracy_level: 4, optional: true"
    source = save(wm.build([site]), tmp_path)
    done = run("--policy", "q4", "--set", rule, "-o", tmp_path / "out.onnx", source)
    assert done.returncode == 0, done.stderr
    (product,) = [
        node
        for node in onnx.load(tmp_path / "out.onnx").graph.node
        if node.op_type == "MatMulNBits"
    ]
    levels = [item.i for item in product.attribute if item.name == "accuracy_level"]
    assert levels == [4]
