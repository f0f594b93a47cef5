"""LSTMs whose weights and recurrences are in 8 bits (DynamicQuantizeLSTM)."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
import weight_models as wm
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from program import policy, run, save
from weight_models import Format, Site

FORMS = [
    Format(word, symmetric=symmetric, per_channel=per_channel, reduce_range=reduced)
    for word, symmetric, per_channel, reduced in itertools.product(
        ["dynamic_uint8", "dynamic_int8"], [True, False], [True, False], [True, False]
    )
    if symmetric or not per_channel
]
HIDDEN = 24


def _site(direction: str, inputs: int, full: bool, **attributes: int) -> Site:
    random = np.random.default_rng(inputs)
    directions = 2 if direction == "bidirectional" else 1
    w = random.normal(0, 0.3, (directions, 4 * HIDDEN, inputs)).astype(np.float32)
    r = random.normal(0, 0.3, (directions, 4 * HIDDEN, HIDDEN)).astype(np.float32)
    w[0, 3] = 0
    constants = {"r": r}
    names = ["x", "w", "r"]
    if full:
        state = random.normal(0, 0.3, (directions, 2, HIDDEN)).astype(np.float32)
        constants |= {
            "b": random.normal(0, 0.3, (directions, 8 * HIDDEN)).astype(np.float32),
            "h": state,
            "c": -state,
        }
        names += ["b", "", "h", "c"]
    attributes |= {"hidden_size": HIDDEN}
    node = helper.make_node(
        "LSTM", names, ["y", "yh"], None, None, None, None, direction=direction, **attributes
    )
    x = random.normal(0, 0.5, (7, 2, inputs)).astype(np.float32)
    return Site([node], w, {"x": x}, True, constants)


SITES = [
    _site("forward", 33, False),
    _site("reverse", 16, True, layout=0),
    _site("bidirectional", 40, True),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_an_lstm_gives_what_its_stored_weights_stand_for(tmp_path: Path, form: Format) -> None:
    model = wm.converted(tmp_path, SITES, form)
    assert wm.operators(model) == ["DynamicQuantizeLSTM"] * len(SITES)
    parts = wm.initializers(model)
    weights = {}
    sites = []
    for i, site in enumerate(SITES):
        stored = {}
        for name, w in [("w", site.weight), ("r", site.constants["r"])]:
            scale = parts[f"s{i}.{name}_scale"]
            assert scale.shape == w.shape[: 2 if form.per_channel else 1]
            steps = scale[:, :, None] if form.per_channel else scale[:, None, None]
            points = parts[f"s{i}.{name}_zero_point"].astype(np.int32).reshape(steps.shape)
            codes = parts[f"s{i}.{name}_quantized"].transpose(0, 2, 1).astype(np.int32)
            stored[name] = ((codes - points) * steps).astype(np.float32)
            assert np.all(np.abs(stored[name] - w) <= 0.501 * steps + 1e-12)
        weights[i] = stored["w"]
        sites.append(
            Site(
                site.nodes,
                stored["w"],
                site.feeds,
                True,
                {**site.constants, "r": stored["r"]},
            )
        )
    # Activations and states are rounded to 8 bits in each step.
    wm.expect_equal(wm.results(model, SITES), wm.results(wm.build(sites), sites), 0.03)


@pytest.mark.parametrize("form", [f for f in FORMS if f.word == "dynamic_int8"], ids=str)
def test_an_lstms_integers_are_those_of_onnx_runtimes_quantizer(
    tmp_path: Path, form: Format
) -> None:
    ours = wm.initializers(wm.converted(tmp_path, SITES, form))
    quantize_dynamic(
        tmp_path / "model.onnx",
        tmp_path / "theirs.onnx",
        per_channel=form.per_channel,
        reduce_range=form.reduce_range,
        weight_type=QuantType.QInt8,
        extra_options={"WeightSymmetric": form.symmetric},
    )
    theirs = wm.initializers(onnx.load(tmp_path / "theirs.onnx"))
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert ours[name].shape == tensor.shape
        assert ours[name].tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{weight: s0.w}", "operands 2 and 3 or as none, and operand 3 is float32"),
        ("{weight: s0.r}", "operands 2 and 3 or as none, and operand 2 is float32"),
    ],
)
def test_one_weight_alone_stays_float_and_says_why(tmp_path: Path, rule: str, why: str) -> None:
    text = (
        "policy: 1\nname: p\noutputs:\n  q8: {compute: float32, weights: float32, io: float32}\n"
        f"rules:\n  - match: {rule}\n    weights: dynamic_int8\n    optional: true\n"
    )
    path = save(wm.build(SITES[:1]), tmp_path)
    done = run("--policy", policy(tmp_path, text), "-o", tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    model = onnx.load(tmp_path / "out" / "model_quantized.onnx")
    assert wm.operators(model) == ["LSTM"]
    name = rule.split()[1].rstrip("}")
    assert why in run("plan", "--policy", tmp_path / "p.yaml", "--why", name, path).stdout


def test_recurrences_that_are_no_constant_leave_the_weights_float(
    tmp_path: Path,
) -> None:
    site = _site("forward", 16, False)
    r = site.constants.pop("r")
    site.feeds["r"] = r
    model = wm.converted(tmp_path, [site], Format("dynamic_int8"))
    assert wm.operators(model) == ["LSTM"]
    done = run(
        "plan",
        "--policy",
        tmp_path / "p.yaml",
        "--why",
        "s0.w",
        tmp_path / "model.onnx",
    )
    assert "operand 3 is no constant" in done.stdout


def test_zero_points_of_gates_stay_float(tmp_path: Path) -> None:
    form = Format("dynamic_int8", symmetric=False, per_channel=True)
    model = wm.converted(tmp_path, SITES[:1], form)
    assert wm.operators(model) == ["LSTM"]
    done = run(
        "plan",
        "--policy",
        tmp_path / "p.yaml",
        "--why",
        "s0.r",
        tmp_path / "model.onnx",
    )
    assert "per_channel needs symmetric" in done.stdout


def test_batches_first_stay_float(tmp_path: Path) -> None:
    site = _site("forward", 16, False, layout=1)
    path = save(wm.build([site]), tmp_path)
    text = (
        "policy: 1\nname: p\n"
        "outputs:\n  q8: {compute: float32, weights: dynamic_int8, io: float32}\n"
    )
    done = run("plan", "--policy", policy(tmp_path, text), "--why", "s0.w", path)
    assert "layout 1" in done.stdout
