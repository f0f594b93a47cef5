"""Runs that write to the same folder at once: each set is whole, and no run's work is lost."""

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from program import BINARY, THREE, listing, policy, run, save, small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with config.json above a model and a policy of three outputs."""
    inner = tmp_path / "onnx"
    inner.mkdir()
    (tmp_path / "config.json").write_text("{}")
    save(small_model(), inner)
    policy(inner, THREE)
    return inner


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BINARY), "--policy", "p.yaml", *arguments, "model.onnx"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _models(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in listing(folder).items() if "fp16" in name}


def test_of_two_forced_runs_one_set_stays_whole(folder: Path) -> None:
    """One makes a single data file, the other several, with other bytes."""
    one = ("--force", "-q", "--dtype", "fp16")
    other = (*one, "--max-shard", "20k", "--set", "match: {name: second}, compute: float32")
    sets = []
    for arguments in (one, other):
        assert _start(folder, *arguments).wait() == 0
        sets.append(_models(folder))
    assert sets[0] != sets[1]
    for _ in range(20):
        runs = [_start(folder, *one), _start(folder, *other), _start(folder, *one)]
        for process in runs:
            _, messages = process.communicate(timeout=60)
            assert process.returncode == 0, messages
        assert _models(folder) in sets
    assert list(folder.parent.rglob(".onnxquant-*")) == []


def test_of_two_runs_without_force_one_is_refused(folder: Path) -> None:
    for _ in range(10):
        runs = [_start(folder, "-q", "--dtype", "fp16") for _ in range(3)]
        messages = [process.communicate(timeout=60)[1] for process in runs]
        assert sorted(process.returncode for process in runs) == [0, 4, 4]
        assert sum("exists already" in one or "appeared while" in one for one in messages) == 2
        for path in folder.glob("model_fp16*"):
            path.unlink()


def test_runs_of_different_dtypes_all_stand_in_config_json(folder: Path) -> None:
    for _ in range(10):
        (folder.parent / "config.json").write_text("{}")
        runs = [_start(folder, "--force", "-q", "--dtype", one) for one in ("fp16", "q4", "q4f16")]
        for process in runs:
            _, messages = process.communicate(timeout=60)
            assert process.returncode == 0, messages
        config = json.loads((folder.parent / "config.json").read_text())
        known = config["transformers.js_config"]["use_external_data_format"]
        assert {"model_fp16.onnx", "model_q4.onnx", "model_q4f16.onnx"} <= set(known)


def _wait_for(process: subprocess.Popen[str]) -> str:
    """Return the line that says what the program waits for."""
    assert process.stderr
    for line in process.stderr:
        if "waiting" in line:
            return line
    raise AssertionError("it did not wait")


def test_a_run_that_waits_says_for_what_and_goes_on_afterwards(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = _start(folder, "--dtype", "fp16")
    assert "waiting for another run, which is writing there" in _wait_for(process)
    assert not (folder / "model_fp16.onnx").exists()
    os.close(lock)
    assert process.wait(timeout=60) == 0
    assert (folder / "model_fp16.onnx").exists()
    process.communicate()


def test_a_run_that_waits_can_be_interrupted(folder: Path) -> None:
    before = listing(folder.parent)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = _start(folder, "--dtype", "fp16")
    _wait_for(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    os.close(lock)
    assert listing(folder.parent) == before
    process.communicate()


def test_a_folder_that_another_run_made_and_removed_is_made_again(folder: Path) -> None:
    """While a run has files without names in it, it looks empty."""
    lock = os.open(folder.parent, os.O_RDONLY)  # config.json's folder: it must wait for that
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder.parent / "config.json").rename(folder / "config.json")
    (folder.parent / "new").mkdir()
    inner = os.open(folder.parent / "new", os.O_RDONLY)
    fcntl.flock(inner, fcntl.LOCK_EX)
    process = _start(folder, "--dtype", "fp16", "-o", "../new")
    _wait_for(process)
    (folder.parent / "new").rmdir()
    os.close(inner)
    os.close(lock)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert (folder.parent / "new" / "model_fp16.onnx").exists()


def test_a_reader_waits_for_a_run_that_is_just_putting_files_in_place(folder: Path) -> None:
    """Readers and writers in turn: a reader never sees halves of two sets."""
    assert run("--policy", "p.yaml", "model.onnx", cwd=folder).returncode == 0
    for _ in range(20):
        writer = _start(folder, "--force", "-q")
        done = run("inspect", "model_fp16.onnx", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert writer.wait(timeout=60) == 0
        writer.communicate()
