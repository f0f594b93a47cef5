"""Packaged models with weights and activations in 8 bits, beside ONNX Runtime's quantize_dynamic."""

import functools
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from agreement import Array, worst_error
from onnx import numpy_helper
from onnxquant_tools.model_packages import model_path
from onnxruntime.quantization import QuantType, quantize_dynamic
from packaged import RunFile

# Share of the input's bytes and relative error: some one and a half times what was measured.
BOUNDS = {
}
# Its quantizer fails on these, or leaves what stands in bodies of If as it is.
NOT_THEIRS = {}
# It draws random numbers, and the length of its sound depends on them.
RANDOM = "piper-joe"

Dynamic = Callable[[str], Path]


@pytest.fixture(scope="module")
def ours(binary: Path, scratch: Path) -> Callable[[str, str], Path]:
    """Return a function that gives a packaged model converted with a policy."""

    @functools.cache
    def run(name: str, policy: str) -> Path:
        folder = scratch / f"{name}-{policy}"
        command = [str(binary), "--quiet", "--policy", policy, "-o", str(folder)]
        subprocess.run([*command, str(model_path(name))], check=True, timeout=120)
        (path,) = folder.glob("*.onnx")
        return path

    return run


@pytest.fixture(scope="module")
def theirs(scratch: Path) -> Dynamic:
    """Return a function that gives a packaged model as quantize_dynamic makes it."""

    @functools.cache
    def run(name: str) -> Path:
        path = scratch / f"{name}-theirs.onnx"
        logging.disable()
        quantize_dynamic(model_path(name), path, weight_type=QuantType.QUInt8)
        logging.disable(logging.NOTSET)
        return path

    return run
