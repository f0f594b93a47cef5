"""Random models, converted in every way: see random_graphs.py for what they have in them.

ONNXQUANT_EXAMPLES sets how many of float32 (150 take half a minute; of each other type there are a
quarter of them) and ONNXQUANT_SEED others than the usual ones. What fails is shrunk, printed as
text with its type and seed, and comes with a blob: put `@reproduce_failure(...)` over the test to
see it again.
"""

from __future__ import annotations

import os

import checking
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from random_graphs import SOURCES, Case, cases

EXAMPLES = int(os.environ.get("ONNXQUANT_EXAMPLES", "150"))
SEED = int(os.environ.get("ONNXQUANT_SEED", "0"))


def _check(case: Case, source: str) -> None:
    note(onnx.printer.to_text(case.source))
    try:
        checking.check_case(case)
    except AssertionError as error:
        raise AssertionError(f"source {source}, seed {SEED}: {error}") from error


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@seed(SEED)
@_settings(EXAMPLES)
@given(case=cases())
def test_a_random_model_keeps_every_promise_when_converted(case: Case) -> None:
    _check(case, "float32")


@pytest.mark.parametrize("source", SOURCES[1:])
@seed(SEED)
@_settings(max(1, EXAMPLES // 4))
@given(data=st.data())
def test_a_random_model_of_another_type_keeps_every_promise_when_converted(
    source: str, data: st.DataObject
) -> None:
    _check(data.draw(cases(source)), source)
