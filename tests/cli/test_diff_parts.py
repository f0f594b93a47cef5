"""What `diff` compares beside nodes that a name tells apart.

The second of a name, functions, shapes, sparse constants, bodies' weights, opsets.
"""

import json
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper
from program import run

HEAD = '<ir_version: 10, opset_import: ["" : 21, "local" : 1]>\n'
GRAPH = HEAD + "g (float[4,4] a, float[4,4] b) => (float[4,4] y) {{ {} }}"
FUNCTION = (
    HEAD
    + """g (float[4,4] a, float[4,4] b) => (float[4,4] y) {{ y = local.F(a, b) }}
<domain: "local", opset_import: ["" : 21]> F (p, q) => (r) {{ {} }}"""
)


def _model(path: Path, text: str, names: list[str] | None = None) -> Path:
    model = onnx.parser.parse_model(text)
    for node, name in zip(model.graph.node, names or [], strict=False):
        node.name = name
    onnx.save(model, path)
    return path


def _diff(folder: Path, first: str, second: str, names: list[str] | None = None) -> dict[str, Any]:
    one = _model(folder / "1.onnx", first, names)
    assert json.loads(run("diff", "--json", one, one).stdout)["equal"]
    done = run("diff", "--json", one, _model(folder / "2.onnx", second, names))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["equal"]
    return found


def test_the_second_of_two_nodes_with_one_name_is_compared(tmp_path: Path) -> None:
    body = "u = Sub(a, b) v = Sub({}) y = Sub(u, v)"
    found = _diff(
        tmp_path,
        GRAPH.format(body.format("a, u")),
        GRAPH.format(body.format("u, a")),
        ["n", "n", "last"],
    )
    assert found["nodes"] == [{"name": "n (2)", "differs_in": "inputs"}]


def test_bodies_of_functions_are_compared(tmp_path: Path) -> None:
    found = _diff(tmp_path, FUNCTION.format("r = Sub(p, q)"), FUNCTION.format("r = Sub(q, p)"))
    assert found["nodes"] == [{"name": "local::F: 'r' of Sub", "differs_in": "inputs"}]
    found = _diff(tmp_path, FUNCTION.format("r = Sub(p, q)"), FUNCTION.format("r = Add(p, q)"))
    assert found["only_first_nodes"] == ["local::F: 'r' of Sub"]
    assert found["only_second_nodes"] == ["local::F: 'r' of Add"]


def test_functions_that_one_model_lacks_or_declares_otherwise_are_named(
    tmp_path: Path,
) -> None:
    whole = FUNCTION.format("r = Sub(p, q)")
    call = "y = local.F(a, b)"
    without = GRAPH.format("y = Sub(a, b)")
    found = _diff(tmp_path, whole.replace(call, "y = Sub(a, b)"), without)
    assert found["functions"] == [{"name": "local::F", "differs_in": "only in the first"}]
    other = whole.replace("(p, q) => (r)", "(p, s) => (r)").replace("Sub(p, q)", "Sub(p, s)")
    found = _diff(tmp_path, whole, other)
    assert found["functions"] == [{"name": "local::F", "differs_in": "inputs"}]
    said = run("diff", tmp_path / "1.onnx", tmp_path / "2.onnx").stdout
    assert "functions that differ (1):\n  local::F: inputs" in said


@pytest.mark.parametrize(("value", "input_"), [("a", True), ("y", False)])
def test_shapes_of_inputs_and_outputs_are_compared(
    value: str, input_: bool, tmp_path: Path
) -> None:
    first = GRAPH.format("y = Sub(a, b)")
    second = first.replace(f"float[4,4] {value}", f"float[n,4] {value}")
    found = _diff(tmp_path, first, second)
    assert found["shapes"] == [
        {"value": value, "input": input_, "first": "[4, 4]", "second": "[n, 4]"}
    ]
    kind = "input" if input_ else "output"
    assert f"{kind} '{value}' is [n, 4] in B (A: [4, 4])" in found["summary"]


def test_sparse_constants_are_compared(tmp_path: Path) -> None:
    def model(name: str, *values: float) -> Path:
        path = _model(tmp_path / name, GRAPH.format("y = Sub(a, s)"))
        proto = onnx.load(path)
        sparse = proto.graph.sparse_initializer.add()
        sparse.values.CopyFrom(helper.make_tensor("s", TensorProto.FLOAT, [2], values))
        sparse.indices.CopyFrom(helper.make_tensor("", TensorProto.INT64, [2], [0, 5]))
        sparse.dims.extend([4, 4])
        onnx.save(proto, path)
        return path

    first = model("1.onnx", 1, 2)
    assert json.loads(run("diff", "--json", first, first).stdout)["equal"]
    found = json.loads(run("diff", "--json", first, model("2.onnx", 1, 3)).stdout)
    assert [row["name"] for row in found["weights"]] == ["s"]
    assert found["weights"][0]["first"] == "sparse float32 [4, 4]"


def test_weights_of_one_name_in_two_bodies_are_compared(tmp_path: Path) -> None:
    text = (
        HEAD
        + """g (bool c, float[4] a) => (float[4] y) {{ y = If(c) <
 then_branch = t () => (float[4] u) <float[4] w = {{1, 2, 3, 4}}> {{ u = Add(a, w) }},
 else_branch = e () => (float[4] v) <float[4] w = {{5, 6, 7, {}}}> {{ v = Mul(a, w) }}> }}"""
    )
    found = _diff(tmp_path, text.format(8), text.format(9))
    assert [row["name"] for row in found["weights"]] == ["w (2)"]
    assert found["equal_weights"] == 1


def test_an_opset_that_one_model_alone_imports_is_named(tmp_path: Path) -> None:
    first = GRAPH.format("y = Sub(a, b)")
    found = _diff(tmp_path, first, first.replace(', "local" : 1', ""))
    assert found["opsets"] == ["local: 1 and none"]
