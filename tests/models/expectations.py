"""What must hold of each packaged model when it is converted with the policy `fp16`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from agreement import Array
from packaged import Provider

# What the outputs mean to a user: a label, a text, yes or no.
Meaning = Callable[[list[Array]], Any]


@dataclass(frozen=True)
class Expected:
    """Bounds some three times what was measured; no meaning where outputs are not a decision.

    `size` is the share of the input's bytes that the output may have. `cpu` and `webgpu` bound the
    relative error of every float output in the Euclidean norm: a bound of e implies a cosine of at
    least sqrt(1 - e²), 0.9999 for 0.014. Integer outputs must be equal.
    """

    size: float
    cpu: float
    webgpu: float
    meaning: Meaning | None = None
    # Where WebGPU gets the float32 model wrong, its own float32 is what float16 must agree with.
    webgpu_reference: Provider = "cpu"


def _label(outputs: list[Array]) -> int:
    return int(outputs[0].argmax())


def _yes(outputs: list[Array]) -> list[bool]:
    """Return the decisions that a probability above one half stands for."""
    return [bool(p > 0.5) for p in outputs[0].ravel()]


def _text(outputs: list[Array]) -> list[int]:
    """Return the letters' numbers: the likeliest of each step, without repeats and blanks."""
    steps = outputs[0][0].argmax(-1)
    kept = np.append(True, steps[1:] != steps[:-1]) & (steps != 0)
    return [int(letter) for letter in steps[kept]]


def _marks(outputs: list[Array]) -> list[int]:
    """Return the likeliest mark of each letter."""
    return [int(mark) for mark in outputs[1][0].argmax(-1)]


def _box(outputs: list[Array]) -> int:
    """Return the place of the surest box: objectness times class."""
    return int((outputs[0][0, :, 4] * outputs[0][0, :, 5]).argmax())


EXPECTED: dict[str, Expected] = {
    # Nested If, LSTM; the state goes in and out.
    "silero-vad": Expected(0.56, 3.5e-3, 2.8e-2, _yes, "webgpu"),
    "silero-vad-ifless": Expected(0.64, 3.5e-3, 2.8e-2, _yes, "webgpu"),
    "silero-vad-sequence": Expected(0.52, 6e-3, 2.1e-2, _yes, "webgpu"),
    # An If whose branches give several nodes one name.
    "silero-vad-spox": Expected(0.56, 3.5e-3, 2.8e-2, _yes, "webgpu"),
    "silero-vad-v4": Expected(0.56, 4e-2, 0.1, _yes),
    # Keras by tf2onnx: integer inputs, a decomposed norm.
    "magika": Expected(0.54, 1e-5, 1e-5, _label),
    # PaddlePaddle: Resize, ConvTranspose, GELU by Erf; BatchNormalization in the older ones.
    "ocr-detector": Expected(0.53, 5e-3, 1.7e-2),
    "ocr-detector-v4": Expected(0.54, 1.1e-2, 1.8e-2),
    "ocr-reader": Expected(0.52, 2e-4, 1e-3, _text),
    "ocr-direction": Expected(0.68, 1.3e-2, 4e-3, _label),
    "layout": Expected(0.54, 3e-2, 6e-2),
    # An LSTM after convolutions (opset 12); YOLOX (opset 11); the first one in dynamic int8.
    "captcha": Expected(0.51, 2e-3, 1.3e-2),
    "captcha-detector": Expected(0.52, 3.5e-3, 1.5e-2, _box),
    "captcha-int8": Expected(1.01, 7e-4, 3e-2),
    # Spectra by convolution; a quarter of the file is names, and small constants stay in float32.
    "basic-pitch": Expected(0.76, 6e-2, 0.24),
    # VITS with flows and a stochastic duration predictor: 2,755 nodes.
    "piper-joe": Expected(0.52, 0.15, 0.3),
    # Transformers by the old and the new exporter of PyTorch.
    "minilm-l3": Expected(0.51, 2.2e-3, 1.5e-2),
    "minilm-int8": Expected(1.005, 3e-3, 2.4e-2),
    "thai-cnn": Expected(0.55, 1.8e-3, 9e-3, _yes),
    "thai-bilstm": Expected(0.55, 2e-3, 1.6e-2, _yes),
    # DynamicQuantizeLSTM.
    "tashkeel-int8": Expected(1.01, 1.2e-3, 1.2e-3, _marks),
    # Nothing but a Fourier transform and its logarithm: it stays in float32.
    "wake-spectrogram": Expected(1.01, 1e-3, 1.5e-3),
    "wake-embedding": Expected(0.55, 7e-3, 1.6e-2),
    "wake-word": Expected(0.52, 3.5e-4, 1.2e-3, _yes),
}

# Faults that are known, and must be seen until they are gone: these tests must fail.
FAULTS_ON_CPU: dict[str, str] = {}
FAULTS_ON_WEBGPU = {
    "piper-joe": "a phoneme's duration, rounded up to an integer, changes by one",
}
