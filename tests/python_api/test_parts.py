"""Conversion in parts from Python, in this process and over a Dask cluster."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxquant
import pytest

distributed = pytest.importorskip("distributed")

POLICY = {
    "policy": 1,
    "name": "p",
    "outputs": {
        "fp16": {"compute": "float16", "weights": "float16", "io": "float32"},
        "q4": {"compute": "float32", "weights": {"format": "int4", "block": 32}, "io": "float32"},
    },
}
SHARD = 20_000


@pytest.fixture
def manifest(layers: Path) -> Path:
    """Return the manifest of a plan for the folder `parts`."""
    path = layers.parent / "plan.json"
    plan = onnxquant.plan(layers, POLICY, output=layers.parent / "parts" / "onnx", max_shard=SHARD)
    plan.save_manifest(path)
    return path


@pytest.fixture
def expected(layers: Path) -> dict[str, bytes]:
    """Return the files of one ordinary run."""
    onnxquant.quantize(layers, POLICY, output=layers.parent / "one", max_shard=SHARD)
    return files(layers.parent / "one")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return a client of two processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def outputs(manifest: Path) -> dict[str, bytes]:
    return files(manifest.parent / "parts" / "onnx")


def test_parts_give_the_files_of_one_run(manifest: Path, expected: dict[str, bytes]) -> None:
    part = onnxquant.apply_manifest(manifest, (2, 2))
    assert part.files and not any(row["was_done"] for row in part.files)
    assert part.bytes == sum(row["bytes"] for row in part.files)
    with pytest.raises(onnxquant.VerifyError, match="part 1/2: model_"):
        onnxquant.finish_manifest(manifest)
    assert onnxquant.apply_manifest(manifest, (1, 2), verify=True)["of"] == 2
    assert all(row["was_done"] for row in onnxquant.apply_manifest(manifest, (2, 2)).files)
    report = onnxquant.finish_manifest(manifest, verify=True)
    assert [output.dtype for output in report.outputs] == ["fp16", "q4"]
    assert outputs(manifest) == expected


def test_without_a_part_or_a_client_all_is_done_here(
    manifest: Path, expected: dict[str, bytes]
) -> None:
    seen: list[tuple[int, int]] = []
    onnxquant.distributed.convert(manifest, progress=lambda *state: seen.append(state))
    assert outputs(manifest) == expected
    assert seen[-1][0] == seen[-1][1] > 0
    onnxquant.apply_manifest(manifest)  # all is done already
    (manifest.parent / "parts" / "onnx" / next(iter(expected))).write_bytes(b"old")
    with pytest.raises(onnxquant.WriteError, match="exists already"):
        onnxquant.apply_manifest(manifest)
    onnxquant.apply_manifest(manifest, force=True)
    assert outputs(manifest) == expected


def test_wrong_arguments_are_refused(manifest: Path) -> None:
    with pytest.raises(onnxquant.UsageError, match="3/2"):
        onnxquant.apply_manifest(manifest, (3, 2))
    with pytest.raises(onnxquant.UsageError, match=r"expected \(number, parts\)"):
        onnxquant.apply_manifest(manifest, (1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(onnxquant.UsageError, match="parts=-1"):
        onnxquant.distributed.convert(manifest, parts=-1)
    with pytest.raises(onnxquant.WriteError, match="exists already"):
        onnxquant.plan(manifest.parent / "model.onnx", POLICY).save_manifest(manifest)


def test_workers_give_the_files_of_one_run(
    manifest: Path, expected: dict[str, bytes], client: Any
) -> None:
    seen: list[tuple[int, int]] = []
    report = onnxquant.distributed.convert(
        manifest, client, parts=5, progress=lambda *state: seen.append(state)
    )
    assert seen == [(done, 5) for done in range(1, 6)]
    assert {row["name"] for output in report.outputs for row in output.files} == set(expected)
    assert outputs(manifest) == expected


def test_an_error_of_a_worker_is_raised_here(manifest: Path, layers: Path, client: Any) -> None:
    content = bytearray(layers.read_bytes())
    content[-100] ^= 1
    layers.write_bytes(content)
    with pytest.raises(onnxquant.OnnxquantError, match="model"):
        onnxquant.distributed.convert(manifest, client, retries=0)


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
    assert outputs(manifest) == expected
