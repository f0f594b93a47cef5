"""The figures of a comparison, on distributions whose divergence is known."""

import numpy as np
import pytest
from onnxquant_tools.compare_logits import Comparison, FloatRows


def _logits(*rows: list[float]) -> FloatRows:
    logits: FloatRows = np.log(np.asarray(rows)).astype(np.float32)
    return logits


def test_the_divergence_of_known_distributions_is_exact() -> None:
    result = Comparison("m")
    result.add(_logits([0.5, 0.25, 0.25]), _logits([0.25, 0.5, 0.25]), [1])
    figures = result.summary()
    assert figures["kl_mean"] == pytest.approx(0.25 * np.log(2), rel=1e-6)
    assert figures["top1"] == 0
    assert (figures["reference_ppl"], figures["ppl"]) == (
        pytest.approx(4, rel=1e-6), pytest.approx(2, rel=1e-6),
    )  # fmt: skip


def test_equal_logits_diverge_by_nothing_even_when_shifted() -> None:
    result = Comparison("m")
    rows = _logits([0.7, 0.2, 0.1], [0.1, 0.1, 0.8])
    result.add(rows, rows + 100, [0])
    assert result.summary()["kl_max"] == pytest.approx(0, abs=1e-5)
    assert result.summary()["top1"] == 1


def test_values_that_are_not_finite_are_counted() -> None:
    result = Comparison("m")
    with np.errstate(invalid="ignore"):
        result.add(_logits([0.5, 0.5, 0.5]), np.array([[np.nan, np.inf, 1.0]], np.float32), [0])
    assert (result.nan, result.inf) == (1, 1)


def test_logits_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="export both with the same --logits"):
        Comparison("m").add(_logits([0.5, 0.5]), _logits([0.5, 0.5], [0.5, 0.5]), [0])
