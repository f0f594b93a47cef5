"""Applying a saved plan: at once, or in parts on many machines that share a file system."""

import json
import os
from typing import overload

from onnxquant import _native
from onnxquant.arguments import AnyPath, Progress, check_least
from onnxquant.errors import UsageError
from onnxquant.results import PartResult, Report


@overload
def apply_manifest(
    manifest: AnyPath,
    part: None = None,
    *,
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    verify: bool = False,
    progress: Progress | None = None,
) -> Report: ...


@overload
def apply_manifest(
    manifest: AnyPath,
    part: tuple[int, int],
    *,
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    verify: bool = False,
    progress: Progress | None = None,
) -> PartResult: ...


def apply_manifest(
    manifest: AnyPath,
    part: tuple[int, int] | None = None,
    *,
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    verify: bool = False,
    progress: Progress | None = None,
) -> Report | PartResult:
    """Carry out what `plan(…).save_manifest(manifest)` saved; the bytes are those of `apply`.

    part: (3, 8) makes the data files of the third of eight parts, and needs `finish_manifest` at
        the end. Parts may run at once, on any machines, in any order, twice, or be killed: what is
        done is not done again. None: all parts as far as they are not done, and the end.
    verify: read what is done already, and compare its SHA-256 with its record.
    force, threads, memory, progress: as of `Plan.apply`.

    Raises UsageError for a manifest that says something else than its policy makes of its model,
    ModelError where the model is not the one that was planned, and what `Plan.apply` raises.
    """
    check_least(0, threads=threads, memory=memory)
    path = os.fspath(manifest)
    if part is None:
        return Report(
            json.loads(
                _native.apply_manifest(path, False, force, threads, memory, verify, progress)
            )
        )
    if len(part) != 2:
        raise UsageError(f"part={part!r}: expected (number, parts), such as (3, 8)")
    number, of = part
    return PartResult(
        _native.apply_part(path, number, of, force, threads, memory, verify, progress)
    )


def finish_manifest(
    manifest: AnyPath,
    *,
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    verify: bool = False,
) -> Report:
    """Check that all parts are done, and put all files in place: all of them, or none.

    Raises VerifyError, which lists what is missing by part, and what `apply_manifest` raises.
    """
    check_least(0, threads=threads, memory=memory)
    path = os.fspath(manifest)
    return Report(
        json.loads(_native.apply_manifest(path, True, force, threads, memory, verify, None))
    )
