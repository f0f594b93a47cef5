"""Reading a .safetensors file with NumPy alone, bfloat16 included, some rows at a time.

The format: eight bytes with the header's length (little-endian), a header in JSON that gives every
tensor's element type, shape and first and last byte, then the tensors' bytes, little-endian and
row-major. NumPy has no bfloat16, hence ml_dtypes; torch is not needed. The safetensors package
validates a file; its own reader would give whole tensors, and no bfloat16.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import safetensors

from onnxquant.export.checkpoint_file import AGAIN, CheckpointFile, parse_json
from onnxquant.export.errors import CheckpointError
from onnxquant.export.row_chunks import FloatArray, rows_per_chunk

_TYPES: dict[str, npt.DTypeLike] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
}  # fmt: skip
# The format's own limit on the header.
_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: element type as the file names it, shape, and its bytes [first, last)."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    last: int


class SafetensorsFile:
    """The tensors of one file by name; every offset is checked when the file is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with CheckpointFile(path) as file:
            size, self._stamp = file.size, file.stamp()
            prefix = file.read(min(8, size), "the header's length")
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or length > min(size - 8, _HEADER_LIMIT):
                raise CheckpointError(
                    f"{path}: a header of {length} bytes in a file of {size} bytes; {AGAIN}"
                )
            _validate(path)
            header = parse_json(path, file.read(length, "the header"), "the header", AGAIN)
        start = 8 + length
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        self.tensors = {name: _tensor_info(entry, start) for name, entry in header.items()}

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a tensor's rows (its first axis) in float32, at most CHUNK_BYTES at a time."""
        info = self.tensors[name]
        if info.dtype not in _TYPES:
            raise CheckpointError(
                f"{self.path}: tensor '{name}' has elements of type {info.dtype}, expected one of "
                f"{', '.join(_TYPES)}: give the checkpoint as it was before it was quantized"
            )
        dtype, row_shape = np.dtype(_TYPES[info.dtype]), info.shape[1:]
        row_bytes = math.prod(row_shape) * dtype.itemsize
        total, rows = info.shape[0] if info.shape else 1, rows_per_chunk(info.shape)
        if row_bytes == 0 or total == 0:
            raise CheckpointError(
                f"{self.path}: tensor '{name}' of shape {list(info.shape)} has no elements; {AGAIN}"
            )
        with CheckpointFile(self.path) as file:
            if file.stamp() != self._stamp:
                raise CheckpointError(f"{self.path}: was changed after it was opened; begin again")
            for row in range(0, total, rows):
                count = min(rows, total - row)
                file.seek(info.first + row * row_bytes)
                found = file.read(count * row_bytes, f"tensor '{name}'")
                shape = (count, *row_shape) if info.shape else ()
                values = np.frombuffer(found, dtype)
                yield values.astype(np.float32, copy=False).reshape(shape)


def _validate(path: Path) -> None:
    """Have the format's own library look at the file: it allows no holes and no overlaps."""
    try:
        with safetensors.safe_open(path, framework="numpy"):
            pass
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: is no valid safetensors file ({error}); {AGAIN}") from error


def _tensor_info(entry: Any, start: int) -> TensorInfo:
    """Return a header entry, which is known to be valid, with absolute offsets."""
    first, last = entry["data_offsets"]
    return TensorInfo(entry["dtype"], tuple(entry["shape"]), start + first, start + last)
