"""Fixtures of the exporter's tests: tiny checkpoints, and transformers' own logits of some."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.tiny_gemma import write_tiny_gguf

_TORCH = cache_folder() / "venv-torch" / "bin" / "python"
_NO_TORCH = f"{_TORCH} is missing: run scripts/setup_torch.sh"


@pytest.fixture
def tiny_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a GGUF file of seven small layers and gives its path."""

    def make(*, tied: bool = True, architecture: str = "gemma3") -> Path:
        path = tmp_path / f"{architecture}-{'tied' if tied else 'untied'}.gguf"
        write_tiny_gguf(path, tied=tied, architecture=architecture)
        return path

    return make


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the cases that torch_reference.py writes; without torch, skip.

    Where CI=true, fail instead.
    """
    if not _TORCH.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(_NO_TORCH, pytrace=False)
        pytest.skip(_NO_TORCH)
    folder = tmp_path_factory.mktemp("references")
    script = Path(__file__).with_name("torch_reference.py")
    done = subprocess.run(
        [str(_TORCH), str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly when transformers' own logits were not there to compare with."""
    if not _TORCH.is_file():
        terminalreporter.section("NOTHING WAS COMPARED WITH TRANSFORMERS", sep="!", red=True)
        terminalreporter.line(_NO_TORCH)
