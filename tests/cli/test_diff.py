"""What `diff` sees beside weights: attributes, wiring, what the graph takes and gives."""

import json
from pathlib import Path
from typing import Any

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
