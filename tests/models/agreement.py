"""How far a converted model's outputs are from those of the float32 model."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def relative_error(reference: Array, found: Array) -> float:
    """Return |found - reference| / |reference| (Euclidean); infinite for NaN, another shape."""
    if reference.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    right, other = reference.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    size = float(np.linalg.norm(right))
    difference = float(np.linalg.norm(other - right))
    return difference / size if size > 0 else difference


def worst_error(reference: list[Array], found: list[Array]) -> float:
    """Return the largest relative error of the float outputs; others must be equal."""
    worst = 0.0
    for right, other in zip(reference, found, strict=True):
        if right.dtype != other.dtype:
            return float("inf")
        if right.dtype.kind == "f":
            worst = max(worst, relative_error(right, other))
        elif not np.array_equal(right, other):
            return float("inf")
    return worst
