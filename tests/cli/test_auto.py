"""Where no policy is named, the model's family decides, and the program says so."""

import json
import re
from pathlib import Path

import onnx
import onnx.parser
import pytest
from onnxquant_tools.text_models import with_weights
from program import run

PLAIN = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 8] x) => (float[2, 8] y) <float[8, 8] w> { y = MatMul(x, w) }"""

# One layer of a decoder: POST stands between a branch and the stream that it joins.
DECODER = """<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int64[n] ids) => (float[n, 64] logits)
<float[64, 64] table, float[64] gain, float[64, 64] w, float[64, 64] head> {
  h0 = Gather(table, ids)
  n0 = SimplifiedLayerNormalization<axis = -1>(h0, gain)
  p = MatMul(n0, w)
  b0 = POST
  h1 = Add(h0, b0)
  n1 = SimplifiedLayerNormalization<axis = -1>(h1, gain)
  logits = MatMul(n1, head)
}"""
GEMMA = DECODER.replace("POST", "SimplifiedLayerNormalization<axis = -1>(p, gain)")
OTHER = DECODER.replace("POST", "Identity(p)")


def _write(folder: Path, text: str) -> Path:
    path = folder / "model.onnx"
    onnx.save(with_weights(onnx.parser.parse_model(text)), path)
    return path


@pytest.mark.parametrize(
    ("text", "policy", "dtypes"),
    [
        (PLAIN, "transformersjs", ["fp16", "q4f16"]),
        (OTHER, "llm-web", ["fp16", "q4", "q4f16", "q8"]),
        (GEMMA, "gemma-web", ["fp16", "q4", "q4f16", "q8"]),
    ],
)
def test_the_family_decides(tmp_path: Path, text: str, policy: str, dtypes: list[str]) -> None:
    model = _write(tmp_path, text)
    plan = run("plan", "--json", model)
    assert plan.returncode == 0, plan.stderr
    report = json.loads(plan.stdout)
    assert [output["dtype"] for output in report["outputs"]] == dtypes
    assert {output["policy"] for output in report["outputs"]} == {policy}
    assert report["policy_choice"] != ""
    done = run(model)
    assert done.returncode == 0, done.stderr
    assert f"policy {policy} ({report['policy_choice']}); writing " in done.stderr


def test_auto_is_what_holds_where_nothing_is_said(tmp_path: Path) -> None:
    model = _write(tmp_path, PLAIN)
    assert run("plan", model).stdout == run("plan", "--policy", "auto", model).stdout
    assert "policy transformersjs (it belongs to no family" in run("plan", model).stdout
    assert "family" not in run("plan", "--policy", "fp16", model).stdout


def test_dtypes_are_those_that_are_asked_for(tmp_path: Path) -> None:
    model = _write(tmp_path, PLAIN)
    report = json.loads(run("plan", "--json", "--dtype", "q8", model).stdout)
    assert [output["dtype"] for output in report["outputs"]] == ["q8"]
    unknown = run("plan", "--dtype", "q9", model)
    assert unknown.returncode == 1
    assert "q9" in unknown.stderr


def test_a_file_in_sixteen_bits_is_to_be_checked_first(tmp_path: Path) -> None:
    model = _write(tmp_path, PLAIN.replace("float[", "float16["))
    done = run(model)
    assert done.returncode == 1
    assert f"'onnxquant check {model}'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("texts", "policies"),
    [
        ({"encoder": PLAIN, "decoder": OTHER}, {"llm-web"}),
        ({"encoder": PLAIN, "vision": PLAIN}, {"transformersjs"}),
        ({"a": GEMMA, "b": GEMMA}, {"gemma-web"}),
        ({"encoder": PLAIN, "decoder": GEMMA}, {"llm-web"}),
    ],
)
def test_the_models_of_a_folder_get_one_policy(
    tmp_path: Path, texts: dict[str, str], policies: set[str]
) -> None:
    for name, text in texts.items():
        _write(tmp_path, text).rename(tmp_path / f"{name}.onnx")
    plan = run("plan", tmp_path)
    assert plan.returncode == 0, plan.stderr
    found = set(re.findall(r"\.onnx, policy ([\w-]+)", plan.stdout))
    assert found == policies
    assert ("together all get llm-web" in plan.stderr) == (policies == {"llm-web"})
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    for name in texts:
        types = {
            value.type.tensor_type.elem_type
            for value in onnx.load(tmp_path / f"{name}_fp16.onnx").graph.output
        }
        assert types <= {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
        if policies == {"llm-web"}:  # what Transformers.js passes on, and gives a decoder
            assert types == {onnx.TensorProto.FLOAT}


def test_of_a_file_that_is_named_for_a_dtype_that_one_is_written(tmp_path: Path) -> None:
    model = _write(tmp_path, PLAIN).rename(tmp_path / "model_quantized.onnx")
    report = json.loads(run("plan", "--json", model).stdout)
    assert [output["dtype"] for output in report["outputs"]] == ["q8"]


def test_what_is_made_of_a_language_model_without_its_head_is_one(tmp_path: Path) -> None:
    text = GEMMA.replace("logits = MatMul(n1, head)", "logits = Identity(n1)")
    model = _write(tmp_path, text)
    assert "policy llm-web (it is made of a language model" in run("plan", model).stdout
    text = text.replace("SimplifiedLayerNormalization", "LayerNormalization")
    assert "policy transformersjs" in run("plan", _write(tmp_path, text)).stdout
