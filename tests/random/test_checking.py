"""Each check catches a model that is broken in its way, and passes one that is not."""

from __future__ import annotations

from collections.abc import Callable

import checking
import numpy as np
import onnx
import pytest
import structure
from checking import FLOAT, HALF
from conftest import Seeded
from onnx import helper, numpy_helper
from onnxquant_tools.retyping import TYPES
from onnxquant_tools.walking import all_graphs, all_nodes
from random_graphs import MIXED, SOURCES, Case, make_case

Change = Callable[[onnx.ModelProto], None]

BEFORE = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x, bool c) => (float[2] y)
   <float[2] w = {1, 2}, float[2] unused = {1, 2}>
{
   [first] a = Mul (x, w)
   [gone] d = Exp (a)
   [branch] y = If (c) <
      then_branch = t () => (float[2] p) { [inner] p = Sqrt (a) },
      else_branch = e () => (float[2] q) { [inner] q = Neg (a) }
   >
}"""

AFTER = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x, bool c) => (float[2] y)
   <float16[2] w = {15360, 16384}>
{
   [to_half] x_half = Cast <to = 10> (x)
   [first] a = Mul (x_half, w)
   [branch] y_half = If (c) <
      then_branch = t () => (float16[2] p) { [inner] p = Sqrt (a) },
      else_branch = e () => (float16[2] q) { [inner] q = Neg (a) }
   >
   [to_float] y = Cast <to = 1> (y_half)
}"""


def _after() -> onnx.ModelProto:
    return onnx.parser.parse_model(AFTER)


def _say(change: Change, io: int = FLOAT) -> str:
    """Return what the structure's check says of the converted model with a change."""
    model = _after()
    change(model)
    with pytest.raises(Exception) as caught:
        checking.check_structure(onnx.parser.parse_model(BEFORE), model, io)
    return str(caught.value)


def _cast(source: str, output: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [output], to=to)


def test_a_good_conversion_passes() -> None:
    checking.check_structure(onnx.parser.parse_model(BEFORE), _after(), FLOAT)


def test_a_wrong_type_inside_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(2, np.float32), "w"))

    assert "Mul" in _say(change)


def test_a_wrong_declaration_of_an_output_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[-1].attribute[0].i = HALF
        model.graph.output[0].type.tensor_type.elem_type = HALF

    assert "declared" in _say(change)


def test_an_input_that_kept_its_type_is_found_where_it_should_be_half() -> None:
    assert "declared" in _say(lambda model: None, io=HALF)


def test_a_repeated_node_name_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].name = "first"

    assert "several nodes are named first" in _say(change)


def test_a_name_in_more_nodes_than_before_is_found_across_branches() -> None:
    def change(model: onnx.ModelProto) -> None:
        body = next(item for item in all_graphs(model.graph) if item.name == "t")
        body.node[0].name = "first"

    assert "several nodes are named first" in _say(change)


def test_a_node_that_nothing_reads_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Exp", ["a"], ["unread"]))

    assert "the node that makes unread is read by nothing" in _say(change)


def test_a_node_that_nothing_reads_is_found_in_a_body() -> None:
    def change(model: onnx.ModelProto) -> None:
        body = next(item for item in all_graphs(model.graph) if item.name == "e")
        body.node.append(helper.make_node("Exp", ["a"], ["unread"]))

    assert "the node that makes unread is read by nothing" in _say(change)


def test_an_initializer_that_nothing_reads_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.ones(2), "unused"))

    assert "initializer unused is read by nothing" in _say(change)


def test_an_initializer_that_nothing_reads_is_found_in_a_body() -> None:
    def change(model: onnx.ModelProto) -> None:
        body = next(item for item in all_graphs(model.graph) if item.name == "e")
        body.initializer.append(numpy_helper.from_array(np.ones(2), "unused"))

    assert "initializer unused is read by nothing" in _say(change)


def test_a_cast_to_its_own_type_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.insert(2, _cast("a", "a_again", HALF))
        for node in all_nodes(model.graph):
            if node.op_type == "Sqrt":
                node.input[0] = "a_again"

    assert "useless Cast a_again" in _say(change)


def test_a_pair_of_casts_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.insert(2, _cast("a", "wide", FLOAT))
        model.graph.node.insert(3, _cast("wide", "narrow", HALF))
        for node in all_nodes(model.graph):
            if node.op_type == "Sqrt":
                node.input[0] = "narrow"

    assert "useless Cast narrow: casts back" in _say(change)


def test_a_pair_of_casts_that_is_meant_to_round_is_no_fault() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]>
    g (float[2] x) => (float[2] y) { h = Cast <to = 10> (x)  y = Cast <to = 1> (h) }"""
    model = onnx.parser.parse_model(text)
    before = onnx.parser.parse_model(BEFORE)
    assert structure.useless_casts(model, before, ()) == ["y: casts back what h was cast from"]
    assert structure.useless_casts(model, before, ["h"]) == []


def test_a_repeated_cast_is_found() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.insert(1, _cast("x", "x_half_2", HALF))
        model.graph.node[2].input[0] = "x_half"
        model.graph.node[2].op_type = "Mul"
        model.graph.node[2].input[1] = "x_half_2"
        model.graph.ClearField("initializer")

    assert "a second Cast of x" in _say(change)


def test_a_model_that_the_runtime_refuses_is_found() -> None:
    model = _after()
    model.graph.node[1].input[0] = "x"
    with pytest.raises(AssertionError, match="does not load"):
        checking.check_loads(model)
    checking.check_loads(_after())


def test_another_graph_after_another_conversion_is_found() -> None:
    other = _after()
    other.graph.node[0].name = "other"
    with pytest.raises(AssertionError, match="changes the graph"):
        checking.check_same_graph(_after(), other)
    checking.check_same_graph(_after(), _after())


def test_a_wrong_number_is_found_and_a_rounded_one_is_not() -> None:
    case = Case(_after(), {}, {"y": 0.001}, 0)
    wanted = {"y": np.ones(2, np.float32)}
    checking.check_close(case, wanted, {"y": np.array([1.002, 0.999], np.float32)})
    for bad in ([1.01, 1.0], [1.0, np.nan], [1.0, np.inf]):
        with pytest.raises(AssertionError, match="off by"):
            checking.check_close(case, wanted, {"y": np.array(bad, np.float32)})
    with pytest.raises(AssertionError, match="shape"):
        checking.check_close(case, wanted, {"y": np.ones(3, np.float32)})


def test_what_float16_may_be_off_by_is_too_much_in_float32() -> None:
    case = Case(_after(), {}, {"y": 0.001}, 0)
    wanted = {"y": np.ones(2, np.float32)}
    with pytest.raises(AssertionError, match="off by"):
        checking.check_close(case, wanted, {"y": np.array([1.002, 1], np.float32)}, exact=True)
    checking.check_close(case, wanted, {"y": np.array([1.00005, 1], np.float32)}, exact=True)


def test_an_input_of_another_float_type_is_found_where_it_kept_it() -> None:
    before = onnx.parser.parse_model(AFTER.replace("float[2] x", "double[2] x"))
    with pytest.raises(AssertionError, match="declared"):
        checking.check_declarations(before, before, FLOAT)
    checking.check_declarations(before, _after(), FLOAT)


@pytest.mark.parametrize("source", SOURCES[1:])
def test_a_source_of_another_type_has_it_and_a_float32_twin_that_runs(source: str) -> None:
    cases = [make_case(Seeded(seed), source) for seed in range(8)]
    for case in cases:
        onnx.checker.check_model(case.source, full_check=True)
        checking.run(case.model, case.feeds)
    inputs = {case.source.graph.input[0].type.tensor_type.elem_type for case in cases}
    wanted = [element for name, (element, _) in TYPES.items() if source in (name, MIXED)]
    assert inputs <= set(wanted)
    if source == MIXED:
        widened = [node for case in cases for node in all_nodes(case.source.graph)
                   if any("_wide" in name for name in node.input)]  # fmt: skip
        assert len(inputs) > 1
        assert widened


def test_a_wrong_integer_is_found() -> None:
    case = Case(_after(), {}, {"y": 10.0}, 0)
    with pytest.raises(AssertionError, match="expected"):
        checking.check_close(case, {"y": np.array([1])}, {"y": np.array([2])})


def test_a_changed_bit_is_found_where_everything_was_kept() -> None:
    wanted = {"y": np.ones(2, np.float32)}
    checking.check_equal(wanted, {"y": np.ones(2, np.float32)})
    with pytest.raises(AssertionError):
        checking.check_equal(wanted, {"y": np.nextafter(wanted["y"], np.float32(2))})
    with pytest.raises(AssertionError):
        checking.check_equal(wanted, {"y": np.ones(2, np.float16)})


def test_a_refusal_of_the_program_is_found() -> None:
    model = _after()
    model.graph.node[1].input[0] = "missing"
    with pytest.raises(AssertionError, match="exit status 2"):
        checking.convert(model, [checking.PLAIN])


def test_a_random_model_passes_every_check_and_not_with_other_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case(Seeded(1))
    checking.check_case(case)
    converted = checking.convert

    def break_weights(
        model: onnx.ModelProto, ways: list[str], keep: list[str]
    ) -> dict[str, onnx.ModelProto]:
        made = converted(model, ways, keep)
        for result in made.values():
            for tensor in result.graph.initializer:
                if tensor.data_type in (FLOAT, HALF) and tensor.raw_data:
                    array = numpy_helper.to_array(tensor)
                    tensor.CopyFrom(
                        numpy_helper.from_array(array + array.dtype.type(9), tensor.name)
                    )
        return made

    monkeypatch.setattr(checking, "convert", break_weights)
    with pytest.raises(AssertionError):
        checking.check_case(case)
