"""Policies of a size: a format for each weight, chosen by what it costs."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxquant import _native
from onnxquant.arguments import (
    AUTO,
    AnyPath,
    AnyPolicy,
    AnyRanges,
    AnyRules,
    Progress,
    Tokens,
    check_least,
    check_within,
    file_of,
    fill_run,
    plan_options,
    ranges_file,
    tokens_file,
)
from onnxquant.errors import UsageError
from onnxquant.html import table
from onnxquant.policy import Policy, rule_text
from onnxquant.results import Result, Rows, frame
from onnxquant.runner import load

if TYPE_CHECKING:
    import pandas

    from onnxquant.calibration import Calibration

_FRONT_SHOWN = 24


class Tuning(Result):
    """A policy that was chosen, and what it costs; or only what each size costs."""

    def __init__(self, data: dict[str, Any], policy: Policy | None) -> None:
        super().__init__(data)
        self._policy = policy
        output = data["output"]
        self._path = None if output is None else Path(os.path.abspath(output))

    @property
    def policy(self) -> Policy:
        """Return the policy, for `plan` and `quantize`.

        Raises UsageError where nothing was chosen (part=, or front=True without size= or max_kl=).
        """
        if self._policy is None:
            raise UsageError("nothing was chosen: tune with size= or max_kl=")
        return self._policy

    @property
    def path(self) -> Path | None:
        """Return the policy's file; None where none was written."""
        return self._path

    @property
    def dtype(self) -> str:
        """Return which of the policy's outputs was tuned: "q4", "q4f16" …."""
        return str(self._data["dtype"])

    @property
    def bytes(self) -> int | None:
        """Return the bytes of all files of the output, exactly; None where nothing was chosen."""
        return None if self._data["bytes"] is None else int(self._data["bytes"])

    @property
    def predicted_kl(self) -> float | None:
        """Return the KL divergence that was foretold, in nats per token; None likewise."""
        return _number(self._data["predicted_kl"])

    @property
    def measured_kl(self) -> float | None:
        """Return the KL divergence of the output as it is written, on other text.

        In nats per token; None where it was not measured.
        """
        return _number(self._data["measured_kl"])

    @property
    def choices(self) -> Rows:
        """Return a row for each weight: name, role, layer, format, bytes, kl, changed.

        `kl` is foretold, in nats per token; `changed` says whether the policy said otherwise.
        """
        return list(self._data["weights"])

    @property
    def front(self) -> Rows:
        """Return {"bytes", "kl"} of the best there is at each size, the smallest first."""
        return list(self._data["front"])

    def by_role(self) -> Rows:
        """Return the weights by role and format: their count, bytes, and foretold KL."""
        groups: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.choices:
            key = (row["role"] or "other", row["format"])
            empty = {"role": key[0], "format": key[1], "weights": 0, "bytes": 0, "kl": 0.0}
            group = groups.setdefault(key, empty)
            group["weights"] += 1
            group["bytes"] += row["bytes"]
            group["kl"] += row["kl"]
        roles = list(dict.fromkeys(role for role, _ in groups))
        return sorted(
            groups.values(), key=lambda group: (roles.index(group["role"]), group["format"])
        )

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights, a row each; where nothing was chosen, the front."""
        return frame(self.choices or self.front)

    def __repr__(self) -> str:
        data = self._data
        if self._policy is None and not self.front:
            return f"<Tuning of {data['model']}, {self.dtype}: costs of a part of its weights>"
        if self._policy is None:
            least, most = self.front[0]["bytes"], self.front[-1]["bytes"]
            return f"<Tuning of {data['model']}, {self.dtype}: {least:,} to {most:,} bytes>"
        measured = "" if self.measured_kl is None else f", measured {self.measured_kl:.4g}"
        return (
            f"<Tuning of {data['model']}, {self.dtype}: {self.bytes:,} bytes, "
            f"predicted KL {self.predicted_kl:.4g}{measured}>"
        )

    def _repr_html_(self) -> str:
        caption = repr(self)[1:-1]
        keys = ("role", "format", "weights", "bytes", "kl")
        roles = ([row[key] for key in keys] for row in self.by_role())
        chosen = table(keys, roles, caption) if self.choices else ""
        front = ([row["bytes"], row["kl"]] for row in _some(self.front))
        return chosen + table(("bytes", "predicted KL"), front, "" if chosen else caption)


def tune(
    model: AnyPath,
    policy: AnyPolicy = AUTO,
    *,
    calibration: "AnyPath | Calibration | None" = None,
    size: int | None = None,
    max_kl: float | None = None,
    output: AnyPath | None = None,
    front: bool = False,
    dtypes: Iterable[str] = (),
    rules: AnyRules = (),
    ranges: AnyRanges | None = None,
    formats: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] = (),
    fast: bool = False,
    tokens: Tokens = "self",
    count: int = 128,
    measure: bool = False,
    cache: AnyPath | None = None,
    part: tuple[int, int] | None = None,
    confirm: bool = True,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    threads: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> Tuning:
    """Choose each weight's format so that an output is of a size, or loses no more than is allowed.

    model: a path of a float language model. policy, rules, ranges: as of `plan`.
    calibration: what `calibrate` summed up of the model, or its file: few bits are chosen by gptq,
        and gradients in it foretell what formats cost.
    size: bytes of all files of the output, at most. max_kl: the fewest bytes at no more than this
        predicted KL divergence, in nats per token. One of them; with front=True neither is needed,
        and then nothing is chosen.
    output: the policy file (YAML) to write; None for none: the result holds the policy, too.
    dtypes: the one output to tune, where the policy has several.
    formats: what weights may be stored in, as policies say it: "int8", "{format: int4, block: 16}",
        or a dict; if empty, what the output stores most weights in, and 8 bits, in such blocks,
        halves of them and, 8 bits, of 128.
    fast: let products of 8-bit weights round their activations to 8 bits, where the output says
        accuracy_level 4: faster, and it costs what their bits have won.
    tokens, count: the text that costs are measured on, and how many tokens of it, at least 2.
    measure: also where gradients foretell costs. cache: a file that keeps the costs.
    part: (3, 8) finds the costs of the third of eight parts of the weights alone, keeps them in
        `cache`, and chooses nothing: a call without it that finds them there does. Parts may run at
        once; `onnxquant.distributed.tune` runs them over a cluster.
    confirm: measure at the end what the policy costs, on 256 tokens of other text; needs room for
        the output in the folder for temporary files.
    memory: bytes of working buffers; 0 for 128 MiB. threads: 0 for one per core.
    force: replace an existing file. progress: called with the weights done and in all.
    For seed and dims see `calibrate`.

    Other threads run meanwhile, and Ctrl-C stops it. Raises UsageError (of a size that cannot be
    reached, too), ModelError, PolicyError, VerifyError or WriteError.
    """
    _check_aim(size, max_kl, front or part is not None)
    check_within(2, 1 << 20, count=count)
    check_least(0, threads=threads)
    options = _native.TuneOptions()
    options.model = file_of(model)
    plan = plan_options(policy, dtypes=dtypes, rules=rules, calibration=calibration)
    origin = plan.policy
    options.size = size
    options.max_kl = max_kl
    several = [formats] if isinstance(formats, str | Mapping) else formats
    options.formats = [_format_text(one) for one in several]
    options.cache = "" if cache is None else os.fspath(cache)
    options.part = part
    options.fast = fast
    options.measure = measure
    options.threads = threads
    fill_run(options, count=count, seed=seed, dims=dims, memory=memory)
    file = "" if output is None else os.fspath(output)
    with tokens_file(tokens) as options.tokens, ranges_file(ranges) as plan.ranges:
        options.plan = plan
        report, yaml = _native.tune(options, file, force, confirm, load, progress)
    chosen = Policy(yaml, file or f"{origin}, tuned") if yaml else None
    return Tuning(json.loads(report), chosen)


def _check_aim(size: int | None, max_kl: float | None, front: bool) -> None:
    if size is not None and max_kl is not None:
        raise UsageError("size= and max_kl= were given; expected one of them")
    if size is None and max_kl is None and not front:
        raise UsageError("size=, max_kl= or front=True is needed")
    if size is not None:
        check_least(0, size=size)
    if max_kl is not None and not max_kl >= 0:  # NaN is refused, too
        raise UsageError(f"max_kl={max_kl}: expected a number of nats, at least 0")


def _format_text(form: str | Mapping[str, Any]) -> str:
    return form if isinstance(form, str) else "{" + rule_text(form) + "}"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _some(front: Rows) -> Rows:
    """Return at most so many points as a table should have, evenly spread in bytes."""
    if len(front) <= _FRONT_SHOWN:
        return front
    step = (front[-1]["bytes"] - front[0]["bytes"]) / (_FRONT_SHOWN - 1)
    some: Rows = []
    for row in front[:-1]:
        if row["bytes"] >= front[0]["bytes"] + step * len(some):
            some.append(row)
    return [*some, front[-1]]
