"""Applying a manifest over the workers of a Dask client."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from onnxquant.arguments import AnyPath, check_least, local_path
from onnxquant.distributed.cluster import run_task, run_tasks, share_of_cores, tasks_for
from onnxquant.parts import apply_manifest, finish_manifest
from onnxquant.results import Report

if TYPE_CHECKING:
    from distributed import Client


def convert(
    manifest: AnyPath,
    client: "Client | None" = None,
    *,
    parts: int = 0,
    retries: int = 3,
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    verify: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Apply a manifest over the workers of a Dask client, and put all in place.

    parts: how many to make of it; 0 for four per thread of the cluster. A part is whole data files,
        of which there are as many as `max_shard` makes: more parts than these have nothing to do.
    retries: how often a part that fails is begun again; one whose worker dies is begun again
        elsewhere as often as Dask's own `allowed-failures` says. What is done is not done again,
        so that the call can be repeated after whatever ended it.
    threads: of each part; 0 for the worker's share of its machine's cores. memory: bytes of working
        buffers of each.
    verify: at the end read all data files, and compare their SHA-256 with their records.
    progress: called with the number of parts done and of all; without a client, with bytes.

    Raises what `apply_manifest` and `finish_manifest` raise.
    """
    check_least(0, parts=parts, retries=retries, threads=threads, memory=memory)
    path = os.path.abspath(local_path(manifest))
    if client is None:
        return apply_manifest(
            path, force=force, threads=threads, memory=memory, verify=verify, progress=progress
        )
    of = parts or tasks_for(client)
    options = {"force": force, "threads": threads, "memory": memory}
    made = 0

    def count(_place: int, _result: Any) -> None:
        nonlocal made
        made += 1
        if progress is not None:
            progress(made, of)

    run_tasks(
        client,
        _part,
        range(1, of + 1),
        retries=retries,
        done=count,
        manifest=path,
        of=of,
        options=options,
    )
    end = {**options, "verify": verify}
    return Report(run_task(client, _finish, retries=retries, manifest=path, options=end))


def _part(number: int, manifest: str, of: int, options: dict[str, Any]) -> int:
    return len(apply_manifest(manifest, (number, of), **_shared(options)).files)


def _finish(manifest: str, options: dict[str, Any]) -> dict[str, Any]:
    return finish_manifest(manifest, **_shared(options)).to_dict()


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "threads": share_of_cores(options["threads"])}
