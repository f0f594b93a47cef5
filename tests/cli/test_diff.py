"""What `diff` sees beside weights: attributes, wiring, interfaces; and what it says in words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser
from program import run

HEAD = '<ir_version: 10, opset_import: ["": 21]> g (float[4,4] a, float[4,4] b) => (float[4,4] y)'


def _model(folder: Path, name: str, body: str, head: str = HEAD, named: bool = True) -> Path:
    model = parser.parse_model(f"{head} {{ {body} }}")
    for i, node in enumerate(model.graph.node):
        node.name = f"n{i}" if named else ""
    onnx.save(model, folder / name)
    return folder / name


def _diff(folder: Path, first: str, second: str, **options: Any) -> dict[str, Any]:
    one = _model(folder, "1.onnx", first, **options)
    done = run("diff", "--json", one, _model(folder, "2.onnx", second, **options))
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ("y = Softmax <axis = 0> (a)", "y = Softmax <axis = 1> (a)", "attribute axis"),
        ("y = Softmax <axis = 0> (a)", "y = Softmax (a)", "attribute axis"),
        ("y = Sub(a, b)", "y = Sub(b, a)", "inputs"),
        ("z = Neg(a) y = Abs(z)", "z = Neg(b) y = Abs(z)", "inputs"),
    ],
)
def test_models_that_compute_something_else_are_not_equal(
    first: str, second: str, where: str, named: bool, tmp_path: Path
) -> None:
    assert _diff(tmp_path, first, first, named=named)["equal"]
    found = _diff(tmp_path, first, second, named=named)
    assert not found["equal"]
    assert [row["differs_in"] for row in found["nodes"]] == [where]


def test_an_operator_under_the_same_name_is_named(tmp_path: Path) -> None:
    found = _diff(tmp_path, "y = Sub(a, b)", "y = Add(a, b)")
    assert found["nodes"] == [{"name": "n0", "differs_in": "operator"}]


def test_outputs_in_another_order_are_seen(tmp_path: Path) -> None:
    text = HEAD.replace("(float[4,4] y)", "(float[4,4] {}, float[4,4] {})")
    body = "y = Neg(a) z = Abs(b)"
    one = _model(tmp_path, "1.onnx", body, text.format("y", "z"))
    two = _model(tmp_path, "2.onnx", body, text.format("z", "y"))
    found = json.loads(run("diff", "--json", one, two).stdout)
    assert not found["equal"]
    assert found["interface"] == ["outputs: y, z and z, y"]
    assert "graph outputs: y, z and z, y" in run("diff", one, two).stdout


def test_equal_models_are_said_to_be_equal(tmp_path: Path) -> None:
    one = _model(tmp_path, "1.onnx", "y = Sub(a, b)")
    assert "the models are equal" in run("diff", one, one).stdout
    other = _model(tmp_path, "2.onnx", "y = Sub(b, a)")
    said = run("diff", one, other).stdout
    assert "equal" not in said.replace("0 weights are equal", "")
    assert "n0: inputs" in said


def _converted(exported: Path, policy: str, folder: Path, *options: str) -> Path:
    model = exported / "onnx" / "model.onnx"
    done = run("--policy", policy, *options, "--no-config", "-o", folder, model)
    assert done.returncode == 0, done.stderr
    return folder


def test_strings_are_compared(tmp_path: Path) -> None:
    def model(name: str, *words: str) -> Path:
        text = HEAD.replace("float[4,4] y", "bool[2] y").replace("float[4,4] b", "string[2] b")
        path = _model(tmp_path, name, "y = Equal(b, words)", text)
        proto = onnx.load(path)
        proto.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(words, dtype=object), "words")
        )
        onnx.save(proto, path)
        return path

    first = model("1.onnx", "one", "two")
    assert json.loads(run("diff", "--json", first, first).stdout)["equal"]
    found = json.loads(run("diff", "--json", first, model("2.onnx", "one", "too")).stdout)
    assert [row["name"] for row in found["weights"]] == ["words"]


def test_the_first_words_are_about_what_breaks_a_model(exported: Path, tmp_path: Path) -> None:
    right = _converted(exported, "gemma-web", tmp_path / "right") / "model_fp16.onnx"
    wrong = _converted(exported, "build-gemma", tmp_path / "wrong") / "model_fp16.onnx"
    said = run("diff", right, wrong).stdout
    start = f"A: {right}\nB: {wrong}\n\nwhat matters:\n- in B, all "
    assert said.startswith(start), said
    sentence = said.splitlines()[4]
    assert "residual sums run in float16 (A: float32); float16 ends at 65504" in sentence
    assert f"- {json.loads(run('diff', '--json', right, wrong).stdout)['summary'][0]}" == sentence


def test_a_scaled_stream_is_told_from_one_that_overflows(exported: Path, tmp_path: Path) -> None:
    rule = "match: {role: residual}, residual: {rescale: 5}"
    scaled = _converted(exported, "build-gemma", tmp_path, "--set", rule) / "model_fp16.onnx"
    found = json.loads(run("diff", "--json", exported / "onnx" / "model.onnx", scaled).stdout)
    assert any("of A times 2^-5" in sentence for sentence in found["summary"]), found["summary"]


def test_the_bytes_of_a_graph_add_up_to_its_file(exported: Path, tmp_path: Path) -> None:
    one = exported / "onnx" / "model.onnx"
    two = _converted(exported, "build-gemma", tmp_path) / "model_q4f16.onnx"
    found = json.loads(run("diff", "--json", one, two).stdout)["graph_bytes"]
    assert found["first"] == one.stat().st_size
    assert found["second"] == two.stat().st_size
    for side in ("first", "second"):
        assert sum(part[side] for part in found["parts"]) == found[side]
    nodes = next(part for part in found["parts"] if part["part"] == "operators")
    assert nodes["second_count"] == len(onnx.load(two, load_external_data=False).graph.node)
    table = run("diff", one, two).stdout
    assert f"together{one.stat().st_size:>,}" in table.replace(" ", "")


def test_files_that_differ_in_documentation_alone_are_equal_but_not_in_size(tmp_path: Path) -> None:
    one = _model(tmp_path, "1.onnx", "y = Sub(a, b)")
    two = _model(tmp_path, "2.onnx", "y = Sub(a, b)")
    model = onnx.load(two)
    model.doc_string = "x" * 100
    onnx.save(model, two)
    said = run("diff", one, two).stdout
    assert "102 more for documentation and metadata" in said
    assert said.endswith("0 weights are equal, 0 differ; the models are equal\n")
