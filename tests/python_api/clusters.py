"""Dask clusters whose processes the tests kill and stop."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed

Process = subprocess.Popen[bytes]

# Seconds after which a scheduler that says nothing is given up.
_PATIENCE = 2


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own, and a client."""

    scheduler: Process
    workers: list[Process]
    client: Any
    start_worker: Callable[[], Process]

    def replace(self, worker: int) -> None:
        """Kill a worker, and start another."""
        self.workers[worker].kill()
        self.workers[worker] = self.start_worker()


@contextmanager
def _process(program: str, ttl: float, *arguments: str) -> Iterator[Process]:
    """Run one of Dask's programs, and kill it at the end."""
    settings = {
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{ttl}s",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "100",
    }
    command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"]
    with subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def cluster_of_processes(folder: Path, ttl: float = 300) -> Iterator[Cluster]:
    """Give a cluster of two workers, which have no nannies.

    ttl: seconds after which a worker that says nothing is given up. A busy machine keeps workers
    from speaking, too.
    """
    folder.mkdir()
    file = folder / "scheduler.json"
    where = ("--scheduler-file", str(file))
    with ExitStack() as stack:
        scheduler = stack.enter_context(_process("dask_scheduler", ttl, "--port", "0", *where))
        alone = ("--no-nanny", "--nthreads", "1", "--local-directory", str(folder))

        def start_worker() -> Process:
            return stack.enter_context(_process("dask_worker", ttl, *where, *alone))

        workers = [start_worker(), start_worker()]
        while not file.exists():
            assert scheduler.poll() is None, "the scheduler did not start"
            time.sleep(0.01)
        client = distributed.Client(scheduler_file=str(file), timeout=60)
        stack.callback(client.close, timeout=_PATIENCE)
        client.wait_for_workers(2)
        client._timeout = _PATIENCE  # for another connection, once it had one
        yield Cluster(scheduler, workers, client, start_worker)
