"""Conversion in parts from Python, in this process and over a Dask cluster."""

from pathlib import Path
from typing import Any

import onnxquant
import pytest
from manifests import POLICY, made_in_parts, manifest_of, one_run

pytest.importorskip("distributed")


@pytest.fixture
def manifest(layers: Path) -> Path:
    """Return the manifest of a plan."""
    return manifest_of(layers)


@pytest.fixture
def expected(layers: Path) -> dict[str, bytes]:
    """Return the files of one ordinary run."""
    return one_run(layers)


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
    assert made_in_parts(manifest) == expected


def test_without_a_part_or_a_client_all_is_done_here(
    manifest: Path, expected: dict[str, bytes]
) -> None:
    seen: list[tuple[int, int]] = []
    onnxquant.distributed.convert(manifest, progress=lambda *state: seen.append(state))
    assert made_in_parts(manifest) == expected
    assert seen[-1][0] == seen[-1][1] > 0
    onnxquant.apply_manifest(manifest)  # all is done already
    (manifest.parent / "parts" / "onnx" / next(iter(expected))).write_bytes(b"old")
    with pytest.raises(onnxquant.WriteError, match="exists already"):
        onnxquant.apply_manifest(manifest)
    onnxquant.apply_manifest(manifest, force=True)
    assert made_in_parts(manifest) == expected


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
    assert made_in_parts(manifest) == expected


def test_an_error_of_a_worker_is_raised_here(manifest: Path, layers: Path, client: Any) -> None:
    content = bytearray(layers.read_bytes())
    content[-100] ^= 1
    layers.write_bytes(content)
    with pytest.raises(onnxquant.OnnxquantError, match="model"):
        onnxquant.distributed.convert(manifest, client, retries=0)
