"""The judge of sources in other types: it finds bad conversions, and skips what is no test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxquant_tools import conformance, conformance_sources
from onnxquant_tools.conformance_cases import Case
from onnxquant_tools.conformance_sources import judge, skips
from onnxquant_tools.retyping import rounded_weights

Convert = Callable[[onnx.ModelProto, Path], str]

SMALL = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) <float[2] w = {1.001, 2}> { a = Mul (x, w)  y = Tanh (a) }"""


def _case(text: str = SMALL, kind: str = "node") -> Case:
    x = np.array([0.5, -1], np.float32)
    return Case("small", kind, "Mul", onnx.parser.parse_model(text), [[x]])


def _verdicts(monkeypatch: pytest.MonkeyPatch, convert: Convert) -> list[str]:
    monkeypatch.setattr(conformance_sources, "_convert", convert)
    return [outcome.verdict for outcome in judge(_case(), "bfloat16")]


def _write(folder: Path, fp32: onnx.ModelProto, fp16: onnx.ModelProto) -> str:
    (folder / "out").mkdir()
    onnx.save(fp32, folder / "out" / "model.onnx")
    onnx.save(fp16, folder / "out" / "model_fp16.onnx")
    return ""


def _twin(factor: float = 1.0) -> onnx.ModelProto:
    model = rounded_weights(_case().model, "bfloat16")
    array = numpy_helper.to_array(model.graph.initializer[0]) * np.float32(factor)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(array, "w"))
    return model


def test_the_float32_twin_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _verdicts(monkeypatch, lambda model, folder: _write(folder, _twin(), _twin()))
    assert found == [conformance.PASSED, conformance.PASSED]


def test_a_source_that_is_left_as_it_is_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _verdicts(monkeypatch, lambda model, folder: _write(folder, model, model))
    assert conformance.PASSED not in found


def test_what_float16_may_be_off_by_is_too_much_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    near = _twin(1.0003)
    found = _verdicts(monkeypatch, lambda model, folder: _write(folder, near, near))
    assert found == [conformance.WRONG, conformance.PASSED]


def test_a_refusal_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _verdicts(monkeypatch, lambda model, folder: "exit status 2: no")
    assert found == [conformance.REFUSED, conformance.REFUSED]


def test_models_that_are_no_test_are_skipped_and_counted_by_reason() -> None:
    integers = SMALL.replace("float[2]", "int64[2]").replace("{1.001, 2}", "{1, 2}")
    outcomes = [
        *judge(_case(integers.replace("Tanh", "Abs")), "float16"),
        *judge(_case(SMALL.replace("Tanh (a)", "Softshrink (a)")), "float16"),
        *judge(_case(kind="light"), "float16"),
    ]
    assert skips(outcomes)["float16"] == {
        conformance_sources.OTHER_TYPES: 1,
        conformance_sources.INVALID_SOURCE: 1,
        conformance_sources.LARGE: 1,
    }
