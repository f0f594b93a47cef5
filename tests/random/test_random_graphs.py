"""Random models, converted in every way: see random_graphs.py for what they have in them.

ONNXQUANT_EXAMPLES sets how many (150 take half a minute) and ONNXQUANT_SEED others than the usual
ones. What fails is shrunk, printed as text, and comes with a blob: put
`@reproduce_failure(...)` over the test to see it again.
"""

from __future__ import annotations

import os

import checking
import onnx
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from random_graphs import Case, cases

EXAMPLES = int(os.environ.get("ONNXQUANT_EXAMPLES", "150"))
SEED = int(os.environ.get("ONNXQUANT_SEED", "0"))


@seed(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_a_random_model_keeps_every_promise_when_converted(case: Case) -> None:
    note(onnx.printer.to_text(case.model))
    checking.check_case(case)
