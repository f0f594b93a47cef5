"""A checkpoint's files as bytes and as JSON: only regular files, and never more than they hold."""

import json
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from onnxquant.export.errors import CheckpointError

# An index of 100,000 tensors takes a tenth of it.
_JSON_BYTES = 64 << 20
AGAIN = "the file is damaged or incomplete: download or save it again"


class CheckpointFile:
    """An open file whose reads give all that was asked for, or a CheckpointError.

    Read, not mapped: a map of a checkpoint of gigabytes would count as memory in use, and one that
    is shortened meanwhile would end the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # A pipe that nobody writes to would keep the opening waiting.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be read: {error.strerror}; check the path and its permissions"
            ) from error
        except ValueError as error:  # a NUL in the name
            shown = str(path).replace("\0", "\\0")
            raise CheckpointError(f"{shown}: is no path ({error}); correct it") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise CheckpointError(f"{path}: is not a regular file; name the checkpoint's file")
        self._file: BinaryIO = os.fdopen(descriptor, "rb")
        self.size = status.st_size
        self._written = status.st_mtime_ns

    def __enter__(self) -> "CheckpointFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._file.tell()

    def left(self) -> int:
        """Return how many bytes there are from here on."""
        return self.size - self._file.tell()

    def seek(self, offset: int) -> None:
        """Go to a byte; one beyond the file has nothing to be read."""
        self._file.seek(offset)

    def read(self, count: int, what: str) -> bytes:
        """Return `count` bytes from here; `what` they are, for messages."""
        if not 0 <= count <= self.left():
            raise CheckpointError(
                f"{self.path}: {what}: {count} bytes at {self.tell()}, of {self.size} in all; "
                f"{AGAIN}"
            )
        try:
            found = self._file.read(count)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be read: {error.strerror}") from error
        if len(found) != count:
            raise CheckpointError(f"{self.path}: was shortened while it was read; {AGAIN}")
        return found

    def stamp(self) -> tuple[int, int]:
        """Return what changes when the file is written to."""
        return self.size, self._written


def read_json(path: Path, again: str) -> dict[str, Any]:
    """Return the object that a JSON file holds; `again` says where to get a good one."""
    with CheckpointFile(path) as file:
        if file.size > _JSON_BYTES:
            raise CheckpointError(
                f"{path}: {file.size} bytes, at most {_JSON_BYTES} are read as JSON; {again}"
            )
        return parse_json(path, file.read(file.size, "JSON"), "the file", again)


def parse_json(path: Path, text: bytes, part: str, again: str) -> dict[str, Any]:
    """Return the object that `text`, a part of the file, stands for."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"'{key}' is there twice")
            found[key] = value
        return found

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {part} is not JSON ({error}); {again}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: {part} is no JSON object; {again}")
    return value
