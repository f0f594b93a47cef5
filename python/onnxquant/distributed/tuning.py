"""Tuning over the workers of a Dask client: each finds the costs of some weights, one chooses."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxquant.arguments import AUTO, AnyPath, AnyPolicy, check_least, file_of
from onnxquant.distributed.cluster import run_task, run_tasks, share_of_cores, tasks_for
from onnxquant.errors import UsageError, WriteError
from onnxquant.policy import Policy
from onnxquant.tuning import Tuning
from onnxquant.tuning import tune as tune_once

if TYPE_CHECKING:
    from distributed import Client

_PATHS = ("calibration", "output", "ranges", "tokens")


def tune(
    model: AnyPath,
    policy: AnyPolicy = AUTO,
    client: "Client | None" = None,
    *,
    parts: int = 0,
    cache: AnyPath | None = None,
    retries: int = 3,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> Tuning:
    """Tune over the workers of a Dask client: the result is that of `onnxquant.tune`.

    What takes long is what each weight costs in each format: codes by gptq, and where gradients do
    not foretell it a run of the model. The weights are dealt out to `parts` (0: four per thread of
    the cluster), each of which loads the model. Then one worker chooses, and confirms.
    cache: the file of costs, of this process: what it holds is not measured again, and each part's
        costs are added when it is done. None: they are forgotten at the end.
    retries: how often a part that fails is begun again; see `convert`.
    progress: called with the number of parts done and of all; without a client, with weights.
    options: the other arguments of `onnxquant.tune`, whose files are those of the workers.

    Raises what `onnxquant.tune` raises.
    """
    check_least(0, parts=parts, retries=retries)
    for name in _PATHS:
        value = options.get(name)
        if isinstance(value, str | os.PathLike) and value != "self":
            options[name] = os.path.abspath(value)
    if client is None:
        return tune_once(model, policy, cache=cache, progress=progress, **options)
    if "part" in options:
        raise UsageError("part= is of one process; parts= is of a cluster")
    known = _Costs(cache)
    of = parts or tasks_for(client)
    made = 0

    def done(_place: int, costs: str) -> None:
        nonlocal made
        made += 1
        known.add(costs)
        if progress is not None:
            progress(made, of)

    shared = {"model": os.path.abspath(file_of(model)), "policy": Policy.of(policy)}
    items = range(1, of + 1)
    measuring = {**shared, "of": of, "known": known.text, "options": options}
    run_tasks(client, _part, items, retries=retries, done=done, **measuring)
    choosing = {**shared, "known": known.text, "options": options}
    return run_task(client, _choose, retries=retries, **choosing)


class _Costs:
    """The lines of a cache, and what is added to them."""

    def __init__(self, cache: AnyPath | None) -> None:
        self._cache = None if cache is None else Path(cache)
        self.text = ""
        if self._cache is None or not self._cache.exists():
            return
        try:
            self.text = self._cache.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self._cache}: cannot be read: {error}") from error
        if self.text and not self.text.endswith("\n"):
            self.add("\n")  # the last line was cut off

    def add(self, lines: str) -> None:
        self.text += lines
        if self._cache is None:
            return
        try:
            with self._cache.open("a", encoding="utf-8") as file:
                file.write(lines)
        except OSError as error:
            raise WriteError(f"{self._cache}: cannot be written: {error.strerror}") from error


def _part(
    number: int, of: int, model: str, policy: Policy, known: str, options: dict[str, Any]
) -> str:
    """Return the costs of a part of the weights that were not known, as lines of a cache."""
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        cache = Path(folder) / "costs.jsonl"
        cache.write_text(known, encoding="utf-8")
        tune_once(model, policy, part=(number, of), cache=cache, **_shared(options))
        return cache.read_text(encoding="utf-8")[len(known) :]


def _choose(model: str, policy: Policy, known: str, options: dict[str, Any]) -> Tuning:
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        cache = Path(folder) / "costs.jsonl"
        cache.write_text(known, encoding="utf-8")
        return tune_once(model, policy, cache=cache, **_shared(options))


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "threads": share_of_cores(options.get("threads", 0))}
