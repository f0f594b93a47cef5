"""Whether the outputs of a converted model agree with those of the float32 one.

A float16 model computes at rounded inputs, and rounds each result. So each output is compared with
two float32 runs: on the inputs as they are, and on the inputs rounded to float16; each element must
agree with either. That decides fairly where a result jumps: a floor, a comparison, the index of the
greatest. Integers, booleans and strings must be equal to one of the two. Floats may be off by

    2 * 2^-10 * sqrt(nodes) * greatest finite magnitude of the output + 2^-24

which is 2 units in the last place of float16 at the greatest magnitude, grows as independent errors
of as many roundings do, and ends at half of float16's least positive number. A value that float16
cannot hold may be infinite, or the greatest that it holds.
"""

import math
from typing import Any

import numpy as np

ULP = 2.0**-10
BRAIN_ULP = 2.0**-7  # of bfloat16
LEAST = 2.0**-24
GREATEST = 65504.0


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a sequence of {len(value)}"
    if isinstance(value, dict):
        return "a map"
    array = np.asarray(value)
    return f"{array.dtype}{list(array.shape)}"


def _is_float(array: Any) -> bool:
    return bool(np.issubdtype(array.dtype, np.floating))


def _allowed(got: Any, expected: Any, limit: float) -> Any:
    """Return for each element whether it agrees with one of the float32 runs."""
    if not _is_float(expected):
        return np.asarray(got == expected)
    got = got.astype(np.float64)
    expected = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = np.abs(got - expected) <= limit
        near |= (np.abs(expected) > GREATEST) & (np.abs(got) >= GREATEST) & (got * expected > 0)
    return near | (got == expected) | (np.isnan(got) & np.isnan(expected))


def _limit(references: list[Any], nodes: int, precision: float) -> float:
    finite = np.concatenate([item.astype(np.float64).ravel() for item in references])
    finite = np.abs(finite[np.isfinite(finite)])
    return float(2 * precision * math.sqrt(nodes) * finite.max(initial=0.0) + LEAST)


def difference(
    got: Any,
    references: list[Any],
    nodes: int,
    io: Any,
    values: bool = True,
    precision: float = ULP,
) -> str:
    """Say how a value differs from all references, or return nothing.

    `io` is NumPy's type of what was a float tensor, or None where floats keep theirs; `values` is
    false for random results, of which only type and shape are compared; `precision` is the distance
    of the numbers after 1.
    """
    references = [item for item in references if _comparable(got, item, io)]
    if not references:
        return f"{_kind(got)}, which no float32 run gives"
    if got is None:
        return ""
    if isinstance(got, list | dict):
        keys = range(len(got)) if isinstance(got, list) else list(got)
        for key in keys:
            items = [item[key] for item in references]
            found = difference(got[key], items, nodes, io, values, precision)
            if found:
                return f"element {key}: {found}"
        return ""
    if not values:
        return ""
    arrays = [np.asarray(item) for item in references]
    return _array_difference(np.asarray(got), arrays, nodes, precision)


def _comparable(got: Any, expected: Any, io: Any) -> bool:
    """Return whether two values have one structure: types and shapes, keys of maps."""
    if got is None or expected is None:
        return got is None and expected is None
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected)
    if isinstance(expected, dict):
        return isinstance(got, dict) and set(got) == set(expected)
    tensor = isinstance(expected, np.ndarray | np.generic)  # and no number of a map
    got, expected = np.asarray(got), np.asarray(expected)
    changed = io is not None and tensor and _is_float(expected)
    wanted = np.dtype(io) if changed else expected.dtype
    return bool(got.dtype == wanted and got.shape == expected.shape)


def _array_difference(got: Any, references: list[Any], nodes: int, precision: float) -> str:
    limit = _limit(references, nodes, precision) if _is_float(got) else 0.0
    allowed = np.zeros(got.shape, bool)
    for expected in references:
        allowed |= _allowed(got, expected, limit)
    if allowed.all():
        return ""
    where = np.unravel_index(int(np.argmin(allowed)), got.shape)
    place = list(map(int, where))
    expected = " or ".join(dict.fromkeys(str(item[where]) for item in references))
    count = int(allowed.size - allowed.sum())
    found = f"{count} of {allowed.size} differ, first at {place}: {got[where]}, expected {expected}"
    return found + (f" within {limit:.3g}" if _is_float(got) else "")
