"""The reasons that a plan gives: each of them did what it is named for, and the last decided."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import weight_models as wm
import weight_sites as ws
from onnx import TensorProto, helper, numpy_helper
from program import policy, run, save, small_model
from weight_models import Format, Site

READERS = "MatMul, Gemm, Einsum, Conv, Gather, com.microsoft::MoE may"
POLICIES = ["fp16", "bf16", "q4", "q4f16", "gemma-safe", "gemma-web", "gemma-small", "repair"]


def plans(model: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    """Return the outputs of `plan --json`."""
    done = run("plan", *arguments, "--json", model)
    assert done.returncode == 0, done.stderr
    outputs: list[dict[str, Any]] = json.loads(done.stdout)["outputs"]
    return outputs


def _last(why: list[str], field: str) -> str:
    """Return what the last reason that speaks of a field makes of it."""
    said = ""
    for reason in why:
        # "residual: float32" speaks of sums alone, and stands only where there is one.
        found = re.search(rf"\b{field}: ([^,]*(?:, [^:]*(?=$))?)", reason.split(" sets ")[-1])
        if found:
            said = found[1]
        elif field == "compute" and "sets residual: float32" in reason:
            said = "float32"
        elif field == "compute" and (operator := re.match(r"the operator sets (\w+):", reason)):
            said = operator[1]
    return said


def _expect_the_last_reason_decides(output: dict[str, Any]) -> None:
    for node in output["nodes"]:
        said = _last(node["why"], "compute")
        assert said in (node["compute"], "source"), node
    for tensor in output["tensors"]:
        why = [reason for reason in tensor["why"] if " sets values: " not in reason]
        said = _last(why, "weights")
        if tensor["format"] == "computed":
            assert " sets rope_cache: computed" in why[-1], tensor
            continue
        if tensor["left"]:
            assert tensor["left"] in why[-1]
        assert said in (tensor["format"], "source") or "keep: true" in why[-1], tensor
    for value in output["values"]:
        assert _last(value["why"], "io") in (value["type"], "source"), value


@pytest.mark.parametrize("name", POLICIES)
def test_the_last_reason_says_what_a_thing_becomes(exported: Path, name: str) -> None:
    for output in plans(exported / "onnx" / "model.onnx", "--policy", name):
        assert output["nodes"]
        _expect_the_last_reason_decides(output)


@pytest.mark.parametrize(
    ("before", "name"),
    [("gemma-safe", name) for name in POLICIES]
    + [("gemma-small", name) for name in POLICIES if not name.startswith("gemma")],
)
def test_it_does_for_what_has_been_converted_before(
    exported: Path, tmp_path: Path, before: str, name: str
) -> None:
    source = exported / "onnx" / "model.onnx"
    done = run("--policy", before, "-o", tmp_path, "--dtype", "q4f16", source)
    assert done.returncode == 0, done.stderr
    converted = (tmp_path / "model_q4f16.onnx").rename(tmp_path / "other.onnx")
    for output in plans(converted, "--policy", name):
        assert not any(t["left"] for t in output["tensors"] if t["name"].endswith("_scales"))
        _expect_the_last_reason_decides(output)


def _planned(folder: Path, model: onnx.ModelProto, fields: str, *rules: str) -> dict[str, Any]:
    lines = "".join(f"  - {{{rule}, optional: true}}\n" for rule in rules)
    text = f"policy: 1\nname: p\noutputs:\n  q4f16: {{{fields}}}\n" + (lines and f"rules:\n{lines}")
    (output,) = plans(save(model, folder), "--policy", policy(folder, text))
    _expect_the_last_reason_decides(output)
    return output


def _why(output: dict[str, Any], kind: str, name: str) -> list[list[str]]:
    return [row["why"] for row in output[kind] if row["name"] == name]


HALVES = "compute: float16, weights: float16, io: float16"
CODES = "compute: float16, weights: int4, io: float16"


def test_a_rule_is_a_reason_for_what_it_sets_alone(tmp_path: Path) -> None:
    rules = ["weights: float32", "compute: float32", "io: float32", "accuracy_level: 4"]
    for rule in rules:
        output = _planned(tmp_path, small_model(), HALVES, f"match: {{name: '*'}}, {rule}")
        for kind, field, name in [
            ("tensors", "weights", "w1"),
            ("nodes", "compute", "relu"),
            ("values", "io", "x"),
        ]:
            (why,) = _why(output, kind, name)
            named = any(reason.startswith("rule") for reason in why)
            assert named == (rule.startswith(field) or (name, rule) == ("w1", "compute: float32"))


def test_each_copy_of_a_weight_has_reasons_of_its_own(tmp_path: Path) -> None:
    output = _planned(
        tmp_path,
        wm.build([ws.shared(256)]),
        CODES,
        "match: {op: Gather}, weights: float32",
        "match: {op: MatMul}, weights: int8",
    )
    copies = {row["format"]: row["why"][-1] for row in output["tensors"]}
    assert set(copies) == {"float32", "int8 block 32 symmetric"}
    assert copies["float32"].endswith("sets weights: float32")
    assert copies["int8 block 32 symmetric"].endswith("sets weights: int8 block 32 symmetric")


def test_a_format_that_does_not_fit_is_not_the_last_word(tmp_path: Path) -> None:
    pile = ws.single("MatMul", (2, 32, 5), x=(2, 3, 32))
    output = _planned(tmp_path, wm.build([pile]), HALVES, "match: {op: MatMul}, weights: int8")
    (why,) = _why(output, "tensors", "s0.w")
    assert why[-1].startswith("what codes cannot hold (of 3 dimensions; a product's codes are")
    assert why[-1].endswith("sets weights: float16")


def test_a_stored_type_decides_over_a_rule_on_the_arithmetic(tmp_path: Path) -> None:
    table = ws.single("Gather", (8, 32))
    rules = ["match: {op: Gather}, compute: float32", "match: {op: Gather}, weights: float16"]
    output = _planned(tmp_path, wm.build([table]), HALVES, *rules)
    (why,) = _why(output, "nodes", "s0.y.Gather")
    assert why[-1] == "the stored form of what it reads sets compute: float16"


def test_an_input_with_a_default_value_keeps_its_type_by_that_alone(tmp_path: Path) -> None:
    model = small_model()
    model.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [48]))
    output = _planned(tmp_path, model, HALVES, "match: {name: bias}, io: float16")
    (why,) = _why(output, "values", "bias")
    assert why == ["the value that the model has for it sets io: float32"]


def test_rules_on_weights_are_no_reason_for_scalars(tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    scalar = Site([node], np.array([3], np.float32), {"x": np.ones((2, 2), np.float32)})
    output = _planned(tmp_path, wm.build([scalar]), HALVES, "match: {op: Mul}, weights: float32")
    (why,) = _why(output, "tensors", "s0.w")
    assert not any(reason.startswith("rule") for reason in why)
    assert output["tensors"][0]["format"] == "float16"


def _left(folder: Path, *weights: tuple[int, ...]) -> onnx.ModelProto:
    """Return sums with constants of these shapes, which no format holds, and one product."""
    nodes, constants = [], []
    for i, shape in enumerate(weights):
        op = ["Add", "Mul", "Sub", "Div", "Max", "Min", "PRelu"][i % 7]
        nodes.append(helper.make_node(op, ["x", f"c{i}"], [f"y{i}"]))
        constants.append(numpy_helper.from_array(np.full(shape, 0.5 + i, np.float32), f"c{i}"))
    nodes.append(helper.make_node("MatMul", ["x", "m"], ["y"]))
    constants.append(numpy_helper.from_array(np.full((256, 256), 0.1, np.float32), "m"))
    outputs = [helper.make_tensor_value_info(n.output[0], 1, None) for n in nodes]
    x = helper.make_tensor_value_info("x", 1, [1, 256])
    graph = helper.make_graph(nodes, "left", [x], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_weights_that_stay_floats_are_listed_by_reason_the_largest_first(tmp_path: Path) -> None:
    shapes = [(100, 256), (300, 256), (200, 256), (62, 256), *[(100, 256)] * 4]
    path = save(_left(tmp_path, *shapes), tmp_path)
    shown = [
        "q4: codes were asked for, and 7 weights stay in floats, 1.0 MB:",
        f"  307.2 kB: 'c1': no Mul reads int4; {READERS}",
        f"  204.8 kB: 'c0' and 1 more: no Add reads int4; {READERS}",
        f"  204.8 kB: 'c2': no Sub reads int4; {READERS}",
        f"  102.4 kB: 'c4': no Max reads int4; {READERS}",
        f"  102.4 kB: 'c5': no Min reads int4; {READERS}",
        "  and 1 more reason; --verbose says all",
    ]
    for command in (["plan"], ["--force"]):
        done = run(*command, "--policy", "q4", path)
        assert done.returncode == 0, done.stderr
        assert "\n".join(shown) + "\n" in done.stdout
        done = run(*command, "--policy", "q4", "--verbose", path)
        assert "and 8 weights stay in floats" in done.stdout
        assert "  204.8 kB: 'c0' 102.4 kB, 'c7' 102.4 kB: no Add reads" in done.stdout
        assert "  63.5 kB: 'c3' 63.5 kB: no Div reads" in done.stdout
    done = run("--force", "--quiet", "--policy", "q4", path)
    assert (done.stdout, done.stderr) == ("", "")
    (output,) = plans(path, "--policy", "q4")
    left = {row["name"]: row["left"] for row in output["tensors"]}
    assert left.pop("m") == ""
    assert left["c3"] == f"no Div reads int4; {READERS}"
    assert all(left.values())


def test_what_a_rule_stores_as_floats_is_not_listed(tmp_path: Path) -> None:
    path = save(_left(tmp_path, (300, 256)), tmp_path)
    rule = "match: {op: Mul}, weights: float16, optional: true"
    done = run("plan", "--policy", "q4", "--set", "match: {op: Add}, weights: float32", path)
    assert done.returncode == 0, done.stderr
    assert "stay" not in done.stdout
    done = run("plan", "--policy", "q4", "--set", rule, path)
    assert "307.2 kB: 'c0'" in done.stdout


def _warnings(folder: Path, model: onnx.ModelProto, name: str) -> str:
    done = run("--force", "--policy", name, "-o", folder / "out", save(model, folder))
    assert done.returncode == 0, done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("done in ")
    return "\n".join(line for line in before if line.startswith("warning: "))


def test_an_output_that_codes_do_not_shrink_says_so(tmp_path: Path) -> None:
    pile = wm.build([ws.single("MatMul", (2, 32, 5), x=(2, 3, 32))])
    assert _warnings(tmp_path, pile, "q4f16") == (
        "warning: q4f16: no weight is in codes: "
        "the weights take 640 bytes, and as float16 they would take 640"
    )
    assert "no weight is in codes" in _warnings(tmp_path, pile, "q4")
    assert _warnings(tmp_path, pile, "fp16") == ""
    assert _warnings(tmp_path, small_model(), "q4f16") == ""
    short = wm.build([ws.single("MatMul", (3, 4), x=(2, 3))])
    assert "codes save nothing: the weights take 72 bytes" in _warnings(tmp_path, short, "q4f16")


def test_a_model_that_comes_in_codes_is_not_said_to_have_none(tmp_path: Path) -> None:
    site = ws.single("MatMul", (64, 8), x=(2, 64))
    model = wm.converted(tmp_path, [site], Format("int4"))
    model.graph.initializer.append(numpy_helper.from_array(np.full((9, 8), 0.5, np.float32), "v"))
    model.graph.node.append(helper.make_node("Add", ["s0.y", "v"], ["z"]))
    model.graph.output.append(helper.make_tensor_value_info("z", 1, None))
    assert _warnings(tmp_path, model, "q4") == ""
