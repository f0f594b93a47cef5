"""`--io`: the type of float inputs and outputs, in place of all that the policy says of them."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnxquant_tools.text_models import with_weights
from program import FP16, policy, run, save, small_model

HEADER = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>'
DECODER = f"""{HEADER}
g (int64[b, s] ids, float[b, 1, p, 8] past_k)
  => (float[b, s, 64] logits, float[b, 1, t, 8] present_k)
<float[64, 8] table, float[8, 64] head, int64[4] shape = {{0, 1, -1, 8}}> {{
  h = Gather(table, ids)
  k = Reshape(h, shape)
  present_k = Concat<axis = 2>(past_k, k)
  logits = MatMul(h, head)
}}"""
FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def _types(model: Path) -> dict[str, int]:
    graph = onnx.load(model, load_external_data=False).graph
    values = (*graph.input, *graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _plan(*arguments: str | Path) -> dict[str, Any]:
    done = run("plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize(("io", "elem_type"), [("float32", FLOAT), ("float16", HALF)])
def test_inputs_and_outputs_get_the_type_that_is_asked_for(
    tmp_path: Path, io: str, elem_type: int
) -> None:
    model = save(small_model(), tmp_path)
    done = run("--policy", policy(tmp_path), "--io", io, model)
    assert done.returncode == 0, done.stderr
    assert _types(tmp_path / "model_fp16.onnx") == {"x": elem_type, "y": elem_type}


def test_keep_leaves_each_as_in_the_model(tmp_path: Path) -> None:
    half = save(small_model(), tmp_path)
    assert run("--policy", policy(tmp_path), "--io", "float16", half).returncode == 0
    kept = run("--policy", "fp16", "--io", "keep", "-o", tmp_path / "kept.onnx", "--dtype", "fp16",
               tmp_path / "model_fp16.onnx")  # fmt: skip
    assert kept.returncode == 0, kept.stderr
    assert _types(tmp_path / "kept.onnx") == {"x": HALF, "y": HALF}


def test_the_reason_is_the_option_and_not_the_policy(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    (output,) = _plan("--policy", policy(tmp_path), "--io", "float16", model)["outputs"]
    assert output["values"][0]["why"] == ["--io sets io: float16"]
    assert not any("io:" in why for row in output["nodes"] for why in row["why"])


def _decoder(folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(with_weights(onnx.parser.parse_model(DECODER)), path)
    return path


def _io_of(report: dict[str, Any]) -> dict[str, str]:
    (output,) = report["outputs"]
    return {row["name"]: row["type"] for row in output["values"]}


def test_it_stands_in_place_of_rules_too_and_set_comes_after_it(tmp_path: Path) -> None:
    model = _decoder(tmp_path)
    text = FP16 + "rules:\n- {match: {role: kv_cache}, io: float16}\n"
    asked = ("--policy", policy(tmp_path, text), model)
    assert _io_of(_plan(*asked)) == {
        "past_k": "float16", "present_k": "float16", "logits": "float32"
    }  # fmt: skip
    assert set(_io_of(_plan("--io", "float32", *asked)).values()) == {"float32"}
    with_set = (
        "--io",
        "float32",
        "--set",
        "match: {role: kv_cache}, io: float16",
        *asked,
    )
    assert _io_of(_plan(*with_set))["past_k"] == "float16"


def test_logits_stay_float32_unless_a_rule_names_them(tmp_path: Path) -> None:
    asked = ("--policy", policy(tmp_path), "--io", "float16", _decoder(tmp_path))
    assert _io_of(_plan(*asked))["logits"] == "float32"
    named = _plan("--set", "match: {role: logits}, io: float16", *asked)
    assert _io_of(named)["logits"] == "float16"


def test_a_misspelt_type_is_named(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    failed = run("--policy", "fp16", "--io", "flaot16", model)
    assert failed.returncode == 1
    assert failed.stderr == (
        "onnxquant: --io: found 'flaot16'; expected float32, float16, bfloat16, keep; "
        "did you mean 'float16'?\n"
    )


def test_a_manifest_remembers_it(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    asked = ("--policy", policy(tmp_path), "--io", "float16")
    assert run("plan", *asked, "--manifest", tmp_path / "m.json", model).returncode == 0
    done = run("apply", "--manifest", tmp_path / "m.json")
    assert done.returncode == 0, done.stderr
    assert _types(tmp_path / "model_fp16.onnx") == {"x": HALF, "y": HALF}
