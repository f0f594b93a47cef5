"""The agreement check sees what would be a fault of a conversion."""

import math

import numpy as np
import pytest
from agreement import Array, worst_error

REFERENCE: list[Array] = [np.linspace(-1, 1, 64, dtype=np.float32), np.arange(5)]


def test_equal_outputs_have_no_error() -> None:
    assert worst_error(REFERENCE, REFERENCE) == 0


def test_the_error_is_relative_to_the_reference() -> None:
    found = [REFERENCE[0] * np.float32(1.25), REFERENCE[1]]
    assert worst_error(REFERENCE, found) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "found",
    [
        [np.where(REFERENCE[0] > 0.9, np.nan, REFERENCE[0]).astype(np.float32), REFERENCE[1]],
        [np.where(REFERENCE[0] > 0.9, np.inf, REFERENCE[0]).astype(np.float32), REFERENCE[1]],
        [REFERENCE[0][:-1], REFERENCE[1]],
        [REFERENCE[0].astype(np.float16), REFERENCE[1]],
        [REFERENCE[0], REFERENCE[1] + 1],
    ],
    ids=["NaN", "infinity", "another shape", "another type", "other integers"],
)
def test_what_is_no_rounding_is_an_infinite_error(found: list[Array]) -> None:
    assert math.isinf(worst_error(REFERENCE, found))
