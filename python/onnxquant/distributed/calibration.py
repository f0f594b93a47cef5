"""Calibration in slices that are added up, over the workers of a Dask client."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from onnxquant import _native
from onnxquant._native import __version__
from onnxquant.arguments import AnyPath, Tokens, check_least, check_within, file_of, local_path
from onnxquant.calibration import Calibration, merge_calibrations
from onnxquant.calibration import calibrate as calibrate_once
from onnxquant.distributed.cluster import run_task, run_tasks
from onnxquant.distributed.slices import Slice, digest, slices_of
from onnxquant.errors import OnnxquantError, UsageError, WriteError
from onnxquant.inputs import Inputs

if TYPE_CHECKING:
    from distributed import Client


def calibrate(
    model: AnyPath,
    output: AnyPath,
    tokens: Tokens = "self",
    client: "Client | None" = None,
    *,
    slices: int = 16,
    inputs: Inputs | None = None,
    count: int = 0,
    sequences: int = 96,
    length: int = 256,
    batch: int = 32,
    gradients: int = 0,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    folder: AnyPath | None = None,
    retries: int = 3,
    force: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Calibration:
    """Calibrate in slices over the workers of a Dask client, and add them up.

    slices: how many to cut the texts or inputs into, at most: a text is read by one worker. The
        sums hang on this number, not on the workers: without a client the same slices are made
        here, one by one. The model's own text is another than that of one `onnxquant.calibrate`:
        each slice begins it with a seed of its own.
    folder: where the slices are kept until all are added up, so that the call may be repeated after
        whatever ended it, and makes what is missing; None for OUTPUT.slices. Slices of another
        model are refused; those of other arguments are left alone.
    retries: how often a slice that fails is begun again; see `convert`.
    progress: called with the number of slices done and of all.
    For all else see `onnxquant.calibrate`. `memory` is that of each slice, and each runs on all
    cores of its machine: give the cluster a worker of one thread for each machine.

    `tokens` and arrays are read here and sent to the workers; the model, the output, the folder and
    files of inputs are theirs.
    Raises what `onnxquant.calibrate` and `merge_calibrations` raise.
    """
    check_within(1, 1 << 16, slices=slices)
    check_within(1, 1 << 20, sequences=sequences)
    check_least(0, retries=retries, count=count, gradients=gradients, seed=seed)
    model_path, output_path = os.path.abspath(file_of(model)), os.path.abspath(local_path(output))
    shares = [
        {"sequences": sequences, "seed": seed, "length": length, "batch": batch, "memory": memory}
        | {"dims": dict(dims or {})}
        | share
        for share in slices_of(
            tokens,
            inputs,
            slices=slices,
            count=count,
            sequences=sequences,
            gradients=gradients,
            seed=seed,
        )
    ]
    of = len(shares)
    made = 0

    def done(_place: int = 0, _result: Any = None, more: int = 1) -> None:
        nonlocal made
        made += more
        if progress is not None and more:
            progress(made, of)

    where = {"model": model_path, "output": output_path, "force": force}
    if of == 1:
        made_once = run_task(client, _whole, retries=retries, **where, arguments=shares[0])
        done()
        return made_once
    place = Path(output_path + ".slices" if folder is None else os.path.abspath(folder))
    files = [
        str(place / f"{i}-of-{of}-{digest({**share, 'tool': __version__})}" / "sums.safetensors")
        for i, share in enumerate(shares, 1)
    ]
    missing = run_task(client, _begin, retries=retries, **where, files=files)
    done(more=of - len(missing))
    items = [(i, shares[i], files[i]) for i in missing]
    run_tasks(client, _slice, items, retries=retries, done=done, model=model_path, of=of)
    return run_task(client, _merge, retries=retries, output=output_path, files=files, force=force)


def _whole(model: str, output: str, force: bool, arguments: Slice) -> Calibration:
    return calibrate_once(model, output, force=force, **arguments)


def _begin(model: str, output: str, force: bool, files: Sequence[str]) -> list[int]:
    """Return which slices are missing. What would be refused at the end is refused here."""
    if os.path.lexists(output):
        if not force:
            raise WriteError(f"{output}: exists already; force=True replaces it")
        # The sum knows nothing of the model's files, of which this may be one.
        _fingerprint_of(output, "is no calibration, and is not replaced; choose another output")
    fingerprint = _native.fingerprint(model)
    folder = Path(files[0]).parent.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: creating the folder failed: {error.strerror}") from error
    missing = []
    for place, file in enumerate(files):
        if not os.path.exists(file):
            missing.append(place)
            continue
        found = _fingerprint_of(file, "is no slice of a calibration; remove it")
        if found != fingerprint:
            raise UsageError(
                f"{file}: this slice is of another model: its fingerprint is {found}, that of "
                f"{model} is {fingerprint}; remove {folder}, or give another folder="
            )
    return missing


def _fingerprint_of(file: str, otherwise: str) -> str:
    try:
        with safe_open(file, "numpy") as opened:
            return str((opened.metadata() or {})["fingerprint"])
    except Exception as error:  # safetensors raises a class of its own that it does not export
        raise WriteError(f"{file}: {otherwise} ({error})") from error


def _slice(item: tuple[int, Slice, str], model: str, of: int) -> None:
    place, arguments, file = item
    try:
        # Where a worker was thought dead two may make it at once: of two alike the later stays.
        calibrate_once(model, file, force=True, **arguments)
    except OnnxquantError as error:
        raise type(error)(f"{error} (in slice {place + 1} of {of})") from None


def _merge(output: str, files: Sequence[str], force: bool) -> Calibration:
    merged = merge_calibrations(files, output, force=force)
    for file in files:
        shutil.rmtree(Path(file).parent, ignore_errors=True)
    with suppress(OSError):  # others may have slices there, too
        Path(files[0]).parent.parent.rmdir()
    return merged
