"""What a calibration reads, cut into slices that add up to it."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnxquant.arguments import Tokens, tokens_file
from onnxquant.inputs import Inputs, listed_runs

Slice = dict[str, Any]  # arguments of onnxquant.calibrate


def slices_of(
    tokens: Tokens,
    inputs: Inputs | None,
    *,
    slices: int,
    count: int,
    sequences: int,
    gradients: int,
    seed: int,
) -> list[Slice]:
    """Return at most so many slices, each with its share of the texts, runs, or seeds.

    A text, or a run, is in one slice: what a token's values are hangs on those before it. Where
    gradients are asked for, each slice reads at least one of its texts backwards.
    """
    if inputs is not None:
        rest = {"tokens": tokens, "gradients": gradients}  # which the native part refuses
        return [{"inputs": runs, **rest} for runs in _cut(_runs(inputs), slices)]
    if isinstance(tokens, str) and tokens == "self":
        return _of_own_text(slices, sequences, gradients, seed)
    with tokens_file(tokens) as path:
        texts = read_sequences(path)
    if texts is None or len(texts) < 2:  # nothing to cut, or for the native part to complain of
        if isinstance(tokens, str | os.PathLike):
            tokens = os.path.abspath(tokens)
        return [{"tokens": tokens, "count": count, "gradients": gradients}]
    texts = _first_tokens(texts, count)
    wanted = min(gradients, len(texts))
    cut = _cut(texts, min(slices, wanted or slices))
    backwards = _shares(wanted, len(cut))
    return [
        {"tokens": part, "gradients": share} for part, share in zip(cut, backwards, strict=True)
    ]


def _of_own_text(slices: int, sequences: int, gradients: int, seed: int) -> list[Slice]:
    """Cut the texts that the model writes, or its runs on made-up inputs.

    The seed of a slice is that of its first run: runs on made-up inputs are then those of one
    process, and calls whose seeds differ have no slice in common as long as they are far enough
    apart.
    """
    wanted = min(gradients, sequences)
    of = max(1, min(slices, sequences, wanted or slices))
    shares = _shares(sequences, of)
    return [
        {"sequences": share, "gradients": backwards, "seed": seed + sum(shares[:i])}
        for i, (share, backwards) in enumerate(zip(shares, _shares(wanted, of), strict=True))
    ]


def digest(arguments: Slice) -> str:
    """Return hexadecimal digits that tell slices apart by all that decides their sums."""
    sha = hashlib.sha256()
    for name, value in sorted(arguments.items()):
        sha.update(name.encode())
        _add(sha, value)
    return sha.hexdigest()[:16]


def read_sequences(path: str) -> list[npt.NDArray[np.int64]] | None:
    """Return the sequences of a file of tokens; None where it has but one, or is damaged."""
    try:
        if path.endswith(".npy"):
            array = np.load(path, allow_pickle=False)
            if array.ndim != 2 or array.dtype.kind != "i":
                return None
            return [np.asarray(row, np.int64) for row in array]
        if not path.endswith(".jsonl"):
            return None
        with open(path, encoding="utf-8") as file:
            return [_tokens(json.loads(line)) for line in file if line.strip()]
    except (OSError, ValueError, TypeError, OverflowError):
        return None


def _tokens(line: Any) -> npt.NDArray[np.int64]:
    for key in ("tokens", "input_ids", "ids"):
        if isinstance(line, dict) and key in line:
            line = line[key]
    array = np.array(line)
    if array.ndim != 1 or (array.size and array.dtype.kind != "i"):
        raise ValueError("no list of whole numbers")
    return array.astype(np.int64)


def _first_tokens(
    texts: Iterable[npt.NDArray[np.int64]], count: int
) -> list[npt.NDArray[np.int64]]:
    """Return the first `count` tokens in all, 0 for all; no empty sequences."""
    left = count or sum(map(len, texts := list(texts)))
    kept = []
    for text in texts:
        kept.append(text[:left])
        left -= len(kept[-1])
    return [text for text in kept if len(text)]


def _runs(inputs: Inputs) -> list[Any]:
    """Return a list of the runs; files by absolute paths, those of folders one by one."""
    runs: list[Any] = []
    for run in listed_runs(inputs):
        if not isinstance(run, str | os.PathLike):
            runs.append(run)
            continue
        path = Path(os.path.abspath(run))
        inside = sorted(path.iterdir()) if path.is_dir() else []
        arrays = [
            file
            for file in inside
            if file.suffix.lower() in (".npz", ".npy") and not file.name.startswith(".")
        ]
        runs += map(str, arrays or [path])
    return runs


def _shares(total: int, parts: int) -> list[int]:
    each, more = divmod(total, parts)
    return [each + (i < more) for i in range(parts)]


def _cut(items: Sequence[Any], parts: int) -> list[list[Any]]:
    """Cut into at most so many stretches, none empty."""
    cut = []
    begin = 0
    for share in _shares(len(items), max(1, min(parts, len(items)))):
        cut.append(list(items[begin : begin + share]))
        begin += share
    return cut


def _add(sha: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            sha.update(f"<{name}>".encode())
            _add(sha, inner)
    elif isinstance(value, np.ndarray):
        sha.update(f"{value.dtype}{value.shape}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, list | tuple):
        sha.update(f"[{len(value)}]".encode())
        for inner in value:
            _add(sha, inner)
    elif isinstance(value, str | os.PathLike) and os.path.isfile(value):
        with open(value, "rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    elif hasattr(value, "tobytes"):  # an image, a number of NumPy
        sha.update(f"{getattr(value, 'size', '')}{getattr(value, 'mode', '')}".encode())
        sha.update(value.tobytes())
    else:
        sha.update(repr(value).encode())
