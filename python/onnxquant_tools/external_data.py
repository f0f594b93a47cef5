"""Writing tensors one after another into a model's external data file, never holding them all."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

Array = npt.NDArray[np.generic]


class ExternalDataWriter:
    """Appends tensors, packed without gaps in the order they come, to one data file.

    Layout as onnx's own writer makes it: little-endian, row-major, offsets without alignment
    beyond the elements' own (every tensor's size here is a multiple of four bytes).
    """

    def __init__(self, folder: Path, location: str) -> None:
        self._folder = folder
        self._location = location
        self._file: BinaryIO = (folder / location).open("wb")
        self._offset = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._offset

    def add(
        self, name: str, shape: tuple[int, ...], chunks: Iterable[Array], dtype: ir.DataType
    ) -> ir.ExternalTensor:
        """Append a tensor given as row chunks and return the reference to put into the graph."""
        start = self._offset
        for chunk in chunks:
            self._offset += self._file.write(np.ascontiguousarray(chunk).data)
        length = self._offset - start
        expected = int(np.prod(shape)) * int(dtype.itemsize)
        if length != expected:
            raise ValueError(f"tensor '{name}': {length} bytes written, {expected} by its shape")
        return ir.ExternalTensor(
            self._location, start, length, dtype, shape=ir.Shape(shape), name=name,
            base_dir=str(self._folder),
        )  # fmt: skip

    def close(self) -> None:
        """Flush to the disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
