"""Arguments that several functions take: checked, and as the native part wants them."""

import json
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
from onnxquant.policy import Policy, rule_text
from onnxquant.results import Ranges
from onnxquant.stores import is_url

AnyPath = str | os.PathLike[str]
# Leaves the policy to the family of the model.
AUTO = "auto"
AnyPolicy = str | os.PathLike[str] | Mapping[str, Any] | Policy
AnyRules = str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]]
AnyRanges = AnyPath | Mapping[str, Any] | Ranges
# "self" (the model writes its own text), a file, one sequence of ids, or several.
Tokens = str | os.PathLike[str] | Sequence[int] | Sequence[Sequence[int]] | Any
Progress = Callable[[int, int], object]

# Everything that runs a model is asked for these.
RunOptions = (
    _native.RangesOptions | _native.VerifyOptions | _native.CalibrationOptions | _native.TuneOptions
)


def check_least(least: int, **numbers: int) -> None:
    """Raise UsageError for the first number that is smaller."""
    for name, number in numbers.items():
        if number < least:
            raise UsageError(f"{name}={number}: expected at least {least}")


def check_within(least: int, most: int, **numbers: int) -> None:
    """Raise UsageError for the first number that is smaller or larger."""
    for name, number in numbers.items():
        if not least <= number <= most:
            raise UsageError(f"{name}={number}: expected {least} to {most}")


def local_path(path: AnyPath) -> str:
    """Return the path. Raises UsageError for a URL, where only files of this machine will do."""
    if is_url(path):
        raise UsageError(
            f"{os.fspath(path)}: is in a store, and only quantize and calibrate take URLs; copy it "
            "to files, which machines that work together share a file system for"
        )
    return os.fspath(path)


def file_of(model: Any) -> str:
    """Return the path of a model that is to be run."""
    if isinstance(model, str | os.PathLike):
        return local_path(model)
    raise UsageError(
        f"a model of type {type(model).__name__}: models are run from files; expected a path"
    )


def fill_run(
    options: RunOptions,
    *,
    count: int,
    seed: int,
    dims: Mapping[str, int] | None,
    memory: int,
) -> None:
    """Check and set what all runs have; `memory`: 0 for the default."""
    check_least(0, count=count, seed=seed, memory=memory)
    check_least(0, **{f"dims[{name!r}]": size for name, size in (dims or {}).items()})
    options.count = count
    options.seed = seed
    options.dims = dict(dims or {})
    if memory > 0:
        options.memory = memory


def plan_options(
    policy: AnyPolicy,
    *,
    dtypes: Iterable[str],
    rules: AnyRules,
    calibration: AnyPath | None,
) -> _native.PlanOptions:
    """Return the options that say what becomes of a model; ranges and output are to be set."""
    options = _native.PlanOptions()
    more = [rules] if isinstance(rules, str | Mapping) else rules
    options.rules = [*map(rule_text, more)]
    if policy == AUTO:
        options.policy = AUTO
    else:
        chosen = Policy.of(policy)
        options.policy = chosen.origin
        options.policy_yaml = chosen.yaml
        options.rules = [*chosen.rules, *options.rules]
    options.dtypes = [dtypes] if isinstance(dtypes, str) else list(dtypes)
    # Where it is now: notebooks change their folder between a plan and its application.
    options.calibration = "" if calibration is None else os.path.abspath(os.fspath(calibration))
    return options


@contextmanager
def ranges_file(ranges: AnyRanges | None) -> Iterator[str]:
    """Give the file that holds the ranges; "" for none."""
    if ranges is None or isinstance(ranges, str | os.PathLike):
        yield "" if ranges is None else os.fspath(ranges)
        return
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        path = Path(folder) / "ranges.json"
        path.write_text(json.dumps(dict(ranges)), encoding="utf-8")
        yield str(path)


@contextmanager
def tokens_file(tokens: Tokens | None) -> Iterator[str]:
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
