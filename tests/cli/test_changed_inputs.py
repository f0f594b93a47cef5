"""Inputs that another process changes while they are read.

The ranges come through a pipe: the program waits there with the model open, and goes on when the
test has changed a file and written them.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from program import BINARY, listing, policy, save, small_model

# Beyond a page each, so that a shortened file ends before its tensors do.
ROWS, COLUMNS = 256, 128
RANGES = json.dumps({"values": {"a": {"peak": 1.0}}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a model in half, its data file, a policy and a pipe for ranges."""
    save(small_model(ROWS, COLUMNS), tmp_path, external=True)
    policy(tmp_path)
    os.mkfifo(tmp_path / "ranges.json")
    return tmp_path


def _shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _shorten_and_remove(path: Path) -> None:
    _shorten(path)
    path.unlink()


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def _overwrite_as_if_nothing_was(path: Path) -> None:
    before = path.stat()
    _overwrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _overwrite_and_move_away(path: Path) -> None:
    _overwrite(path)
    path.rename(path.with_name("moved"))


def _replace(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(bytes(path.stat().st_size))
    new.rename(path)


def _await_reader(process: subprocess.Popen[str], pipe: Path) -> None:
    """Return when the process holds the pipe open, or has ended."""
    descriptors = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None:
        with contextlib.suppress(OSError):  # those that are closed meanwhile
            if any(link.resolve() == pipe.resolve() for link in descriptors.iterdir()):
                return
        time.sleep(0.001)


def _run(folder: Path, command: list[str], change: Callable[[], None]) -> tuple[int, str, str]:
    """Run the program to where it reads the ranges, make the change, and let it go on."""
    # Open for writing before the program looks: a pipe that nobody writes to is an empty text.
    pipe = os.open(folder / "ranges.json", os.O_RDWR)
    with subprocess.Popen(
        [str(BINARY), *command, "--ranges", str(folder / "ranges.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _await_reader(process, folder / "ranges.json")
        change()
        os.write(pipe, RANGES.encode())
        os.close(pipe)
        out, error = process.communicate(timeout=60)
    return process.returncode, out, error


COMMANDS = {
    "convert": ["--policy", "{}/p.yaml", "-o", "{}/out", "{}/model.onnx"],
    "plan": ["plan", "--policy", "{}/p.yaml", "{}/model.onnx"],
    "check": ["check", "{}/model.onnx"],
}
CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "shortened": (_shorten, " bytes, and has "),
    "shortened and removed": (_shorten_and_remove, " bytes, and has "),
    "overwritten": (_overwrite, "it was written to"),
    "overwritten with its old time": (
        _overwrite_as_if_nothing_was,
        "it was written to",
    ),
    "overwritten and moved away": (_overwrite_and_move_away, "it was written to"),
}


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx_data"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_changes_while_it_is_read_is_named_and_nothing_comes_of_it(
    command: str, change: str, file: str, folder: Path
) -> None:
    make, words = CHANGES[change]
    arguments = [part.format(folder) for part in COMMANDS[command]]
    status, out, error = _run(folder, arguments, lambda: make(folder / file))
    assert status == 2, error
    assert f"{folder / file}: was changed after it was read" in error
    assert words in error
    assert out == ""
    assert not (folder / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_replaced_is_read_as_it_was(command: str, folder: Path) -> None:
    arguments = [part.format(folder) for part in COMMANDS[command]]
    expected = _run(folder, arguments, lambda: None)
    made = listing(folder / "out") if command == "convert" else {}
    if command == "convert":
        arguments.append("--force")
    found = _run(folder, arguments, lambda: _replace(folder / "model.onnx_data"))
    assert found[0] == expected[0] == 0, found[2]
    if command == "convert":
        assert listing(folder / "out") == made
    else:
        assert found[1] == expected[1]
