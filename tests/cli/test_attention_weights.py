"""Attentions whose weights are in 8 bits (QAttention)."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import weight_models as wm
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from program import run
from weight_models import Array, Format, Site

HIDDEN, HEADS, BATCH, TOKENS, PAST = 32, 4, 2, 6, 3
FORMS = [
    Format(word, symmetric=symmetric, per_channel=per_channel, reduce_range=reduced)
    for word, symmetric, per_channel, reduced in itertools.product(
        ["dynamic_uint8", "dynamic_int8"], [True, False], [True, False], [True, False]
    )
]
MASKS: list[Array | None] = [
    None,
    np.full(BATCH, TOKENS, np.int32),
    np.tri(BATCH, TOKENS, TOKENS - 2, dtype=np.int32),
    np.broadcast_to(np.tri(TOKENS, dtype=np.int32), (BATCH, TOKENS, TOKENS)).copy(),
]


def _site(mask: Array | None = None, past: bool = False, **says: Any) -> Site:
    random = np.random.default_rng(3)
    w = wm.weights(random, HIDDEN, 3 * HIDDEN)
    feeds = {"x": wm.activations(random, BATCH, TOKENS, HIDDEN)}
    names = ["x", "w", "b"]
    if mask is not None or past:
        names.append("" if mask is None else "m")
    if mask is not None:
        feeds["m"] = mask
    outputs = ["y"]
    if past:
        shape = (2, BATCH, HEADS, PAST, HIDDEN // HEADS)
        feeds["p"] = random.normal(0, 0.1, shape).astype(np.float32)
        names.append("p")
        outputs.append("ypresent")
    says = {"num_heads": HEADS} | says
    node = helper.make_node("Attention", names, outputs, None, None, "com.microsoft", None, **says)
    constants = {"b": random.normal(0, 0.1, 3 * HIDDEN).astype(np.float32)}
    return Site([node], w, feeds, False, constants)


SITES = [
    *(_site(mask) for mask in MASKS),
    _site(past=True, unidirectional=1),
    _site(MASKS[2], unidirectional=1, scale=0.2, do_rotary=0),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_an_attention_gives_what_its_stored_weights_stand_for(tmp_path: Path, form: Format) -> None:
    model = wm.converted(tmp_path, SITES, form)
    assert wm.operators(model) == ["DynamicQuantizeLinear", "QAttention"] * len(SITES)
    parts = wm.initializers(model)
    weights = {}
    for i, site in enumerate(SITES):
        stored = wm.from_integers(parts, f"s{i}.w", site)
        assert np.all(np.abs(stored.values - site.weight) <= 0.501 * stored.steps + 1e-12)
        weights[i] = stored.values
    floats = [
        Site(
            site.nodes,
            site.weight,
            site.feeds | {"x": wm.quantized_dynamically(site.feeds["x"])},
            False,
            site.constants,
        )
        for site in SITES
    ]
    wm.expect_equal(wm.results(model, SITES), wm.results(wm.build(floats, weights), floats), 1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_file_is_that_of_onnx_runtimes_quantizer(tmp_path: Path, form: Format) -> None:
    ours = wm.converted(tmp_path, SITES, form)
    quantize_dynamic(
        tmp_path / "model.onnx",
        tmp_path / "theirs.onnx",
        per_channel=form.per_channel,
        reduce_range=form.reduce_range,
        weight_type=QuantType.QUInt8 if form.word == "dynamic_uint8" else QuantType.QInt8,
        extra_options={"WeightSymmetric": form.symmetric},
    )
    theirs = onnx.load(tmp_path / "theirs.onnx")
    stored = wm.initializers(theirs)
    assert sorted(wm.initializers(ours)) == sorted(stored)
    for name, tensor in wm.initializers(ours).items():
        assert tensor.dtype == stored[name].dtype
        assert tensor.shape == stored[name].shape
        assert tensor.tobytes() == stored[name].tobytes(), name
    assert sorted(wm.operators(ours)) == sorted(wm.operators(theirs))
    results = wm.results(ours, SITES), wm.results(theirs, SITES)
    for name, result in results[0].items():
        assert np.array_equal(result, results[1][name]), name


def _without(site: Site, name: str) -> Site:
    site.nodes[0].input[list(site.nodes[0].input).index(name)] = ""
    del site.constants[name]
    return site


def _biased() -> Site:
    site = _site()
    site.nodes[0].input.extend(["", "", "a"])
    site.feeds["a"] = np.zeros((1, HEADS, TOKENS, TOKENS), np.float32)
    return site


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (_without(_site(), "b"), "its Attention has no bias"),
        (_site(qkv_hidden_sizes=[HIDDEN] * 3), "the attribute 'qkv_hidden_sizes', which QAtt"),
        (_biased(), "its Attention has input 6, which QAttention lacks"),
    ],
    ids=["no bias", "sizes", "a bias of scores"],
)
def test_what_qattention_lacks_stays_float_and_says_why(
    tmp_path: Path, site: Site, reason: str
) -> None:
    model = wm.converted(tmp_path, [site], Format("dynamic_uint8"))
    assert wm.operators(model) == ["Attention"]
    said = run("plan", "--policy", tmp_path / "p.yaml", "--why", "s0.w", tmp_path / "model.onnx")
    assert reason in said.stdout
    if site.constants:  # ONNX Runtime 1.30 crashes on an Attention without a bias
        wm.expect_equal(wm.results(model, [site]), wm.results(wm.build([site]), [site]), 0)
