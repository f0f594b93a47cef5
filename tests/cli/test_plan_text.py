"""What `plan` and `inspect` print for people: layers that are alike in one line, and warnings."""

import json
import re
from pathlib import Path

import pytest
from program import policy, run, save, small_model

BF16 = "policy: 1\nname: p\noutputs:\n  bf16: {compute: bfloat16, weights: bfloat16, io: float32}\n"


def _cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def _rows(text: str, title: str) -> list[list[str]]:
    """Return the cells of the first table whose head begins so."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if _cells(line)[0] == title)
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return [_cells(line) for line in lines[start + 2 : end]]


def test_layers_that_are_decided_alike_are_one_line(exported: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    layers = json.loads(run("inspect", "--json", model).stdout)["layers"]
    said = run("plan", "--policy", "gemma-web", "--dtype", "q4f16", model)
    assert said.returncode == 0, said.stderr
    rows = {row[0]: row for row in _rows(said.stdout, "tensor")}
    row = rows["model.layers.*.attn.q_proj.MatMul.weight"]
    assert row[2:4] == ["q_proj", f"0-{layers - 1}"]
    whole = run("plan", "--policy", "gemma-web", "--dtype", "q4f16", "--all", model)
    single = [
        cells
        for cells in _rows(whole.stdout, "tensor")
        if cells[0].endswith("q_proj.MatMul.weight")
    ]
    assert [cells[3] for cells in single] == [str(layer) for layer in range(layers)]
    together = sum(int(cells[-1].replace(",", "")) for cells in single)
    assert int(row[-1].replace(",", "")) == together


def test_layers_that_differ_have_lines_of_their_own(exported: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    rule = "match: {role: v_proj, layer: 0}, weights: float16"
    said = run("plan", "--policy", "gemma-web", "--dtype", "q4f16", "--set", rule, model)
    rows = _rows(said.stdout, "tensor")
    found = {row[3]: row[4] for row in rows if row[2] == "v_proj"}
    assert found.pop("0") == "float16"
    assert all(stored.startswith("int") for stored in found.values()), found


def test_inspect_folds_caches_and_weights(exported: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    layers = json.loads(run("inspect", "--json", model).stdout)["layers"]
    said = run("inspect", model).stdout
    inputs = {row[0]: row for row in _rows(said, "input")}
    assert inputs["past_key_values.*.key"][-2:] == ["kv_cache", f"0-{layers - 1}"]
    weights = {row[0]: row for row in _rows(said, "weight")}
    assert weights["model.layers.*.mlp.up_proj.MatMul.weight"][-1] == f"0-{layers - 1}"
    whole = run("inspect", "--all", model).stdout
    assert "past_key_values.0.key" in whole
    assert "model.layers.0.mlp.up_proj.MatMul.weight" in whole


def test_the_json_has_a_row_for_each_tensor_either_way(exported: Path) -> None:
    asked = (
        "plan",
        "--policy",
        "gemma-web",
        "--json",
        exported / "onnx" / "model.onnx",
    )
    assert run(*asked).stdout == run(*asked, "--all").stdout


@pytest.mark.parametrize("flag", [(), ("--all",), ("-q",)])
def test_the_plan_has_the_warnings_of_its_json(tmp_path: Path, flag: tuple[str, ...]) -> None:
    model = save(small_model(), tmp_path)
    asked = ("plan", "--policy", policy(tmp_path, BF16), model)
    (output,) = json.loads(run(*asked, "--json").stdout)["outputs"]
    assert any("runs neither on" in warning for warning in output["warnings"])
    said = run(*asked, *flag).stdout
    for warning in output["warnings"]:
        assert f"warning: bf16: {warning}" in said


def test_why_explains_all_whose_names_fit_a_glob(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    asked = ("plan", "--policy", "fp16", model, "--why")
    said = run(*asked, "w*")
    assert said.returncode == 0, said.stderr
    assert "tensor 'w1'" in said.stdout
    assert "tensor 'w2'" in said.stdout
    assert "tensor 'bias'" not in said.stdout
    failed = run(*asked, "v*")
    assert failed.returncode == 1
    assert "'v*' is no float tensor" in failed.stderr
