"""A folder like a reader's: a small Gemma, and the programs of the project."""

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from blocks import ROOT
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.export_gemma import main as export_gemma
from onnxquant_tools.product import program
from onnxquant_tools.text_models import with_weights
from onnxquant_tools.tiny_gemma import write_tiny_gguf


def _write_detector(home: Path) -> None:
    """Write a model that reads no text, and pages for it."""
    text = (
        '<ir_version: 10, opset_import: ["": 21]> g (float[n, 16] page) => (float[n, 2] boxes) '
        "<float[16, 2] w> { boxes = MatMul(page, w) }"
    )
    model = with_weights(onnx.parser.parse_model(text))
    onnx.save(model, home / "detector.onnx")
    (home / "pages").mkdir()
    for place in ("page1.npz", "page2.npz", "pages/1.npz"):
        np.savez(home / place, page=np.random.default_rng(0).random((40, 16), np.float32))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder once: the model wherever a block looks for one, and token ids."""
    folder = tmp_path_factory.mktemp("prepared")
    write_tiny_gguf(folder / "tiny.gguf")
    assert export_gemma(["--gguf", str(folder / "tiny.gguf"), "--out", str(folder / "model")]) == 0
    home = folder / "home"
    for place in ("", "onnx", "path/to/onnx"):
        # With its data file, of which config.json speaks.
        shutil.copytree(folder / "model" / "onnx", home / place, dirs_exist_ok=True)
    shutil.copy(folder / "model" / "config.json", home)
    several = home / "whisper-tiny" / "onnx"
    shutil.copytree(folder / "model" / "onnx", several)
    for name in ("encoder_model", "decoder_model_merged", "decoder_with_past_model"):
        shutil.copy(several / "model.onnx", several / f"{name}.onnx")
    (several / "model.onnx").unlink()  # whose data file they read
    np.save(home / "text.npy", np.arange(2, 40, dtype=np.int64))
    _write_detector(home)
    # The scripts find the checkout by where they lie: each is called, not copied.
    (home / "scripts").mkdir()
    for script in (ROOT / "scripts").glob("*.sh"):
        wrapper = home / "scripts" / script.name
        wrapper.write_text(f'#!/bin/sh\nexec "{script}" "$@"\n')
        wrapper.chmod(0o755)
    (home / "build" / "release" / "bin").mkdir(parents=True)
    (home / "build" / "release" / "bin" / "onnxquant").symlink_to(program())
    (home / "examples").symlink_to(ROOT / "examples")
    (home / "docs").symlink_to(ROOT / "docs")
    return home


@pytest.fixture
def reader(prepared: Path, tmp_path: Path) -> Path:
    """Return a fresh copy of the folder."""
    return Path(shutil.copytree(prepared, tmp_path / "reader", symlinks=True))


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Return an environment with `onnxquant` on the path, and ONNX Runtime with WebGPU."""
    cache = cache_folder()
    names = {**os.environ, "PATH": f"{program().parent}:{os.environ['PATH']}"}
    names["ONNXQUANT_CACHE"] = str(cache)
    return names
