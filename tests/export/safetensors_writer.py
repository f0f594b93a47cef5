"""Writing safetensors by the format's definition, whole or broken on purpose."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from onnxquant.export.checkpoint import Checkpoint

_NAMES = {
    np.dtype(np.float32): "F32",
    np.dtype(np.float16): "F16",
    np.dtype(ml_dtypes.bfloat16): "BF16",
    np.dtype(np.uint8): "U8",
}


def write_safetensors(path: Path, tensors: dict[str, npt.NDArray[Any]]) -> None:
    """Write tensors in the order given."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in tensors.items():
        last = offset + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, last]
        }  # fmt: skip
        offset = last
    write_raw(path, header, tensors.values())


def write_raw(path: Path, header: Any, arrays: Any = ()) -> None:
    """Write a header as it is given, true or not, and the arrays behind it."""
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays:
            file.write(array.tobytes())


def write_folder(folder: Path, source: Checkpoint, **changes: Any) -> Path:
    """Write a checkpoint as transformers would: norms without their 1, config.json beside."""
    tensors = {}
    for name in source.names():
        if "norm" in name:
            tensors[name] = source.norm_gain(name) - np.float32(1)
        else:
            tensors[name] = np.concatenate(list(source.row_chunks(name)))
    return write_tensors(folder, tensors, source.config.to_json(1) | changes)


def write_tensors(
    folder: Path, tensors: dict[str, npt.NDArray[Any]], config: dict[str, Any]
) -> Path:
    """Write model.safetensors and config.json."""
    folder.mkdir(parents=True)
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(config))
    return folder
