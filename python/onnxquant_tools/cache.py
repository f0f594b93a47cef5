"""The folder that keeps what is downloaded or built once: environments, models, Mesa."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return $ONNXQUANT_CACHE, else the XDG cache folder's `onnxquant` (same rule as scripts/)."""
    own = os.environ.get("ONNXQUANT_CACHE")
    if own:
        return Path(own)
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "onnxquant"
