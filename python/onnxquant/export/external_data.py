"""Writing tensors one after another into a model's external data files, never holding them all."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

Array = npt.NDArray[np.generic]

# Browsers keep a data file in one array, which ends below 2 GiB.
DEFAULT_SHARD_BYTES = 1_900_000_000


class ExternalDataWriter:
    """Appends tensors, packed without gaps in the order they come, to data files.

    Layout as onnx's own writer makes it: little-endian, row-major, offsets without alignment
    beyond the elements' own (every tensor's size here is a multiple of four bytes). The files are
    `location`, `location_1`, `location_2` …, as Transformers.js names them; a new one begins before
    a tensor that would take the current one beyond `shard_bytes`. A tensor is never split: a larger
    one has a file of its own.
    """

    def __init__(self, folder: Path, location: str, shard_bytes: int = DEFAULT_SHARD_BYTES) -> None:
        self._folder = folder
        self._base = location
        self._limit = shard_bytes
        self._location = location
        self._file: BinaryIO = (folder / location).open("wb")
        self._offset = 0
        self.locations = [location]
        self.size = 0

    def add(
        self, name: str, shape: tuple[int, ...], chunks: Iterable[Array], dtype: ir.DataType
    ) -> ir.ExternalTensor:
        """Append a tensor given as row chunks and return the reference to put into the graph."""
        reference = self._begin(name, shape, dtype)
        written = 0
        for chunk in chunks:
            written += self._file.write(np.ascontiguousarray(chunk).data)
        self._end(reference, written)
        return reference

    def add_transposed(
        self, name: str, shape: tuple[int, int], chunks: Iterable[Array], dtype: ir.DataType
    ) -> ir.ExternalTensor:
        """Append a matrix [rows, columns] given as chunks of rows of its transpose.

        A matrix in one chunk is written at once; each further chunk goes to its columns, row by
        row, so that a head of gigabytes needs no more memory than one chunk.
        """
        reference = self._begin(name, shape, dtype)
        start, (rows, columns), item = self._offset, shape, int(dtype.itemsize)
        written = first = 0
        for chunk in chunks:
            block = np.ascontiguousarray(chunk.T)
            if block.shape == shape:
                written += self._file.write(block.data)
                break
            for row in range(rows):
                self._file.seek(start + (row * columns + first) * item)
                written += self._file.write(block[row].data)
            first += block.shape[1]
        self._file.seek(start + written)
        self._end(reference, written)
        return reference

    def close(self) -> None:
        """Flush to the disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _begin(self, name: str, shape: tuple[int, ...], dtype: ir.DataType) -> ir.ExternalTensor:
        length = int(np.prod(shape)) * int(dtype.itemsize)
        if self._offset > 0 and self._offset + length > self._limit:
            self.close()
            self._location = f"{self._base}_{len(self.locations)}"
            self.locations.append(self._location)
            self._file = (self._folder / self._location).open("wb")
            self._offset = 0
        return ir.ExternalTensor(
            self._location, self._offset, length, dtype, shape=ir.Shape(shape), name=name,
            base_dir=str(self._folder),
        )  # fmt: skip

    def _end(self, reference: ir.ExternalTensor, written: int) -> None:
        expected = reference.length or 0
        if written != expected:
            raise ValueError(
                f"tensor '{reference.name}': {written} bytes written, {expected} by its shape"
            )
        self._offset += written
        self.size += written
