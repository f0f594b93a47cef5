"""Checkpoints that are damaged anyhow are read, or refused in words, in bounded memory."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from onnxquant.export.checkpoint import Checkpoint
from onnxquant_tools import mutate_checkpoints

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["gguf", "safetensors", "config"])
def test_every_damage_is_told_well(kind: str) -> None:
    # A process of its own, since the tool bounds the memory of the one that it runs in.
    done = subprocess.run(
        [sys.executable, "-m", "onnxquant_tools.mutate_checkpoints", kind, "--count", "300"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 damages" in done.stdout
    assert " 0 refused" not in done.stdout, "the damages do none"


def test_another_exception_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = mutate_checkpoints._read
    calls = 0

    def reads_once(checkpoint: Checkpoint) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise KeyError("name")
        whole(checkpoint)

    monkeypatch.setattr(mutate_checkpoints, "_read", reads_once)
    monkeypatch.setattr(mutate_checkpoints, "damaged", lambda data, head, seed: data)
    arguments = argparse.Namespace(kind="gguf", count=2, seed=1, only=None)
    assert mutate_checkpoints._try_all(arguments, tmp_path) == 1
    assert "1000001: KeyError: 'name'" in capsys.readouterr().out
