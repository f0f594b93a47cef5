"""Packaged models with weights and activations in 8 bits, beside what quantize_dynamic writes.

Not among them: piper-joe, which draws random numbers on which the length of its sound depends.
"""

import functools
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from agreement import relative_error, worst_error
from onnx import numpy_helper
from onnxquant_tools.model_packages import model_path
from onnxruntime.quantization import QuantType, quantize_dynamic
from packaged import RunFile

# Of policy q8: the share of the input's bytes, and the relative error, one and a half times what
# was measured.
BOUNDS = {
    # A spectrum and its first reader stay float32; of two LSTMs the form has no weights in an If.
    "silero-vad": (0.87, 0.052),
    "silero-vad-ifless": (0.63, 0.052),
    "silero-vad-sequence": (0.56, 0.12),
    "silero-vad-spox": (0.88, 0.033),
    "silero-vad-v4": (0.33, 0.04),
    "magika": (0.27, 1e-4),
    "ocr-detector": (0.29, 0.071),
    "ocr-detector-v4": (0.30, 0.072),
    "ocr-reader": (0.29, 1.1e-3),
    "ocr-direction": (0.49, 0.121),
    "layout": (0.32, 0.34),
    "captcha": (0.27, 0.03),
    "captcha-detector": (0.27, 0.042),
    "basic-pitch": (0.84, 0.15),
    "minilm-l3": (0.27, 0.113),
    "thai-cnn": (0.31, 0.048),
    "thai-bilstm": (0.33, 0.04),
    # Nothing but a spectrum.
    "wake-spectrogram": (1.005, 1e-6),
    "wake-embedding": (0.31, 0.042),
    "wake-word": (0.27, 3e-4),
}
# quantize_dynamic fails on the others, or leaves their weights in bodies of If as they are.
THEIRS = [
    "silero-vad-sequence",
    "magika",
    "ocr-detector",
    "ocr-reader",
    "captcha",
    "captcha-detector",
    "basic-pitch",
    "minilm-l3",
    "thai-cnn",
    "thai-bilstm",
    "wake-embedding",
]
# Of these it keeps the floats, which Constant nodes hold, beside their codes.
LARGER = ["ocr-direction"]


@pytest.fixture(scope="module")
def ours(binary: Path, scratch: Path) -> Callable[[str, str], Path]:
    """Return a function that converts a packaged model with a policy, once."""

    @functools.cache
    def run(name: str, policy: str) -> Path:
        folder = scratch / f"{name}-{policy}"
        command = [str(binary), "--quiet", "--policy", policy, "-o", str(folder)]
        subprocess.run([*command, str(model_path(name))], check=True, timeout=120)
        (path,) = folder.glob("*.onnx")
        return path

    return run


@pytest.fixture(scope="module")
def theirs(scratch: Path) -> Callable[[str], Path]:
    """Return a function that gives a packaged model as quantize_dynamic makes it, once."""

    @functools.cache
    def run(name: str) -> Path:
        path = scratch / f"{name}-theirs.onnx"
        logging.disable()
        quantize_dynamic(model_path(name), path, weight_type=QuantType.QUInt8)
        logging.disable(logging.NOTSET)
        return path

    return run


@pytest.mark.parametrize("name", BOUNDS)
def test_q8_is_as_small_and_as_right_as_measured(
    name: str, ours: Callable[[str, str], Path], run_file: RunFile
) -> None:
    source, path = model_path(name), ours(name, "q8")
    size, most = BOUNDS[name]
    bytes_written = sum(file.stat().st_size for file in path.parent.iterdir())
    assert bytes_written <= size * source.stat().st_size
    error = worst_error(run_file(name, "cpu", source), run_file(name, "cpu", path))
    print(f"{name}: {bytes_written / source.stat().st_size:.1%}, {error:.2g}")
    assert error <= most


@pytest.mark.parametrize("name", [*THEIRS, *LARGER])
def test_q8_is_no_further_off_than_quantize_dynamic(
    name: str,
    ours: Callable[[str, str], Path],
    theirs: Callable[[str], Path],
    run_file: RunFile,
) -> None:
    reference = run_file(name, "cpu", model_path(name))
    found = run_file(name, "cpu", ours(name, "q8"))
    other = run_file(name, "cpu", theirs(name))
    for right, own, their in zip(reference, found, other, strict=True):
        if right.dtype.kind == "f":
            assert relative_error(right, own) <= relative_error(right, their) + 1e-4


@pytest.mark.parametrize("name", LARGER)
def test_q8_of_filters_is_half_of_what_quantize_dynamic_writes(
    name: str, ours: Callable[[str, str], Path], theirs: Callable[[str], Path]
) -> None:
    assert any(node.op_type == "Conv" for node in onnx.load(model_path(name)).graph.node)
    written = sum(file.stat().st_size for file in ours(name, "q8").parent.iterdir())
    assert 2 * written <= theirs(name).stat().st_size


@pytest.mark.parametrize("name", THEIRS)
def test_the_policy_quantize_dynamic_stores_what_quantize_dynamic_does(
    name: str, ours: Callable[[str, str], Path], theirs: Callable[[str], Path]
) -> None:
    def tensors(path: Path) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}

    own, their = tensors(ours(name, "quantize-dynamic")), tensors(theirs(name))
    quantized = [n.removesuffix("_quantized") for n in their if n.endswith("_quantized")]
    assert quantized
    for weight in quantized:
        for suffix in ("_quantized", "_scale", "_zero_point"):
            one = numpy_helper.to_array(own[weight + suffix])
            other = numpy_helper.to_array(their[weight + suffix])
            # They turn the weight of a Gemm that asks for it; here a Transpose does.
            found = one if one.shape == other.shape else one.T
            assert (found.shape, found.dtype) == (other.shape, other.dtype)
            assert found.tobytes() == other.tobytes()
