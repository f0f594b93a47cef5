"""Plausible inputs for the packaged models: made here, the same on every run, no data set needed.

Each is what the model is fed in use, in shape, scale and statistics: a voice-like sound for speech
models, dark letters on a bright page for readers of text, token numbers of a real sentence.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Feeds = dict[str, npt.NDArray[Any]]

# "the quick brown fox jumps over the lazy dog", then padding, in BERT's uncased vocabulary.
_SENTENCE = [101, 1996, 4248, 2829, 4419, 14523, 2058, 1996, 13971, 3899, 102, 0, 0, 0]
_SOURCE_CODE = b"""#!/usr/bin/env python3
import os
import sys


def main(paths: list[str]) -> int:
    for path in paths:
        if not os.path.exists(path):
            print(f"{path}: no such file", file=sys.stderr)
            return 1
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                print(number, line.rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))"""
# Capital letters and digits of five by seven dots, a number a row.
_GLYPHS = {
    "E": (31, 16, 16, 30, 16, 16, 31),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "2": (14, 17, 1, 6, 8, 16, 31),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "7": (31, 1, 2, 4, 8, 8, 8),
}


def voice(samples: int, rate: int = 16000) -> Floats:
    """Return a voiced sound within ±0.3: a gliding pitch, one formant, three syllables."""
    time = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(4 * np.pi * time)) / rate
    harmonics = np.arange(1, 25)
    loudness = np.exp(-(((harmonics * 120 - 500) / 900.0) ** 2)) / harmonics
    sound = (np.sin(harmonics[:, None] * phase) * loudness[:, None]).sum(0)
    sound *= 0.5 + 0.5 * np.sin(6 * np.pi * time)
    sound += 0.003 * np.random.default_rng(0).normal(size=samples)
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


def page(height: int, width: int, text: str, dot: int, *, top: int, left: int) -> Floats:
    """Return a grey picture [height, width] in 0…1: dark text on a paper that is not quite even."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = 0.9 + 0.05 * np.sin(rows / 37 + columns / 53)
    picture += 0.01 * np.random.default_rng(1).normal(size=(height, width))
    for letter in text:
        bits = np.array([[row >> (4 - i) & 1 for i in range(5)] for row in _GLYPHS[letter]])
        dots = np.kron(bits, np.ones((dot, dot)))
        window = picture[top : top + 7 * dot, left : left + 5 * dot]
        window[dots == 1] = 0.1
        left += 6 * dot
    return np.asarray(picture.clip(0, 1), np.float32)


def _colours(picture: Floats) -> Floats:
    """Make a grey picture a batch of one with three channels from -1 to 1."""
    return np.repeat(picture[None, None] * 2 - 1, 3, axis=1)


def _silero(*, batch: int = 20) -> Feeds:
    sound = voice(16000)
    windows = np.stack([sound[512 * i : 512 * i + 576] for i in range(batch)])
    state = np.zeros((2, batch, 128), np.float32)
    return {"input": windows, "state": state, "sr": np.array(16000)}


def _silero_sequence() -> Feeds:
    state = np.zeros((1, 1, 128), np.float32)
    return {"input": _silero()["input"], "h": state, "c": state}


def _silero_v4() -> Feeds:
    state = np.zeros((2, 20, 64), np.float32)
    windows = np.stack([voice(32000)[1536 * i :][:1536] for i in range(20)])
    return {"input": windows, "sr": np.array(16000), "h": state, "c": state}


def _magika() -> Feeds:
    # First and last 1024 bytes of the content; 256 stands for 'nothing there'.
    half = np.full(1024, 256, np.int32)
    content = np.frombuffer(_SOURCE_CODE, np.uint8)
    first, last = half.copy(), half.copy()
    first[: content.size], last[-content.size :] = content, content
    return {"bytes": np.concatenate([first, last])[None]}


def _sentence() -> Feeds:
    tokens = np.array([_SENTENCE])
    kinds = np.zeros_like(tokens)
    return {
        "input_ids": tokens,
        "attention_mask": (tokens != 0).astype(np.int64),
        "token_type_ids": kinds,
    }


def _numbers(low: int, high: int, *shape: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(3).integers(low, high, shape)


def _thai(names: list[str]) -> Feeds:
    # Windows of 21 characters around each of 40 positions: character, its class, its place.
    highest = (70, 12, 12)
    return {
        name: _numbers(1, high, 40, 21).astype(np.float32)
        for name, high in zip(names, highest, strict=False)
    }


def _wake_features(*shape: int, mean: float, spread: float) -> Floats:
    return np.random.default_rng(3).normal(mean, spread, shape).astype(np.float32)


_MAKERS: dict[str, Callable[[], Feeds]] = {
    "silero-vad": _silero,
    "silero-vad-ifless": _silero,
    "silero-vad-sequence": _silero_sequence,
    "silero-vad-spox": lambda: _silero(batch=1),
    "silero-vad-v4": _silero_v4,
    "magika": _magika,
    "ocr-detector": lambda: {"x": _colours(page(160, 320, "HEX247", 6, top=60, left=40))},
    "ocr-detector-v4": lambda: {"x": _colours(page(160, 320, "HEX247", 6, top=60, left=40))},
    "ocr-reader": lambda: {"x": _colours(page(48, 256, "HEX247", 5, top=6, left=20))},
    "ocr-direction": lambda: {"x": _colours(page(48, 192, "HEX247", 4, top=8, left=20))},
    "layout": lambda: {"image": _colours(page(800, 608, "TEXTHEX", 8, top=80, left=60))},
    "captcha": lambda: {"input1": page(64, 160, "HEX7", 6, top=10, left=8)[None, None]},
    "captcha-detector": lambda: {
        "images": 127.5 * (_colours(page(416, 416, "HEX", 16, top=100, left=40)) + 1)
    },
    "captcha-int8": lambda: {"input1": page(64, 160, "HEX7", 6, top=10, left=8)[None, None]},
    "basic-pitch": lambda: {"serving_default_input_2:0": voice(43844, 22050)[None, :, None]},
    "piper-joe": lambda: {
        "input": _numbers(3, 100, 1, 60),
        "input_lengths": np.array([60]),
        "scales": np.array([0, 1, 0], np.float32),  # no noise: the same speech on every run
    },
    "minilm-l3": _sentence,
    "minilm-int8": _sentence,
    "thai-cnn": lambda: _thai(["input_1", "input_2"]),
    "thai-bilstm": lambda: _thai(["input1", "input2", "input3"]),
    "tashkeel-int8": lambda: {"input": _numbers(1, 40, 1, 50)},
    # Samples as 16-bit numbers, not as fractions.
    "wake-spectrogram": lambda: {"input": 32767 * voice(16000)[None]},
    "wake-embedding": lambda: {"input_1": _wake_features(3, 76, 32, 1, mean=6, spread=1.5)},
    "wake-word": lambda: {"x.1": _wake_features(1, 16, 96, mean=0, spread=10)},
}


def model_inputs(name: str) -> Feeds:
    """Return what a packaged model (a name in model_packages.MODELS) is fed, by input name.

    May hold more than the model has inputs; floats are float32.
    """
    return _MAKERS[name]()
