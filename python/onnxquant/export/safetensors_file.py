"""Reading a .safetensors file with NumPy alone, bfloat16 included, some rows at a time.

The format: eight bytes with the header's length (little-endian), a header in JSON that gives every
tensor's element type, shape and first and last byte, then the tensors' bytes, little-endian and
row-major. NumPy has no bfloat16, hence ml_dtypes; torch is not needed.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from onnxquant.export.errors import CheckpointError

FloatArray = npt.NDArray[np.float32]

_TYPES: dict[str, npt.DTypeLike] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
}  # fmt: skip
# Float32 bytes given out at once: bounds the memory that one weight takes.
CHUNK_BYTES = 64 << 20
# The format's own limit on the header.
_HEADER_LIMIT = 100_000_000
_AGAIN = "the file is damaged or incomplete: download or save it again"


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
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                prefix = file.read(8)
                length = int.from_bytes(prefix, "little")
                if len(prefix) < 8 or length > min(size - 8, _HEADER_LIMIT):
                    raise CheckpointError(
                        f"{path}: a header of {length} bytes in a file of {size} bytes; {_AGAIN}"
                    )
                header = _parse(path, file.read(length))
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be read: {error.strerror}; check the path and its permissions"
            ) from error
        start = 8 + length
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        self.tensors = {
            name: _tensor_info(path, name, entry, start, size) for name, entry in header.items()
        }

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
        # Read, not mapped: a map of a checkpoint of gigabytes would count as memory in use.
        with self.path.open("rb") as file:
            for row in range(0, total, rows):
                count = min(rows, total - row)
                file.seek(info.first + row * row_bytes)
                stored = np.frombuffer(file.read(count * row_bytes), dtype)
                shape = (count, *row_shape) if info.shape else ()
                yield stored.astype(np.float32, copy=False).reshape(shape)


def rows_per_chunk(shape: tuple[int, ...]) -> int:
    """Return how many rows of a tensor make up at most CHUNK_BYTES of float32, one at least."""
    return max(1, CHUNK_BYTES // max(1, 4 * math.prod(shape[1:])))


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{path}: the header is not JSON ({error}); {_AGAIN}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header is no JSON object; {_AGAIN}")
    return header


def _tensor_info(path: Path, name: str, entry: Any, start: int, size: int) -> TensorInfo:
    """Check one header entry against the file's size and return it with absolute offsets."""
    try:
        dtype, shape = str(entry["dtype"]), tuple(int(n) for n in entry["shape"])
        first, last = (start + int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: tensor '{name}': the header's entry {entry!r} lacks a valid dtype, shape or "
            f"data_offsets; {_AGAIN}"
        ) from error
    if not start <= first <= last <= size or min(shape, default=0) < 0:
        raise CheckpointError(
            f"{path}: tensor '{name}': bytes {first} to {last} lie outside the data, bytes {start} "
            f"to {size}; {_AGAIN}"
        )
    if dtype in _TYPES:
        expected = math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize
        if last - first != expected:
            raise CheckpointError(
                f"{path}: tensor '{name}': {last - first} bytes, expected {expected} of shape "
                f"{list(shape)} in {dtype}; {_AGAIN}"
            )
    return TensorInfo(dtype, shape, first, last)
