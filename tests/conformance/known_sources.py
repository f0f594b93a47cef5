"""What does not pass of sources of other types than float32, and what is no test in a type; why.

As in known.py, a line goes when what it names is mended. Ways are those of
onnxquant_tools.conformance_sources.
"""

from collections.abc import Iterator

from onnxquant_tools.conformance import UNRUNNABLE, WRONG
from onnxquant_tools.conformance_sources import (
    INVALID_SOURCE,
    LARGE,
    OTHER_TYPES,
    SEQUENCES,
    TARGETS,
    UNRETYPABLE,
    UNTYPED,
)

BAD_KERNEL = "scales keep the source's type, in which the kernel overflows or rounds"

# Verdict, reason, types or single ways, models.
_ROWS = ((WRONG, BAD_KERNEL, "float16 to fp16", "quantizelinear_int16 quantizelinear_uint16"),)


def _ways(text: str) -> Iterator[str]:
    """Yield the ways that a row names: a type stands for its ways to all targets."""
    for item in text.split(", "):
        yield from [item] if " to " in item else [f"{item} to {target}" for target in TARGETS]


# (model, way): (verdict, reason)
KNOWN = {
    (f"test_{model}", way): (verdict, reason)
    for verdict, reason, ways, models in _ROWS
    for way in _ways(ways)
    for model in models.split()
}
# How many models are no test in a type, by the first reason that applies. Why float32 models do not
# run stands in known.py.
NO_TEST = {
    "float16": {
        LARGE: 9,
        OTHER_TYPES: 498,
        SEQUENCES: 19,
        UNRETYPABLE: 5,
        UNTYPED: 36,
        INVALID_SOURCE: 8,
        UNRUNNABLE: 91,
    },
    "bfloat16": {
        LARGE: 9,
        OTHER_TYPES: 498,
        SEQUENCES: 19,
        UNRETYPABLE: 11,
        UNTYPED: 192,
        INVALID_SOURCE: 24,
        UNRUNNABLE: 61,
    },
    "float64": {
        LARGE: 9,
        OTHER_TYPES: 498,
        SEQUENCES: 19,
        UNRETYPABLE: 5,
        UNTYPED: 88,
        INVALID_SOURCE: 8,
        UNRUNNABLE: 72,
    },
}
CONVERTED = {"float16": 1367, "bfloat16": 1219, "float64": 1334}
