"""Types that the browser tests share."""

from collections.abc import Callable
from pathlib import Path

# From a policy's name and a dtype to the converted file, in a model folder of its own.
Convert = Callable[[str, str], Path]
# From a name to a model folder of that name, for Transformers.js to load.
Folder = Callable[[str], Path]
# The tokens and the text with which the float32 model continues the prompt.
Expected = tuple[list[int], str]
