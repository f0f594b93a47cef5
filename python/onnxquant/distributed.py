"""Conversion over a Dask cluster: local, SSH, Slurm (dask-jobqueue), Kubernetes.

    onnxquant.plan("model.onnx", "gemma-web", output="out").save_manifest("plan.json")
    with distributed.Client("scheduler:8786") as client:
        onnxquant.distributed.convert("plan.json", client)

Workers and scheduler need the package `distributed` (`pip install "onnxquant[distributed]"`), and
the workers a file system in which manifest, model and outputs have the same paths. Without a client
the same call runs in this process, and needs neither.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from onnxquant.arguments import AnyPath, check_least
from onnxquant.parts import apply_manifest, finish_manifest
from onnxquant.results import Report

if TYPE_CHECKING:
    from distributed import Client

# More parts than workers even out what parts take, and lose less when a worker dies; each plans
# anew, which takes a moment.
_PARTS_PER_THREAD = 4


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
    path = os.path.abspath(os.fspath(manifest))
    if client is None:
        return apply_manifest(
            path, force=force, threads=threads, memory=memory, verify=verify, progress=progress
        )
    from distributed import as_completed

    of = parts or max(1, _PARTS_PER_THREAD * sum(client.nthreads().values()))
    options = {"force": force, "threads": threads, "memory": memory}
    # Not pure: what a part leaves behind is files, which may be gone when the call is repeated.
    futures = client.map(
        _part, range(1, of + 1), manifest=path, of=of, options=options, retries=retries, pure=False
    )
    try:
        for done, future in enumerate(as_completed(futures), 1):
            future.result()  # raises what went wrong
            if progress is not None:
                progress(done, of)
    except BaseException:
        client.cancel(futures)
        raise
    for future in futures:  # else a worker that dies now has its parts made again, after the end
        future.release()
    end = client.submit(
        _finish,
        manifest=path,
        options={**options, "verify": verify},
        retries=retries,
        pure=False,
    )
    return Report(end.result())


def _part(number: int, manifest: str, of: int, options: dict[str, Any]) -> dict[str, Any]:
    return apply_manifest(manifest, (number, of), **_shared(options)).to_dict()


def _finish(manifest: str, options: dict[str, Any]) -> dict[str, Any]:
    return finish_manifest(manifest, **_shared(options)).to_dict()


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the share of the cores that one of the worker's threads has."""
    from distributed import get_worker

    if options["threads"] > 0:
        return options
    cores = len(os.sched_getaffinity(0))
    return {**options, "threads": max(1, cores // max(1, get_worker().state.nthreads))}
