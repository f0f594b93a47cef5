"""ONNX's own backend tests through the program: each converted model is valid, loads and agrees."""

import collections
import functools

import pytest
from known import KNOWN, LOCALE, UNRUNNABLE_MODELS, WITH_HALF
from onnxquant_tools.conformance import PASSED, UNRUNNABLE, Outcome, run_suite
from onnxquant_tools.conformance_cases import load_cases
from onnxquant_tools.conformance_convert import PASSES
from onnxquant_tools.conformance_groups import GROUPS


@functools.cache
def _outcomes() -> list[Outcome]:
    """Judge every model in every pass: once for all tests."""
    return list(run_suite(list(range(len(load_cases())))))


@pytest.mark.parametrize("how", [how.name for how in PASSES])
@pytest.mark.parametrize("group", GROUPS)
def test_every_model_passes_or_stands_in_the_table(group: str, how: str) -> None:
    mine = [item for item in _outcomes() if (item.group, item.how) == (group, how)]
    assert mine, "no model tests this group any more"
    expected = {item.case: KNOWN.get((item.case, how), (PASSED, ""))[0] for item in mine}
    differing = [
        f"{item.case}: {item.verdict}, the table says {expected[item.case]}: {item.detail}"
        for item in mine
        if item.verdict not in (expected[item.case], UNRUNNABLE)
    ]
    assert not differing, "\n".join(differing)


def test_the_table_names_only_models_that_are_run() -> None:
    run = {(item.case, item.how) for item in _outcomes() if item.verdict != UNRUNNABLE}
    assert set(KNOWN) <= run


def test_as_many_models_as_ever_do_not_run_in_float32() -> None:
    counts = dict.fromkeys([*UNRUNNABLE_MODELS, "another reason"], 0)
    for item in _outcomes():
        if item.verdict == UNRUNNABLE and item.how == PASSES[0].name:
            words = (words for words in UNRUNNABLE_MODELS if words in item.detail)
            counts[next(words, "another reason")] += 1
    expected = {**UNRUNNABLE_MODELS, "another reason": 0}
    if counts[LOCALE] == 0:  # the system has it
        expected[LOCALE] = 0
    assert counts == expected


def test_as_many_models_as_ever_have_float16_in_them() -> None:
    counts = collections.Counter(item.how for item in _outcomes() if item.half)
    assert dict(counts) == WITH_HALF


def test_there_are_as_many_models_as_ever() -> None:
    kinds = collections.Counter(case.kind for case in load_cases())
    assert dict(kinds) == {
        "node": 1884,
        "light": 9,
        "simple": 23,
        "pytorch-operator": 35,
        "pytorch-converted": 82,
    }
