"""Images and sounds as the arrays that models take, prepared as preprocessor_config.json says."""

import json
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxquant import _native
from onnxquant.errors import UsageError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
SOUNDS = frozenset({".wav"})
_CONFIG = "preprocessor_config.json"
_FLOATS = ("float32", "float16", "bfloat16", "float64")
_BICUBIC = 3  # Pillow's number, which is what transformers writes, too
_BILINEAR = 2


def is_image(value: Any) -> bool:
    """Return whether it is an image of Pillow's, which need not be installed."""
    return any(base.__module__.startswith("PIL.") for base in type(value).__mro__)


def image_array(model: str, image: Any, place: str) -> tuple[str, npt.NDArray[Any]]:
    """Return the name of the model's image input, and the image as its array.

    image: a path or an image of Pillow's. Size, crop, factor, mean and deviation are those of
    preprocessor_config.json beside the model or above its folder; without one, the image gets the
    size that the model fixes, and values from 0 to 1.
    """
    name, kind, shape = _input_of(model, place, "an image", ranks=(4,))
    last = shape[3] in (1, 3)
    channels = shape[3] if last else shape[1]
    rows, columns = shape[1:3] if last else shape[2:4]
    config = _config_of(model)
    picture = _opened(image, place).convert("L" if channels == 1 else "RGB")
    picture = _resized(picture, config, rows, columns)
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if kind in _FLOATS:
        pixels = _normalized(pixels.astype(np.float32), config)
    return name, (pixels if last else pixels.transpose(2, 0, 1))[None]


def sound_array(model: str, sound: str | os.PathLike[str], place: str) -> tuple[str, Any]:
    """Return the name of the model's input for samples, and a .wav file as its array.

    Samples are from -1 to 1, of all channels together. A rate other than that of
    preprocessor_config.json is refused; do_normalize makes their mean 0 and deviation 1.
    """
    name, _, shape = _input_of(model, place, "a sound", ranks=(1, 2, 3))
    if len(shape) == 3 and shape[1] not in (1, None):
        raise UsageError(
            f"{place}: input '{name}' of {model} takes {shape[1]} features a step, not samples; "
            "compute them with the model's feature extractor, and give the array"
        )
    samples, rate = _read_wave(sound, place)
    config = _config_of(model)
    wanted = config.get("sampling_rate")
    if isinstance(wanted, int) and wanted != rate:
        raise UsageError(f"{place}: has {rate} samples a second; {_CONFIG} says {wanted}")
    if config.get("do_normalize"):
        samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return name, samples.astype(np.float32).reshape((1,) * (len(shape) - 1) + (-1,))


def _input_of(
    model: str, place: str, what: str, ranks: tuple[int, ...]
) -> tuple[str, str, list[int | None]]:
    """Return name, type and shape of the one input that can hold it; None for open dimensions."""
    inputs = [
        (row["name"], row["type"], _dims(row["shape"]))
        for row in json.loads(_native.inspect(_native.Model(model), ""))["inputs"]
    ]
    if what == "an image":
        fitting = [i for i in inputs if len(i[2]) in ranks and (i[1] in _FLOATS or i[1] == "uint8")]
    else:
        fitting = [i for i in inputs if len(i[2]) in ranks and i[1] in _FLOATS]
        named = [i for i in fitting if i[0] in ("input_values", "input", "audio", "waveform")]
        fitting = named or fitting
    if len(fitting) != 1 or len(inputs) > 1 + sum("mask" in name for name, _, _ in inputs):
        found = ", ".join(
            f"{name} ({kind}[{', '.join('?' if d is None else str(d) for d in dims)}])"
            for name, kind, dims in inputs
        )
        raise UsageError(
            f"{place}: {model} has no one input that {what} is for; its inputs are {found}; "
            "give arrays by name"
        )
    return fitting[0]


def _dims(shape: str) -> list[int | None]:
    """Return the sizes of "[n, 3, 224, 224]", None for those that are open."""
    parts = [part.strip() for part in shape.strip("[]").split(",")]
    return [int(part) if part.isdecimal() else None for part in parts if part]


def _config_of(model: str) -> dict[str, Any]:
    folder = Path(model).absolute().parent
    for place in (folder, folder.parent) if folder.name == "onnx" else (folder,):
        path = place / _CONFIG
        if path.is_file():
            try:
                config = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"{path}: cannot be read: {error}") from error
            if isinstance(config, dict):
                return config
            raise UsageError(f"{path}: is no JSON object")
    return {}


def _opened(image: Any, place: str) -> Any:
    if not isinstance(image, str | os.PathLike):
        return image
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise UsageError(f"{place}: images are read with Pillow: pip install pillow") from error
    try:
        opened = Image.open(image)
        opened.load()  # what is damaged shows here
        return opened
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UsageError(f"{place}: cannot be read as an image: {error}") from error


def _height_and_width(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return size, size
    if isinstance(size, dict) and {"height", "width"} <= set(size):
        return int(size["height"]), int(size["width"])
    return None


def _resized(picture: Any, config: dict[str, Any], rows: int | None, columns: int | None) -> Any:
    size = config.get("size", {}) if config.get("do_resize", bool(config)) else {}
    resample = config.get("resample", _BICUBIC if config else _BILINEAR)
    exact = _height_and_width(size)
    shortest = size.get("shortest_edge") if isinstance(size, dict) else None
    if exact:
        picture = picture.resize(exact[::-1], resample)
    elif isinstance(shortest, int):
        factor = shortest / min(picture.size)
        picture = picture.resize(tuple(round(edge * factor) for edge in picture.size), resample)
    crop = _height_and_width(config.get("crop_size"))
    if crop and config.get("do_center_crop"):
        left, top = (picture.width - crop[1]) // 2, (picture.height - crop[0]) // 2
        picture = picture.crop((left, top, left + crop[1], top + crop[0]))
    fixed = (columns or picture.width, rows or picture.height)
    return picture if picture.size == fixed else picture.resize(fixed, resample)


def _normalized(pixels: Any, config: dict[str, Any]) -> Any:
    if config.get("do_rescale", True):
        pixels = pixels * np.float32(config.get("rescale_factor", 1 / 255))
    if config.get("do_normalize", "image_mean" in config):
        mean = np.asarray(config.get("image_mean", 0.0), np.float32)
        pixels = (pixels - mean) / np.asarray(config.get("image_std", 1.0), np.float32)
    return pixels.astype(np.float32)


def _read_wave(sound: str | os.PathLike[str], place: str) -> tuple[Any, int]:
    try:
        with wave.open(os.fspath(sound), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise UsageError(f"{place}: cannot be read as a .wav file of samples: {error}") from error
    if width == 1:
        samples = np.frombuffer(data, np.uint8).astype(np.float64) / 128 - 1
    elif width in (2, 4):
        samples = np.frombuffer(data, f"<i{width}") / float(1 << (8 * width - 1))
    else:  # 24 bits: the upper bytes of 32
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data[: len(wide) * 3], np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0] / float(1 << 31)
    return samples[: len(samples) // channels * channels].reshape(-1, channels).mean(1), rate
