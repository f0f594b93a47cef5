"""Types that the browser tests share."""

from collections.abc import Callable
from pathlib import Path

# The ends of file names that are not the dtype's own.
_ENDS = {"q8": "quantized"}


def file_of(dtype: str) -> str:
    """Return the name of a dtype's file."""
    return f"model_{_ENDS.get(dtype, dtype)}.onnx"


# From a policy's name and a dtype to the converted file, in a model folder of its own.
Convert = Callable[[str, str], Path]
# From a name to a model folder of that name, for Transformers.js to load.
Folder = Callable[[str], Path]
# The tokens and the text with which the float32 model continues the prompt.
Expected = tuple[list[int], str]
