"""Mixtures of experts whose tables are in blocks of codes (QMoE)."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import weight_models as wm
from onnx import helper
from program import policy, run, save
from weight_models import Array, Format, Site

EXPERTS, HIDDEN, INNER = 4, 128, 256
FORMS = [
    Format("int4", 16),
    Format("int4", 32),
    Format("int4", 64),
    Format("int4", 16, symmetric=False),
    Format("int4", 32, symmetric=False),
    Format("int8", 16, symmetric=False),
    Format("int8", 32),
    Format("int8", 32, symmetric=False, source="float16"),
]


def _table(random: np.random.Generator, rows: int, columns: int) -> Array:
    """Return tables with a row of zeros, one of negative zeros, and a block of them."""
    table = random.normal(0, 0.1, (EXPERTS, rows, columns)).astype(np.float32)
    table[0, 1] = 0
    table[1, 2] = -0.0
    table[2, 3] = 1e-42  # no scale stands for it
    table[3, 4, :32] = 0
    return table


def _site(
    activation: str = "silu", biases: bool = False, batches: bool = False, **says: Any
) -> Site:
    random = np.random.default_rng(len(activation))
    fused = 2 if activation == "swiglu" else 1
    constants = {"second": _table(random, HIDDEN, INNER)}
    names = ["x", "router", "w", "", "second"]
    if biases:
        constants["b1"] = random.normal(0, 0.1, (EXPERTS, fused * INNER)).astype(np.float32)
        constants["b2"] = random.normal(0, 0.1, (EXPERTS, HIDDEN)).astype(np.float32)
        names = ["x", "router", "w", "b1", "second", "b2"]
    says = {"k": 2, "normalize_routing_weights": 1, "activation_type": activation} | says
    node = helper.make_node("MoE", names, ["y"], None, None, "com.microsoft", None, **says)
    feeds = {
        "x": wm.activations(random, *((2, 3) if batches else (6,)), HIDDEN),
        "router": random.normal(0, 1, (6, EXPERTS)).astype(np.float32),
    }
    return Site([node], _table(random, fused * INNER, HIDDEN), feeds, True, constants)


SITES = [
    _site(),
    _site("gelu", biases=True, batches=True),
    _site("swiglu", biases=True, swiglu_fusion=1, activation_alpha=1.7, swiglu_limit=7.0),
    _site("swiglu", swiglu_fusion=1),
    _site("relu", k=1),
    _site("silu", k=1, normalize_routing_weights=0),
    _site("gelu", batches=True, k=3, normalize_routing_weights=0),
]


def _stored(parts: dict[str, Array], name: str, form: Format, table: Array) -> Array:
    """Return what the codes of a table stand for, after a look at their dims and distance."""
    experts, rows, columns = table.shape
    blocks = columns // form.block
    codes = parts[name + wm.CODES[form.bits]]
    scales = parts[f"{name}_scales"]
    assert codes.shape == (experts, rows, columns * form.bits // 8)
    assert scales.shape == (experts, rows, blocks)
    if not form.symmetric:
        points = parts[f"{name}_zero_points"]
        assert points.shape == (experts, rows, blocks * form.bits // 8)
        points = points.reshape(experts * rows, -1)
    flat = Site([helper.make_node("Gather", [], [])], table.reshape(-1, columns), {}, True)
    of_rows = {
        f"{name}{wm.CODES[form.bits]}": codes.reshape(experts * rows, -1),
        f"{name}_scales": scales.reshape(experts * rows, -1),
    }
    if not form.symmetric:
        of_rows[f"{name}_zero_points"] = points
    stored = wm.from_blocks(of_rows, name, form, flat)
    weight = flat.weight
    if form.source == "float16":
        weight = weight.astype(np.float16).astype(np.float32)
    # A scale that was rounded to float16 moves the last code by a part of a step.
    half_a_step = 0.501 + (2.0 ** (form.bits - 11) if scales.dtype == np.float16 else 0)
    allowed = half_a_step + np.where(stored.clipped & form.symmetric, 0.5, 0)
    assert np.all(np.abs(stored.values - weight) <= allowed * stored.steps + 1e-12)
    return stored.values.reshape(table.shape)


def _compare(model: onnx.ModelProto, sites: list[Site], form: Format, most: float) -> None:
    """Compare with a MoE of the floats that are stored."""
    parts = wm.initializers(model)
    floats = []
    for i, site in enumerate(sites):
        first = _stored(parts, f"s{i}.w", form, site.weight)
        second = _stored(parts, f"s{i}.second", form, site.constants["second"])
        floats.append(
            Site(site.nodes, first, site.feeds, True, site.constants | {"second": second})
        )
    wm.expect_equal(wm.results(model, sites), wm.results(wm.build(floats), floats), most)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_experts_give_what_their_stored_tables_stand_for(tmp_path: Path, form: Format) -> None:
    model = wm.converted(tmp_path, SITES, form)
    ops = wm.operators(model)
    count = len(SITES)
    assert (ops.count("QMoE"), ops.count("Softmax"), len(ops)) == (count, 2, count + 2)
    _compare(model, SITES, form, 1e-6)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_experts_in_halves_give_what_their_stored_tables_stand_for(
    tmp_path: Path, form: Format
) -> None:
    model = wm.converted(tmp_path, SITES, form, "float16")
    assert wm.operators(model).count("QMoE") == len(SITES)
    assert wm.initializers(model)["s0.w_scales"].dtype == np.float16
    _compare(model, SITES, form, 4e-3)


@pytest.mark.parametrize("method", ["nearest", "search"])
def test_codes_of_experts_are_chosen_by_the_method_that_a_policy_names(
    tmp_path: Path, method: str
) -> None:
    site = SITES[0]
    text = (
        "policy: 1\nname: p\noutputs:\n"
        f"  q4: {{compute: float32, weights: int4, io: float32, method: {method}}}\n"
    )
    done = run("--policy", policy(tmp_path, text), save(wm.build([site]), tmp_path))
    assert done.returncode == 0, done.stderr
    parts = wm.initializers(onnx.load(tmp_path / "model_q4.onnx"))
    flat = Site([helper.make_node("Gather", [], [])], site.weight.reshape(-1, HIDDEN), {}, True)
    rows = {
        f"s0.w{suffix}": parts[f"s0.w{suffix}"].reshape(len(flat.weight), -1)
        for suffix in ("_Q4", "_scales")
    }
    values = wm.from_blocks(rows, "s0.w", Format("int4"), flat).values
    error = np.linalg.norm(values - flat.weight) / np.linalg.norm(flat.weight)
    assert (error < 0.085) == (method == "search"), error


def _why(folder: Path, form: Format, site: Site) -> str:
    """Convert a site that does not fit, look that it is as it was, and return the reason."""
    model = wm.converted(folder, [site], form)
    assert [op for op in wm.operators(model) if op != "Cast"] == ["MoE"]
    said = run("plan", "--policy", folder / "p.yaml", "--why", "s0.w", folder / "model.onnx")
    return said.stdout


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (Format("int4", 256), "its rows of 128 are no multiple of 256, a block"),
        (Format("int4", 128, symmetric=False), "its rows of 128 are no multiple of 256, blocks"),
        (Format("int8", 128), "its rows of 128 are one block, which QMoE takes for none"),
        (Format("int8", 128, symmetric=False), "its rows of 128 are one block"),
        (Format("int2"), "no com.microsoft::MoE reads int2"),
        (Format("dynamic_uint8"), "no com.microsoft::MoE reads dynamic_uint8"),
    ],
    ids=str,
)
def test_tables_that_do_not_fit_stay_floats_and_say_why(
    tmp_path: Path, form: Format, reason: str
) -> None:
    assert reason in _why(tmp_path, form, SITES[0])


def test_tables_are_in_codes_together_or_stay_floats(tmp_path: Path) -> None:
    site = _site()
    inner = 8  # the second table's rows are shorter than a block
    site.weight = site.weight[:, :inner].copy()
    site.constants["second"] = site.constants["second"][:, :, :inner].copy()
    form = Format("int4")
    assert "operands 3 and 5 or as none" in _why(tmp_path, form, site)
    said = run(
        "plan", "--policy", tmp_path / "p.yaml", "--why", "s0.second", tmp_path / "model.onnx"
    )
    assert "its rows of 8 are no multiple of 32" in said.stdout


def test_a_third_table_leaves_all_floats(tmp_path: Path) -> None:
    site = _site()
    site.nodes[0].input.extend(["", "third"])
    site.constants["third"] = site.weight.copy()
    assert "its MoE has a third table" in _why(tmp_path, Format("int4"), site)


def test_sparse_routing_that_is_not_normalized_leaves_all_floats(tmp_path: Path) -> None:
    site = _site(normalize_routing_weights=0, use_sparse_mixer=1)
    assert "(use_sparse_mixer)" in _why(tmp_path, Format("int4"), site)


@pytest.mark.parametrize("name", ["q4", "q4f16"])
def test_built_in_policies_store_experts_in_codes(tmp_path: Path, name: str) -> None:
    path = save(wm.build(SITES[:1]), tmp_path)
    done = run("--policy", name, "-o", tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    written = sum(file.stat().st_size for file in (tmp_path / "out").iterdir())
    source = sum(file.stat().st_size for file in tmp_path.glob("model.onnx*"))
    assert written < 0.2 * source
