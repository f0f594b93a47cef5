"""Inputs that models are run on: arrays, files of arrays, images and sounds."""

import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxquant.errors import OnnxquantError, UsageError
from onnxquant.media import IMAGES, SOUNDS, image_array, is_image, sound_array

# One run: a file or folder (.npz, .npy, an image, a sound), arrays by the names of the inputs, or
# the one array or image of a model with one input. Or several of these.
Inputs = str | os.PathLike[str] | Mapping[str, Any] | Any


@dataclass(frozen=True)
class InputFiles:
    """The files that hold the inputs, in order, and what those are called that were written."""

    paths: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def told(self, text: str) -> str:
        """Return a text of the native part with "inputs[3]" in the place of a written file."""
        for written, name in sorted(self.names.items(), reverse=True):
            text = text.replace(written, name)
        return text


@contextmanager
def input_files(model: str, inputs: Inputs | None) -> Iterator[InputFiles]:
    """Give the files that hold the inputs; none for None. Messages name "inputs"."""
    if inputs is None:
        yield InputFiles()
        return
    one = _is_one_run(inputs)
    runs = listed_runs(inputs)
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        files = InputFiles()
        for i, run in enumerate(runs):
            place = "inputs" if one else f"inputs[{i}]"
            if _is_file_of_arrays(run):
                files.paths.append(os.fspath(run))
                continue
            path = Path(folder) / f"{i}"
            _write(path, _arrays(model, run, place), place)
            files.paths.append(str(path))
            files.names[str(path)] = place
        try:
            yield files
        except OnnxquantError as error:
            raise type(error)(files.told(str(error))) from None


def _is_one_run(inputs: Any) -> bool:
    return isinstance(inputs, str | os.PathLike | Mapping | np.ndarray) or is_image(inputs)


def listed_runs(inputs: Inputs) -> list[Any]:
    """Return the runs, of which one alone needs no list. Raises UsageError for what is none."""
    if _is_one_run(inputs):
        return [inputs]
    if not isinstance(inputs, Iterable):
        raise UsageError(
            f"inputs: found {type(inputs).__name__}; expected arrays by name, a file, or a list"
        )
    runs = list(inputs)
    if not runs:
        raise UsageError("inputs: an empty list; expected at least one run")
    if any(np.isscalar(run) and not isinstance(run, str) for run in runs):
        raise UsageError("inputs: a list of numbers; expected arrays: numpy.array(…), or by name")
    return runs


def _is_file_of_arrays(run: Any) -> bool:
    return isinstance(run, str | os.PathLike) and Path(run).suffix.lower() not in IMAGES | SOUNDS


def _arrays(model: str, run: Any, place: str) -> Mapping[str, npt.NDArray[Any]]:
    """Return the arrays of a run; "" stands for the name that was not given."""
    if isinstance(run, Mapping):
        return {str(name): _array(value, f"{place}['{name}']") for name, value in run.items()}
    if is_image(run):
        return dict([image_array(model, run, place)])
    if isinstance(run, str | os.PathLike):
        read = image_array if Path(run).suffix.lower() in IMAGES else sound_array
        return dict([read(model, run, os.fspath(run))])
    return {"": _array(run, place)}


def _array(value: Any, place: str) -> npt.NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.hasobject or array.dtype.kind in "USMmc":
        raise UsageError(f"{place}: is an array of {array.dtype}; expected numbers or booleans")
    return array


def _write(path: Path, arrays: Mapping[str, npt.NDArray[Any]], place: str) -> None:
    """Write a .npy or .npz file: numpy.savez takes no name that is one of its own arguments."""
    if set(arrays) == {""}:
        with path.open("wb") as file:
            np.lib.format.write_array(file, arrays[""], allow_pickle=False)
        return
    if not arrays:
        raise UsageError(f"{place}: holds no arrays")
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
