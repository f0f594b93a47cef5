"""Statistics of what a model's products read, for methods that choose codes by them."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from onnxquant import _native
from onnxquant.arguments import (
    AnyPath,
    Progress,
    Tokens,
    check_within,
    file_of,
    fill_run,
    tokens_file,
)
from onnxquant.errors import UsageError
from onnxquant.html import table
from onnxquant.inputs import Inputs, input_files
from onnxquant.results import Result, Rows, frame
from onnxquant.runner import load
from onnxquant.stores import is_url, staging

if TYPE_CHECKING:
    import pandas

_MOST = 1 << 20
_DTYPES = {"F32": np.float32, "I64": np.int64}  # of the file's tensors


class Calibration(Result):
    """A file of statistics, and what it holds. `plan`, `quantize` and `tune` take it as it is."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        output = data["output"]
        # Where it is now: notebooks change their folder.
        self._path = output if is_url(output) else os.path.abspath(output)

    def __fspath__(self) -> str:
        """Return the path, so that whatever takes the file takes this."""
        return str(self._path)

    @property
    def path(self) -> Path:
        """Return the file, safetensors. Raises UsageError where it is in a store."""
        if is_url(self._path):
            raise UsageError(f"{self._path}: is no file of this machine; copy it here to read it")
        return Path(self._path)

    @property
    def bytes(self) -> int:
        """Return its size."""
        return int(self._data["bytes"])

    @property
    def tokens(self) -> int:
        """Return how many tokens were read; 0 for a model that takes none."""
        return int(self._data["metadata"]["tokens"])

    @property
    def metadata(self) -> dict[str, str]:
        """Return what the file says of itself: fingerprint, tokens, sequences, seed, text, tool."""
        return dict(self._data["metadata"])

    @property
    def values(self) -> Rows:
        """Return a row for each value: name, size (elements of a row), rows summed, layer."""
        return list(self._data["values"])

    @property
    def gradients(self) -> Rows:
        """Return a row for each output that has gradients: output, lookup, inputs, outputs, tokens.

        None where they were not asked for.
        """
        return list(self._data["gradients"])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the sums by their names in the file: moments/VALUE, gradients/OUTPUT …

        Views of the mapped file, which cannot be written to and take no memory until they are read.
        docs/formats.md says what they hold. Raises OSError where the file is gone.
        """
        content = np.memmap(self.path, np.uint8, "r")
        start = 8 + int.from_bytes(content[:8].tobytes(), "little")
        header = json.loads(content[8:start].tobytes())
        views = {}
        for name, row in header.items():
            if name == "__metadata__":
                continue
            first, last = row["data_offsets"]
            view = content[start + first : start + last].view(_DTYPES[row["dtype"]])
            views[name] = view.reshape(row["shape"])
        return views

    @property
    def not_observed(self) -> Rows:
        """Return {"node", "reason"} of each product whose input was not summed up."""
        return list(self._data.get("not_observed", []))

    @property
    def warnings(self) -> list[str]:
        """Return what the user should know."""
        return list(self._data.get("warnings", []))

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the values, a row each."""
        return frame(self.values)

    def __repr__(self) -> str:
        merged = self._data.get("merged")
        source = f"{len(merged)} files" if merged else self._data["model"]
        read = f"{self.tokens:,} tokens"
        if self.metadata["text"] in ("made up", "inputs"):
            kind = "made-up" if self.metadata["text"] == "made up" else "given"
            read = f"{int(self.metadata['sequences']):,} runs on {kind} inputs"
        held = f"{len(self.values)} values from {read}"
        return f"<Calibration of {source}: {held}, {self.bytes:,} bytes>"

    def _repr_html_(self) -> str:
        keys = ("name", "layer", "size", "rows")
        shown = table(
            keys, ([row.get(key) for key in keys] for row in self.values), repr(self)[1:-1]
        )
        told = [["warning", sentence] for sentence in self.warnings]
        told += [["not observed", f"{row['node']}: {row['reason']}"] for row in self.not_observed]
        return shown + (table(("", ""), told) if told else "")


def calibrate(
    model: AnyPath,
    output: AnyPath,
    tokens: Tokens = "self",
    *,
    inputs: Inputs | None = None,
    count: int = 0,
    sequences: int = 96,
    length: int = 256,
    batch: int = 32,
    gradients: int = 0,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> Calibration:
    """Run a model and sum up what its products read, for policies whose method is gptq.

    model: a path of a float model.
    output: the file of statistics to write (safetensors), which `plan` and `quantize` read.
    tokens: "self" (the model writes its own text), a file (.npy, .jsonl, .txt), or ids.
    inputs: what to run on instead: see `ranges`.
    count: tokens to read of a file or of ids; 0 for all.
    sequences: texts that the model writes itself, or runs on made-up inputs where it takes no
        tokens. length: tokens of each. batch: texts side by side, at most.
    gradients: so many texts are also read backwards, for gradients, which weigh tokens for gptq and
        foretell costs for `tune`; 24 is a good number, 0 for none.
    seed, dims: for the model's own text, and inputs that are made up (dims by their names).
    model, output, tokens and inputs that are files may be URLs, as of `quantize`.
    memory: bytes of sums at once; the model runs again for the rest. 0 for 4 GiB.
    force: replace an existing file. progress: called with the tokens done and in all.

    The file appears as a whole or not at all. What was summed is kept beside it now and then, as
    OUTPUT.unfinished: the same call goes on from there. Other threads run meanwhile, and Ctrl-C
    stops it.
    Raises UsageError, ModelError, VerifyError or WriteError.
    """
    options = _native.CalibrationOptions()
    check_within(1, _MOST, sequences=sequences, length=length)
    check_within(1, 4096, batch=batch)
    check_within(0, _MOST, gradients=gradients)
    options.sequences = sequences
    options.length = length
    options.batch = batch
    options.gradients = gradients
    fill_run(options, count=count, seed=seed, dims=dims, memory=memory)
    with staging() as stage:
        options.model = file_of(stage.model(model))
        read = stage.files(inputs)
        local = stage.output_file(output, force)
        with (
            tokens_file(stage.file(tokens)) as options.tokens,
            input_files(options.model, read) as files,
        ):
            options.inputs = files.paths
            made = _native.calibrate(options, local, force, load, progress)
        stage.put()
        return Calibration(json.loads(stage.told(files.told(made))))


def merge_calibrations(
    files: Iterable[AnyPath], output: AnyPath, *, force: bool = False
) -> Calibration:
    """Add up the statistics of several runs of one model on different texts, as those of one run.

    files: two or more, each a path or a Calibration; texts that the model wrote itself need
        different seeds. output: the file to write. force: replace an existing one.

    Raises UsageError for files that do not belong together, ModelError or WriteError.
    """
    if isinstance(files, str | os.PathLike):
        raise UsageError(f"{os.fspath(files)}: one file was given; expected several to add up")
    paths = [os.fspath(file) for file in files]
    return Calibration(json.loads(_native.merge_calibrations(paths, os.fspath(output), force)))
