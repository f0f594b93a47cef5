"""Kinds of folders that hold several models: what loads them, what goes in, and what is judged.

`onnxquant_tools.web_folders` writes them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxquant_tools.family_sizes import PLACE

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Kind:
    """A folder, the class of Transformers.js that loads it, and an input."""

    folder: str
    type: str
    sessions: tuple[str, ...]  # those that the class loads, in the order in which they run
    make_inputs: Callable[[np.random.Generator], Arrays]
    count: int = 0  # of the tokens to generate; without, the class computes its outputs once
    start: int = 0  # the first token of a decoder that reads an encoder's output

    def inputs(self) -> Arrays:
        """Return the input, the same every time."""
        return self.make_inputs(np.random.default_rng(3))


def _floats(random: np.random.Generator, *shape: int) -> Array:
    # Few digits: they travel as text.
    return np.round(random.normal(0, 1, shape), 3).astype(np.float32)


def _text(ids: Array) -> Arrays:
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _words(random: np.random.Generator, *shape: int) -> Array:
    return random.integers(3, PLACE, shape)


def _mixed(random: np.random.Generator) -> Arrays:
    """Two words and a picture or a sound of four tokens."""
    first, last = _words(random, 2)
    return _text(np.array([[first, *[PLACE] * 4, last]]))


_SEQ2SEQ = ("encoder_model", "decoder_model_merged")
KINDS = {
    "t5": Kind(
        "t5", "T5ForConditionalGeneration", _SEQ2SEQ,
        lambda random: _text(_words(random, 1, 6)), 6,
    ),
    "marian": Kind(
        "marian", "MarianMTModel", _SEQ2SEQ, lambda random: _text(_words(random, 1, 6)), 6,
        start=1,
    ),
    "whisper": Kind(
        "whisper", "WhisperForConditionalGeneration", _SEQ2SEQ,
        lambda random: {"input_features": _floats(random, 1, 16, 3000)}, 6, start=1,
    ),
    "vit-gpt2": Kind(
        "vit-gpt2", "VisionEncoderDecoderModel", _SEQ2SEQ,
        lambda random: {"pixel_values": _floats(random, 1, 3, 32, 32)}, 6, start=1,
    ),
    "llava": Kind(
        "llava", "LlavaForConditionalGeneration",
        ("embed_tokens", "vision_encoder", "decoder_model_merged"),
        lambda random: {**_mixed(random), "pixel_values": _floats(random, 1, 3, 16, 16)}, 3,
    ),
    "voxtral": Kind(
        "voxtral", "VoxtralForConditionalGeneration",
        ("embed_tokens", "audio_encoder", "decoder_model_merged"),
        lambda random: {**_mixed(random), "audio_values": _floats(random, 1, 16, 32)}, 3,
    ),
    "clip": Kind(
        "clip", "CLIPModel", ("model",),
        lambda random: {
            **_text(_words(random, 2, 6)), "pixel_values": _floats(random, 2, 3, 32, 32),
        },
    ),
    "clip-text": Kind(
        "clip", "CLIPTextModelWithProjection", ("text_model",),
        lambda random: _text(_words(random, 2, 6)),
    ),
    "clip-vision": Kind(
        "clip", "CLIPVisionModelWithProjection", ("vision_model",),
        lambda random: {"pixel_values": _floats(random, 2, 3, 32, 32)},
    ),
    "sam": Kind(
        "sam", "SamModel", ("vision_encoder", "prompt_encoder_mask_decoder"),
        lambda random: {
            "pixel_values": _floats(random, 1, 3, 64, 64),
            "input_points": 32 + 8 * _floats(random, 1, 1, 2, 2),
        },
    ),
}  # fmt: skip
