"""The judge of the conformance suite: it must find each kind of bad conversion."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxquant_tools import conformance
from onnxquant_tools.conformance import judge, run_suite
from onnxquant_tools.conformance_cases import Case, load_cases
from onnxquant_tools.conformance_compare import difference
from onnxquant_tools.conformance_convert import HALF_IO, PLAIN, Pass, RefusedError, name_nodes

_float16 = functools.partial(np.array, dtype=np.float16)
_float32 = functools.partial(np.array, dtype=np.float32)
_float64 = functools.partial(np.array, dtype=np.float64)
_int64 = functools.partial(np.array, dtype=np.int64)
Change = Callable[[onnx.ModelProto], None]


def _case() -> Case:
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["a"]),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(_float32([1, 2, 3]), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return Case("small", "node", "Mul", model, [[_float32([0.5, -1, 2])]])


def _verdict(change: Change, how: Pass = PLAIN) -> str:
    """Return what the judge says of the unconverted model with a change."""

    def converter(case: Case, how: Pass, folder: Path) -> Path:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        change(model)
        onnx.save(model, folder / "converted.onnx")
        return folder / "converted.onnx"

    (outcome,) = judge(_case(), [how], converter)
    return outcome.verdict


def test_an_unchanged_model_passes_but_has_no_float16() -> None:
    assert _verdict(lambda model: None) == conformance.PASSED


def test_a_missing_type_parameter_is_invalid() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(_float16([1, 2, 3]), "w"))

    assert _verdict(change) == conformance.INVALID


def test_an_operator_that_onnx_runtime_lacks_does_not_load() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].domain = "elsewhere"
        model.opset_import.append(helper.make_opsetid("elsewhere", 1))

    assert _verdict(change) == conformance.UNLOADABLE


def test_an_index_beyond_the_end_does_not_run() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(_int64([7, 0, 0]), "where"))
        model.graph.node[1].CopyFrom(helper.make_node("Gather", ["a", "again"], ["y"]))
        model.graph.node.insert(0, helper.make_node("ReduceMax", ["w"], ["most"], keepdims=0))
        cast = helper.make_node("Cast", ["most"], ["beyond"], to=TensorProto.INT64)
        model.graph.node.insert(1, cast)
        model.graph.node.insert(2, helper.make_node("Mul", ["where", "beyond"], ["again"]))

    assert _verdict(change) == conformance.FAILING


def test_another_value_is_wrong() -> None:
    def change(model: onnx.ModelProto) -> None:
        weight = _float32([1, 2, 3.02])
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))

    assert _verdict(change) == conformance.WRONG


def test_an_input_of_another_type_is_wrong() -> None:
    assert _verdict(lambda model: None, HALF_IO) == conformance.WRONG


def test_another_name_of_an_output_is_wrong() -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = model.graph.node[1].output[0] = "z"

    assert _verdict(change) == conformance.WRONG


def test_what_a_converter_says_is_kept() -> None:
    def refuse(case: Case, how: Pass, folder: Path) -> Path:
        raise RefusedError("why\nnot")

    (outcome,) = judge(_case(), [PLAIN], refuse)
    assert (outcome.verdict, outcome.detail) == (conformance.REFUSED, "why not")


def _crash_on_abs(case: Case, how: Pass, folder: Path) -> Path:
    if case.name == "test_abs":
        os._exit(9)
    raise RefusedError("")


def test_a_crash_is_a_result_and_the_other_models_have_theirs() -> None:
    names = [case.name for case in load_cases()]
    indices = [names.index(name) for name in ("test_acos", "test_abs", "test_add")]
    found = {item.case: item.verdict for item in run_suite(indices, (PLAIN,), _crash_on_abs)}
    assert found == {
        "test_abs": conformance.FAILING,
        "test_acos": conformance.REFUSED,
        "test_add": conformance.REFUSED,
    }


def test_nodes_to_keep_depend_on_the_name_alone_and_are_never_none() -> None:
    model, kept = name_nodes(_case())
    assert kept == name_nodes(_case())[1]
    assert set(kept) <= {node.name for node in model.graph.node}
    assert all(name_nodes(case)[1] for case in load_cases() if case.model.graph.node)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (_float32([1, 1.003]), _float32([1, 1])),
        (_int64([3, 4]), _int64([3, 5])),
        (_float32([1, np.nan]), _float32([1, 1])),
        (_float32([1, np.inf]), _float32([1, 2])),
        (_float32([-np.inf]), _float32([70000])),
        (_float32([[1]]), _float32([1])),
        (_float64([1]), _float32([1])),
        ([_float32([1])], []),
        ([_float32([1])], [_float32([2])]),
        ({"a": 1.0}, {"b": 1.0}),
        (None, _float32([1])),
        (np.array(["a"]), np.array(["b"])),
    ],
)
def test_what_differs_is_said(got: object, expected: object) -> None:
    assert difference(got, [expected], 1, np.float32)
    assert not difference(expected, [expected], 1, np.float32)


def test_one_unit_in_the_last_place_and_what_float16_cannot_hold_are_allowed() -> None:
    assert not difference(_float32([1, 1.001]), [_float32([1, 1])], 1, np.float32)
    assert not difference(_float32([np.inf]), [_float32([70000])], 1, np.float32)
    assert not difference(_float16([1]), [_float32([1])], 1, np.float16)


def test_an_index_may_be_that_of_either_float32_run() -> None:
    assert not difference(_int64([1, 2]), [_int64([1, 3]), _int64([0, 2])], 1, np.float32)
    assert difference(_int64([4]), [_int64([1]), _int64([0])], 1, np.float32)


def test_random_values_are_compared_by_shape_and_type() -> None:
    assert not difference(_float32([1]), [_float32([5])], 1, np.float32, values=False)
    assert difference(_float32([1, 2]), [_float32([5])], 1, np.float32, values=False)
