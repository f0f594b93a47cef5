"""Running models to measure them, with the onnxruntime package that is installed."""

import operator
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from onnxquant import _native
from onnxquant.errors import OnnxquantError, UsageError
from onnxquant.results import Ranges, Verification
from onnxquant.runner import load

AnyPath = str | os.PathLike[str]
# "self" (the model writes its own text), a file, one sequence of ids, or several.
Tokens = str | os.PathLike[str] | Sequence[int] | Sequence[Sequence[int]] | Any
Progress = Callable[[int, int], object]


def ranges(
    model: AnyPath,
    tokens: Tokens | None = None,
    *,
    count: int = 0,
    chunk: int = 64,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    progress: Progress | None = None,
) -> Ranges:
    """Run a model and measure peak, minimum, maximum and percentiles of every float value.

    model: a path.
    tokens: for models that take tokens: "self", a file (.npy, .jsonl, .txt), or ids.
    count: tokens to read; 0 for all of them, 256 of the model's own text.
    chunk: tokens a step. seed, dims: for inputs that are made up (dims by the dimensions' names).
    memory: bytes of values at once; the model runs again for the rest. 0 for 512 MB.

    Raises UsageError, ModelError or VerifyError.
    """
    options = _native.RangesOptions()
    options.model = _path(model)
    with _tokens_file(tokens) as options.tokens:
        _fill(options, count, chunk, seed, dims, memory)
        return Ranges(_json(_native.measure_ranges(options, load, progress)))


def verify(
    reference: AnyPath,
    candidates: AnyPath | Iterable[AnyPath],
    tokens: Tokens | None = None,
    *,
    providers: Iterable[str] = ("cpu",),
    count: int = 0,
    chunk: int = 64,
    greedy: int = 16,
    layers: bool = False,
    max_kl: float | None = None,
    min_top1: float | None = None,
    max_error: float | None = None,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Run candidates against a reference on the same inputs, and measure how far they part.

    providers: where the candidates run: "cpu", "webgpu", "simulated" (float16 hardware on the
        CPU), or others that onnxruntime has.
    greedy: tokens to continue the text by. layers: compare the values inside, too.
    max_kl, min_top1: what decides `passed` for models with logits, besides NaN and Inf where the
        reference has none. max_error: the same for others, of every output.
    For the others see `ranges`. A candidate that does not run is a result, not an exception.

    Raises UsageError, ModelError or VerifyError.
    """
    options = _native.VerifyOptions()
    options.reference = _path(reference)
    several = [candidates] if isinstance(candidates, str | os.PathLike) else candidates
    options.candidates = [_path(candidate) for candidate in several]
    options.providers = [providers] if isinstance(providers, str) else list(providers)
    _check_least(0, greedy=greedy)
    options.greedy = greedy
    options.layers = layers
    options.set_thresholds(max_kl, min_top1, max_error)
    with _tokens_file(tokens) as options.tokens:
        _fill(options, count, chunk, seed, dims, memory)
        return Verification(_json(_native.verify(options, load, progress)))


def _fill(
    options: _native.RangesOptions | _native.VerifyOptions,
    count: int,
    chunk: int,
    seed: int,
    dims: Mapping[str, int] | None,
    memory: int,
) -> None:
    _check_least(0, count=count, seed=seed, memory=memory)
    _check_least(1, chunk=chunk)
    _check_least(0, **{f"dims[{name!r}]": size for name, size in (dims or {}).items()})
    options.count = count
    options.chunk = chunk
    options.seed = seed
    options.dims = dict(dims or {})
    if memory > 0:
        options.memory = memory


def _check_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise UsageError(f"{name}={number}: expected at least {least}")


def _path(model: Any) -> str:
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    raise UsageError(
        f"a model of type {type(model).__name__}: models are run from files; expected a path"
    )


@contextmanager
def _tokens_file(tokens: Tokens | None) -> Iterator[str]:
    """Give the file that holds the tokens, or "self". Messages name ids as "tokens"."""
    if tokens is None or isinstance(tokens, str | os.PathLike):
        yield "" if tokens is None else os.fspath(tokens)
        return
    rows = list(tokens)
    sequences = rows if rows and np.ndim(rows[0]) == 1 else [rows]
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        path = Path(folder) / "tokens.jsonl"
        text = "\n".join(str([_token(token) for token in row]) for row in sequences)
        path.write_text(text + "\n", encoding="utf-8")
        try:
            yield str(path)
        except OnnxquantError as error:
            raise type(error)(str(error).replace(str(path), "tokens")) from None


def _token(token: Any) -> int:
    try:
        return operator.index(token)
    except TypeError:
        raise UsageError(f"tokens: found {token!r}; token ids are integers") from None


def _json(text: str) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(text)
    return content
