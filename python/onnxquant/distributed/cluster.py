"""Tasks of a Dask cluster: begun again where they fail, counted, and taken back on an error."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from onnxquant.errors import CancelledError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

# More tasks than workers even out what they take, and lose less when a worker dies.
_TASKS_PER_THREAD = 4


def tasks_for(client: "Client") -> int:
    """Return how many tasks suit the cluster."""
    threads: int = sum(client.nthreads().values())
    return max(1, _TASKS_PER_THREAD * threads)


def run_tasks(
    client: "Client | None",
    task: Callable[..., T],
    items: Sequence[Any],
    *,
    retries: int,
    done: Callable[[int, T], object],
    **options: Any,
) -> None:
    """Run task(item, **options) for each item on the workers, without a client one by one here.

    done: called with an item's place and result, as they come.
    Raises what a task that has failed too often raises.
    """
    if client is None:
        for place, item in enumerate(items):
            done(place, task(item, **options))
        return
    from distributed import as_completed

    with _until_lost(client):
        # Not pure: what a task leaves behind is files, which may be gone when the call is repeated.
        futures = client.map(task, items, retries=retries, pure=False, **options)
        place_of = {future.key: place for place, future in enumerate(futures)}
        # Its loop: else that of the client whose `with` we are in, which may be another.
        waiting = as_completed(futures, loop=client.loop)
        try:
            for future in waiting:
                result = future.result()  # raises what went wrong
                future.release()  # else a worker that dies now has it made again
                done(place_of[future.key], result)
        except BaseException:
            if client.status == "running":
                client.cancel(futures)
            raise


def run_task(client: "Client | None", task: Callable[..., T], *, retries: int, **options: Any) -> T:
    """Run task(**options) on a worker, without a client here, and return its result."""
    if client is None:
        return task(**options)
    with _until_lost(client):
        result: T = client.submit(task, **options, retries=retries, pure=False).result()
        return result


def share_of_cores(threads: int) -> int:
    """Return `threads`; for 0, on a worker, the share of the cores that one of its threads has."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # this is no worker
        return threads
    cores = len(os.sched_getaffinity(0))
    return threads or max(1, cores // max(1, worker.state.nthreads))


@contextmanager
def _until_lost(client: "Client") -> Iterator[None]:
    """Say what to do where the scheduler has gone: Dask itself says that futures were cancelled."""
    from concurrent.futures import CancelledError as FutureCancelled

    try:
        yield
    except FutureCancelled as error:
        reason = str(error).partition("\n")[0]
        raise CancelledError(
            f"the tasks were cancelled ({reason}); if the scheduler has gone, start another and "
            "repeat the call with a new client: what is done is not done again"
        ) from error
