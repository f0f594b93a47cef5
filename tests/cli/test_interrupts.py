"""Runs that are ended half way: nothing is left, nothing is damaged, the next run works.

The weights are a sparse gigabyte, so that there is time to interrupt.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from program import BINARY, FP16, listing, policy, run, save, small_model

ROWS = 16384


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a model that takes a second to convert; removes the large files."""
    model = small_model()
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [ROWS, ROWS]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="big")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with (tmp_path / "big").open("wb") as file:
        file.truncate(ROWS * ROWS * 4)
    policy(tmp_path, FP16)
    yield tmp_path
    for path in [*tmp_path.glob("*fp16*"), *tmp_path.glob(".*"), *tmp_path.glob("new/.*")]:
        path.unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _writes(process: int, folder: Path) -> bool:
    """Return whether the process has a file open there that has no name yet, or a temporary one."""
    try:
        targets = [os.readlink(entry) for entry in Path(f"/proc/{process}/fd").iterdir()]
    except OSError:  # a descriptor was closed meanwhile, or all are
        return False
    unnamed = any(one.startswith(f"{folder}/") and one.endswith(" (deleted)") for one in targets)
    return unnamed or bool([*folder.rglob(".onnxquant-*.tmp")])


def _end(
    folder: Path,
    number: signal.Signals,
    *arguments: str,
    handler: signal.Handlers = signal.SIG_DFL,
) -> tuple[int, str, str]:
    """Start a conversion, send the signal when it has begun to write, await the end.

    The program starts with the given handler, whatever this process was started with.
    """
    settable = {number} - {signal.SIGKILL}
    command = [str(BINARY), "--policy", str(folder / "p.yaml"), "-j", "1", *arguments]
    process = subprocess.Popen(
        [*command, str(folder / "model.onnx")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [signal.signal(number, handler) for number in settable],
    )
    deadline = time.monotonic() + 60
    while not _writes(process.pid, folder):
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    out, messages = process.communicate(timeout=60)
    return process.returncode, out, messages


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(folder: Path, number: signal.Signals) -> None:
    before = _names(folder)
    for arguments in ((), ("-o", str(folder / "new"), "--report", str(folder / "r.json"))):
        status, out, messages = _end(folder, number, *arguments)
        assert (status, out) == (130, ""), messages
        assert "onnxquant: interrupted" in messages
        assert _names(folder) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_from_the_start_stays_ignored(
    folder: Path, number: signal.Signals
) -> None:
    """As under nohup, or in the background of a script."""
    status, _, messages = _end(folder, number, handler=signal.SIG_IGN)
    assert status == 0, messages
    assert (folder / "model_fp16.onnx").is_file()


def test_an_interrupted_forced_run_leaves_the_old_files(folder: Path) -> None:
    (folder / "model_fp16.onnx").write_text("old")
    (folder / "model_fp16.onnx_data").write_text("old data")
    before = _names(folder)
    assert _end(folder, signal.SIGINT, "--force")[0] == 130
    assert _names(folder) == before
    assert (folder / "model_fp16.onnx").read_text() == "old"
    assert (folder / "model_fp16.onnx_data").read_text() == "old data"


def test_after_a_killed_run_the_next_one_works(folder: Path) -> None:
    before = _names(folder)
    assert _end(folder, signal.SIGKILL)[0] == -signal.SIGKILL
    assert list(folder.glob("model_fp16*")) == []
    save(small_model(), folder)
    done = run("--policy", folder / "p.yaml", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    onnx.checker.check_model(folder / "model_fp16.onnx")
    assert set(_names(folder)) - set(before) == {"model_fp16.onnx", "model_fp16.onnx_data"}


def test_no_file_appears_before_all_are_complete(folder: Path) -> None:
    process = subprocess.Popen(
        [str(BINARY), "-q", "--policy", str(folder / "p.yaml"), str(folder / "model.onnx")]
    )
    while process.poll() is None:
        if (folder / "model_fp16.onnx_data").exists():
            assert (folder / "model_fp16.onnx_data").stat().st_size >= ROWS * ROWS * 2
            break
        time.sleep(0.002)
    assert process.wait(timeout=60) == 0
    assert not list(folder.glob(".*"))


def test_the_small_model_is_converted_in_the_same_folder_layout(tmp_path: Path) -> None:
    """The control: without a signal the outputs do appear."""
    save(small_model(), tmp_path)
    assert run("--policy", policy(tmp_path), tmp_path / "model.onnx").returncode == 0
    assert "model_fp16.onnx" in listing(tmp_path)
