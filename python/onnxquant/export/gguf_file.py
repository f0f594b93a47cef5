"""Reading a GGUF file: its metadata, and its tensors some rows at a time.

Every count, length and offset is held against the file's size before anything is allocated for it;
the `gguf` package, whose reader believes them, only turns blocks into float32.

The format (little-endian): "GGUF", a version, the numbers of tensors and of metadata fields; the
fields, each a name, a type and a value; the tensors' names, dimensions (the innermost first), types
and offsets; then, aligned, their bytes.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnxquant.export.checkpoint_file import AGAIN, CheckpointFile
from onnxquant.export.errors import CheckpointError
from onnxquant.export.row_chunks import FloatArray, rows_per_chunk

_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
# Metadata arrays hold scalars or texts; the format lets them hold arrays, which nobody writes.
_ARRAY_DEPTH = 4
# ggml's own bounds.
_MAX_DIMENSIONS = 4
_MAX_NAME = 65535
# A vocabulary has a quarter of a million texts, and twice as many merges.
_MAX_ELEMENTS = 16_000_000


@dataclass(frozen=True)
class GgufTensor:
    """One tensor: its shape (the outermost dimension first), ggml's type, and where it lies."""

    shape: tuple[int, ...]
    type: Any
    row_bytes: int
    first: int
    last: int


class GgufFile:
    """The fields and tensors of one file; all is checked when it is opened.

    Needs the `gguf` package for its table of types.
    """

    def __init__(self, path: Path) -> None:
        try:
            import gguf
        except ImportError as error:
            raise CheckpointError(
                f"{path}: reading a GGUF file needs the gguf package: pip install gguf"
            ) from error
        self.path = path
        self._gguf: Any = gguf
        self._elements = 0
        self.fields: dict[str, Any] = {}
        with CheckpointFile(path) as file:
            self._stamp = file.stamp()
            tensors, fields = self._read_counts(file)
            for _ in range(fields):
                self._read_field(file)
            infos = [self._read_info(file) for _ in range(tensors)]
            start = self._data_start(file.tell())
            self.tensors = self._place(infos, start, file.size)

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a tensor's rows (its first axis) in float32, some bytes at a time."""
        tensor = self.tensors[name]
        row_shape = tensor.shape[1:]
        inner = math.prod(row_shape[:-1])
        bytes_of_row = tensor.row_bytes * inner if row_shape else tensor.row_bytes
        total = tensor.shape[0] if row_shape else 1
        step = rows_per_chunk(tensor.shape) if row_shape else 1
        with CheckpointFile(self.path) as file:
            if file.stamp() != self._stamp:
                raise self._error("was changed after it was opened; begin again")
            for row in range(0, total, step):
                count = min(step, total - row)
                file.seek(tensor.first + row * bytes_of_row)
                stored = np.frombuffer(
                    file.read(count * bytes_of_row, f"tensor '{name}'"), np.uint8
                )
                rows = self._dequantize(name, tensor, stored)
                yield rows.reshape((count, *row_shape) if row_shape else tensor.shape)

    def _dequantize(self, name: str, tensor: GgufTensor, stored: Any) -> FloatArray:
        try:
            rows = stored.reshape(-1, tensor.row_bytes)
            found = self._gguf.quants.dequantize(rows, tensor.type)
        except NotImplementedError as error:
            raise self._error(f"tensor '{name}': type {tensor.type.name} has no reader") from error
        values: FloatArray = np.asarray(found).astype(np.float32, copy=False)
        return values

    def _error(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {what}")

    def _read_counts(self, file: CheckpointFile) -> tuple[int, int]:
        magic = file.read(min(4, file.left()), "the first bytes")
        if magic != b"GGUF":
            raise self._error(f"not a readable GGUF file: begins with {magic!r}; {AGAIN}")
        (version,) = self._numbers(file, "I", "the version")
        if version not in _VERSIONS:
            order = " (or its byte order is another)" if version & 0xFFFF == 0 else ""
            raise self._error(f"GGUF version {version}{order}, expected one of {_VERSIONS}")
        tensors, fields = self._numbers(file, "QQ", "the counts")
        # The least that each takes.
        if fields * 13 + tensors * 32 > file.left():
            raise self._error(
                f"{fields} metadata fields and {tensors} tensors in {file.size} bytes; {AGAIN}"
            )
        return tensors, fields

    def _numbers(self, file: CheckpointFile, form: str, what: str) -> tuple[Any, ...]:
        form = "<" + form
        return struct.unpack(form, file.read(struct.calcsize(form), what))

    def _text(self, file: CheckpointFile, what: str) -> str:
        (length,) = self._numbers(file, "Q", what)
        return self._decoded(file.read(length, what), what)

    def _decoded(self, text: bytes, what: str) -> str:
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error(f"{what}: not UTF-8; {AGAIN}") from error

    def _name(self, file: CheckpointFile, what: str) -> str:
        (length,) = self._numbers(file, "Q", what)
        if length > _MAX_NAME:
            raise self._error(f"{what}: {length} bytes, at most {_MAX_NAME} are read; {AGAIN}")
        return self._decoded(file.read(length, what), what)

    def _read_field(self, file: CheckpointFile) -> None:
        name = self._name(file, f"the name of metadata field {len(self.fields) + 1}")
        if name in self.fields:
            raise self._error(f"metadata field '{name}' is there twice; {AGAIN}")
        (kind,) = self._numbers(file, "I", f"metadata field '{name}'")
        self.fields[name] = self._value(file, kind, f"metadata field '{name}'", 0)

    def _value(self, file: CheckpointFile, kind: int, what: str, depth: int) -> Any:
        if kind in _SCALARS:
            return self._numbers(file, _SCALARS[kind], what)[0]
        if kind == _STRING:
            return self._text(file, what)
        if kind != _ARRAY:
            raise self._error(f"{what}: type {kind} is unknown; {AGAIN}")
        if depth == _ARRAY_DEPTH:
            raise self._error(f"{what}: arrays within arrays, more than {_ARRAY_DEPTH} deep")
        inner, count = self._numbers(file, "IQ", what)
        size = struct.calcsize("<" + _SCALARS[inner]) if inner in _SCALARS else 8
        self._elements += count
        if count * size > file.left() or self._elements > _MAX_ELEMENTS:
            raise self._error(
                f"{what}: {count} elements, with {file.left()} bytes left in the file and at most "
                f"{_MAX_ELEMENTS} elements read in all; {AGAIN}"
            )
        if inner in _SCALARS:
            code = "<" + _SCALARS[inner]
            return np.frombuffer(file.read(count * size, what), code).tolist()
        return [self._value(file, inner, what, depth + 1) for _ in range(count)]

    def _read_info(self, file: CheckpointFile) -> tuple[str, tuple[int, ...], int, int]:
        name = self._name(file, "a tensor's name")
        (dimensions,) = self._numbers(file, "I", f"tensor '{name}'")
        if dimensions > _MAX_DIMENSIONS:
            raise self._error(
                f"tensor '{name}': {dimensions} dimensions, at most {_MAX_DIMENSIONS}; {AGAIN}"
            )
        shape = self._numbers(file, "Q" * dimensions, f"tensor '{name}'")
        kind, offset = self._numbers(file, "IQ", f"tensor '{name}'")
        return name, tuple(reversed(shape)), kind, offset

    def _data_start(self, end: int) -> int:
        alignment = self.fields.get("general.alignment", 32)
        if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
            raise self._error(f"general.alignment is {alignment!r}, expected a power of two")
        return end + -end % alignment

    def _place(
        self, infos: list[tuple[str, tuple[int, ...], int, int]], start: int, size: int
    ) -> dict[str, GgufTensor]:
        tensors: dict[str, GgufTensor] = {}
        for name, shape, kind, offset in infos:
            if name in tensors:
                raise self._error(f"tensor '{name}' is there twice; {AGAIN}")
            try:
                known = self._gguf.GGMLQuantizationType(kind)
                block, block_bytes = self._gguf.GGML_QUANT_SIZES[known]
            except (ValueError, KeyError) as error:
                raise self._error(f"tensor '{name}': type {kind} is unknown; {AGAIN}") from error
            inner = shape[-1] if shape else 1
            if 0 in shape:
                raise self._error(f"tensor '{name}': shape {list(shape)} has no elements; {AGAIN}")
            if inner % block:
                raise self._error(
                    f"tensor '{name}': rows of {inner} elements, expected a multiple of {block}, "
                    f"the block of {known.name}; {AGAIN}"
                )
            row_bytes = inner // block * block_bytes
            first = start + offset
            last = first + row_bytes * math.prod(shape[:-1])
            if last > max(size, start):
                raise self._error(
                    f"tensor '{name}': bytes {first} to {last} lie outside the data, bytes {start} "
                    f"to {size}; {AGAIN}"
                )
            tensors[name] = GgufTensor(shape, known, row_bytes, first, last)
        self._refuse_overlaps(tensors)
        return tensors

    def _refuse_overlaps(self, tensors: dict[str, GgufTensor]) -> None:
        end, before = 0, ""
        for name, tensor in sorted(tensors.items(), key=lambda item: item[1].first):
            if tensor.first == tensor.last:
                continue
            if tensor.first < end:
                raise self._error(f"tensors '{before}' and '{name}' overlap; {AGAIN}")
            end, before = tensor.last, name
