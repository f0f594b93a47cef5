"""Fixtures of the command line's tests: a small Gemma 3 with random weights."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.export_gemma import main
from program import ROOT


def _python_tests_fixtures() -> Any:
    """Load the conftest.py that knows how to write a small checkpoint."""
    path = ROOT / "tests" / "python" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_checkpoint", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with config.json and onnx/model.onnx; tests copy it before they write."""
    folder = tmp_path_factory.mktemp("gemma")
    _python_tests_fixtures()._write(folder / "g.gguf", tied=True, architecture="gemma3")
    assert main(["--gguf", str(folder / "g.gguf"), "--out", str(folder / "model")]) == 0
    return folder / "model"
