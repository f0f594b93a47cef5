"""Fixtures of the command line's tests: a small Gemma 3 with random weights."""

import signal
from pathlib import Path

import pytest
from onnxquant_tools.export_gemma import main
from onnxquant_tools.tiny_gemma import write_tiny_gguf

# A shell that starts tests in the background has them, and the programs that they start, ignore
# Ctrl-C. The program is right to do so; tests that interrupt it need the default.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with config.json and onnx/model.onnx; tests copy it before they write."""
    folder = tmp_path_factory.mktemp("gemma")
    write_tiny_gguf(folder / "g.gguf")
    assert main(["--gguf", str(folder / "g.gguf"), "--out", str(folder / "model")]) == 0
    return folder / "model"
