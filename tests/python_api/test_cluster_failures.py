"""Clusters whose workers and schedulers are killed and stopped: the files stay those of one run."""

import os
import random
import signal
from pathlib import Path
from typing import Any

import onnxquant
import pytest
from manifests import made_in_parts, manifest_of, one_run

pytest.importorskip("distributed")
from clusters import cluster_of_processes

# How many workers are killed; a long run has more.
KILLS = int(os.environ.get("ONNXQUANT_KILLS", "3"))
SEED = 7


@pytest.fixture
def manifest(layers: Path) -> Path:
    """Return the manifest of a plan."""
    return manifest_of(layers)


@pytest.fixture
def expected(layers: Path) -> dict[str, bytes]:
    """Return the files of one ordinary run."""
    return one_run(layers)


def test_workers_that_are_killed_are_replaced(
    manifest: Path, expected: dict[str, bytes], client: Any
) -> None:
    """Dask's nannies start new workers; their parts begin again."""
    killed: list[int] = []

    def kill_all(done: int, _of: int) -> None:
        if done == 1:  # the other parts are at work, or wait for a worker
            for nanny in client.cluster.workers.values():
                killed.append(nanny.pid)
                os.kill(nanny.pid, signal.SIGKILL)

    onnxquant.distributed.convert(manifest, client, parts=8, retries=5, progress=kill_all)
    assert len(killed) == 2
    assert made_in_parts(manifest) == expected


def test_workers_that_are_killed_at_random_are_replaced(
    manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    draws = random.Random(SEED)
    killed = 0
    with cluster_of_processes(tmp_path / "cluster") as cluster:

        def kill_one(_done: int, _of: int) -> None:
            nonlocal killed
            if killed < KILLS:
                killed += 1
                cluster.replace(draws.randrange(2))

        onnxquant.distributed.convert(
            manifest, cluster.client, parts=KILLS + 5, retries=5, progress=kill_one
        )
    assert killed == KILLS
    assert made_in_parts(manifest) == expected


def test_another_scheduler_goes_on_where_one_was_killed(
    manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster_of_processes(tmp_path / "first") as cluster:

        def kill(_done: int, _of: int) -> None:
            cluster.scheduler.kill()
            cluster.scheduler.wait()

        with pytest.raises(onnxquant.CancelledError, match=r"repeat the call with a new client"):
            onnxquant.distributed.convert(manifest, cluster.client, parts=8, progress=kill)
    assert not (manifest.parent / "parts" / "onnx" / "model_fp16.onnx").exists()
    with cluster_of_processes(tmp_path / "second") as cluster:
        onnxquant.distributed.convert(manifest, cluster.client, parts=8)
    assert made_in_parts(manifest) == expected


def test_a_worker_that_stands_still_is_given_up(
    manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with cluster_of_processes(tmp_path / "cluster", ttl=8) as cluster:

        def stop(done: int, _of: int) -> None:
            if done == 1:
                cluster.workers[0].send_signal(signal.SIGSTOP)

        onnxquant.distributed.convert(manifest, cluster.client, parts=8, progress=stop)
        assert made_in_parts(manifest) == expected
        # What it had begun when it stood still it ends now: it changes nothing.
        cluster.workers[0].send_signal(signal.SIGCONT)
        onnxquant.distributed.convert(manifest, cluster.client, parts=1)
    assert made_in_parts(manifest) == expected
