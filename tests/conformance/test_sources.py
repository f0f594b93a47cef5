"""ONNX's backend tests as sources of other float types: converted, each is valid and agrees."""

import functools

import pytest
from known_sources import CONVERTED, KNOWN, NO_TEST
from onnxquant_tools.conformance import PASSED, UNRUNNABLE, Outcome
from onnxquant_tools.conformance_cases import load_cases
from onnxquant_tools.conformance_sources import NAMES, SKIPPED, run_sources, skips


@functools.cache
def _outcomes() -> list[Outcome]:
    """Judge every model in every type: once for all tests."""
    return run_sources(list(range(len(load_cases()))))


@pytest.mark.parametrize("how", NAMES)
def test_every_model_of_another_type_passes_or_stands_in_the_table(how: str) -> None:
    mine = [item for item in _outcomes() if item.how == how]
    expected = {item.case: KNOWN.get((item.case, how), (PASSED, ""))[0] for item in mine}
    differing = [
        f"{item.case}: {item.verdict}, the table says {expected[item.case]}: {item.detail}"
        for item in mine
        if item.verdict not in (expected[item.case], SKIPPED, UNRUNNABLE)
    ]
    assert not differing, "\n".join(differing)


def test_the_table_names_only_models_that_are_converted() -> None:
    converted = {(i.case, i.how) for i in _outcomes() if i.verdict not in (SKIPPED, UNRUNNABLE)}
    assert set(KNOWN) <= converted


def test_as_many_models_as_ever_are_no_test_in_a_type() -> None:
    assert skips(_outcomes()) == NO_TEST


def test_as_many_models_as_ever_are_converted_from_each_type() -> None:
    converted = [item for item in _outcomes() if item.verdict not in (SKIPPED, UNRUNNABLE)]
    counts = {how: sum(item.how == how for item in converted) for how in NAMES}
    assert counts == {how: CONVERTED[how.split(" to ")[0]] for how in NAMES}
