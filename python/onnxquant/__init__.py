"""Precision conversion and quantization of ONNX models, as a policy says.

    import onnxquant

    report = onnxquant.quantize("onnx/model.onnx", "gemma-safe")

`plan` decides and shows, `quantize` writes, `recover` mends what a killed run left; `check`,
`inspect`, `diff`, `ranges` and `verify` look at models; `calibrate` makes statistics to choose
codes by, and `tune` a policy of a size. What these return shows itself as a table in notebooks, and
has `to_dict()` and `to_pandas()`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxquant import distributed, export
    from onnxquant._native import __version__
    from onnxquant.api import check, diff, inspect, plan, quantize, recover
    from onnxquant.calibration import Calibration, calibrate, merge_calibrations
    from onnxquant.errors import (
        CancelledError,
        InternalError,
        ModelError,
        OnnxquantError,
        PolicyError,
        UsageError,
        VerifyError,
        WriteError,
    )
    from onnxquant.folders import FolderCheck, FolderInspection, FolderPlan, FolderReport
    from onnxquant.measure import ranges, verify
    from onnxquant.parts import apply_manifest, finish_manifest
    from onnxquant.policy import Policy, policies
    from onnxquant.results import (
        Check,
        Diff,
        Inspection,
        Output,
        PartResult,
        Plan,
        Ranges,
        Recovery,
        Report,
        Verification,
    )
    from onnxquant.tuning import Tuning, tune

# Loaded when asked for: onnxquant.export works without the native part.
_PLACES = {
    "onnxquant.api": ("check", "diff", "inspect", "plan", "quantize", "recover"),
    "onnxquant.calibration": ("Calibration", "calibrate", "merge_calibrations"),
    "onnxquant.errors": (
        "CancelledError",
        "InternalError",
        "ModelError",
        "OnnxquantError",
        "PolicyError",
        "UsageError",
        "VerifyError",
        "WriteError",
    ),
    "onnxquant.folders": ("FolderCheck", "FolderInspection", "FolderPlan", "FolderReport"),
    "onnxquant.measure": ("ranges", "verify"),
    "onnxquant.parts": ("apply_manifest", "finish_manifest"),
    "onnxquant.policy": ("Policy", "policies"),
    "onnxquant.results": (
        "Check",
        "Diff",
        "Inspection",
        "Output",
        "PartResult",
        "Plan",
        "Ranges",
        "Recovery",
        "Report",
        "Verification",
    ),
    "onnxquant.tuning": ("Tuning", "tune"),
    "onnxquant._native": ("__version__",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "Calibration",
    "CancelledError",
    "Check",
    "Diff",
    "FolderCheck",
    "FolderInspection",
    "FolderPlan",
    "FolderReport",
    "Inspection",
    "InternalError",
    "ModelError",
    "OnnxquantError",
    "Output",
    "PartResult",
    "Plan",
    "Policy",
    "PolicyError",
    "Ranges",
    "Recovery",
    "Report",
    "Tuning",
    "UsageError",
    "Verification",
    "VerifyError",
    "WriteError",
    "__version__",
    "apply_manifest",
    "calibrate",
    "check",
    "diff",
    "distributed",
    "export",
    "finish_manifest",
    "inspect",
    "merge_calibrations",
    "plan",
    "policies",
    "quantize",
    "ranges",
    "recover",
    "tune",
    "verify",
]


if not TYPE_CHECKING:  # checkers shall see typing errors in names

    def __getattr__(name: str) -> Any:
        if name in ("distributed", "export"):
            return importlib.import_module(f"onnxquant.{name}")
        if name not in _PLACE_OF:
            raise AttributeError(f"module 'onnxquant' has no attribute '{name}'")
        value = getattr(importlib.import_module(_PLACE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACE_OF})
