"""Inputs for the exported models of families, from nothing but their signature."""

from typing import Any

import numpy as np
import numpy.typing as npt

from onnxquant_tools.family_sizes import VOCABULARY

Feeds = dict[str, npt.NDArray[Any]]
_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_BATCH, _LENGTH = 2, 6


def _axis(dim: int | str | None, name: str) -> int:
    """Return a length for a dimension: nothing is past, one picture, six tokens."""
    if isinstance(dim, int):
        return dim
    text = str(dim).lower()
    if "batch" in text:
        return _BATCH
    if "+" in text or "total" in text:
        return _LENGTH
    if "past" in text:
        return 0
    if "channel" in text:
        return 3
    if "height" in text or "width" in text:
        return 32
    if "mel" in text or "feature" in text:
        return 16
    if "audio" in text or ("samples" in text):
        return 8000
    return _LENGTH if "input_features" not in name else 100


def make_feeds(session: Any) -> Feeds:
    """Return inputs for a session, of the types that it asks for; the same on every call."""
    random = np.random.default_rng(5)
    feeds: Feeds = {}
    for value in session.get_inputs():
        dtype = _TYPES[value.type]
        shape = [_axis(dim, value.name) for dim in value.shape]
        if dtype is np.bool_:
            feeds[value.name] = np.zeros(shape, dtype)
        elif "mask" in value.name:
            feeds[value.name] = np.ones(shape, dtype)
        elif "position" in value.name:
            feeds[value.name] = np.broadcast_to(np.arange(shape[-1]), shape).astype(dtype)
        elif value.name == "token_type_ids" or "labels" in value.name:
            feeds[value.name] = np.ones(shape, dtype)
        elif np.issubdtype(dtype, np.integer):
            feeds[value.name] = random.integers(3, VOCABULARY, shape).astype(dtype)
        else:
            feeds[value.name] = random.normal(0, 1, shape).astype(np.float32).astype(dtype)
    return feeds
