"""What does not pass of sources of other types than float32, and what is no test in a type; why.

As in known.py, a line goes when what it names is mended. Ways are those of
onnxquant_tools.conformance_sources.
"""

from collections.abc import Iterator

from onnxquant_tools.conformance import FAILING, UNLOADABLE, UNRUNNABLE, WRONG
from onnxquant_tools.conformance_sources import (
    INVALID_SOURCE,
    LARGE,
    OTHER_TYPES,
    SEQUENCES,
    TARGETS,
    UNRETYPABLE,
    UNTYPED,
)

NO_KERNEL = "the node keeps the source's type, for which ONNX Runtime's CPU provider has no kernel"
BAD_KERNEL = "the node keeps the source's type, in which its kernel overflows or rounds"
EXPANDED = "ONNX Runtime expands the operator, which keeps the source's type, to one that lacks it"
REGIONS = "ONNX Runtime reads the regions of interest as the data's type or float32, whichever"

# Verdict, reason, types or single ways, models.
_ROWS = (
    (
        UNLOADABLE, NO_KERNEL, "bfloat16",
        """dequantizelinear dequantizelinear_axis dequantizelinear_blocked dequantizelinear_e4m3fn
        dequantizelinear_e4m3fn_zero_point dequantizelinear_e5m2 dequantizelinear_int16
        dequantizelinear_int2 dequantizelinear_int4 dequantizelinear_uint16 dequantizelinear_uint2
        dequantizelinear_uint4 quantizelinear quantizelinear_axis quantizelinear_blocked_asymmetric
        quantizelinear_blocked_symmetric quantizelinear_e4m3fn quantizelinear_e5m2
        quantizelinear_int16 quantizelinear_int2 quantizelinear_int4 quantizelinear_uint16
        quantizelinear_uint2 quantizelinear_uint4""",
    ),
    (UNLOADABLE, EXPANDED, "bfloat16 to fp32",
        """clip clip_default_max clip_default_min clip_example clip_inbounds
        clip_min_greater_than_max clip_outbounds clip_splitbounds"""),
    (UNLOADABLE, NO_KERNEL, "float16, bfloat16", "eyelike_populate_off_main_diagonal"),
    (UNLOADABLE, NO_KERNEL, "float16, bfloat16, float64", "melweightmatrix"),
    (UNLOADABLE, NO_KERNEL, "float64", "ai_onnx_ml_binarizer"),
    (FAILING, NO_KERNEL, "bfloat16",
        "scatter_elements_with_reduction_max scatter_elements_with_reduction_min"),
    (
        FAILING, NO_KERNEL, "float16, bfloat16",
        """scatter_elements_with_duplicate_indices scatter_elements_with_reduction_mul scatternd_add
        scatternd_max scatternd_max_with_element_indices scatternd_min
        scatternd_min_with_element_indices scatternd_multiply""",
    ),
    (
        FAILING, REGIONS, "float16 to fp32, float64",
        """resize_tf_crop_and_resize resize_tf_crop_and_resize_axes_2_3
        resize_tf_crop_and_resize_axes_3_2 resize_tf_crop_and_resize_extrapolation_value""",
    ),
    (WRONG, BAD_KERNEL, "float16", "quantizelinear_int16 quantizelinear_uint16"),
    (WRONG, BAD_KERNEL, "float16 to fp32", "dequantizelinear_uint16"),
)  # fmt: skip


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
