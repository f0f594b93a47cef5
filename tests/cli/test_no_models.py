"""Models that are no files, or empty ones: every command ends at once and names them."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from program import BINARY, policy, run, save, small_model

KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "an empty file": lambda path: path.touch(),
    "a file of /proc": lambda path: path.symlink_to("/proc/self/maps"),
}
COMMANDS = {
    "convert": ["--policy", "{}/p.yaml", "{}/m.onnx"],
    "plan": ["plan", "--policy", "{}/p.yaml", "{}/m.onnx"],
    "inspect": ["inspect", "{}/m.onnx"],
    "check": ["check", "{}/m.onnx"],
    "check and run": ["check", "--run", "--provider", "simulated", "{}/m.onnx"],
    "diff": ["diff", "{}/m.onnx", "{}/m.onnx"],
    "ranges": ["ranges", "{}/m.onnx"],
    "verify": ["verify", "{}/m.onnx", "{}/m.onnx"],
    "verify on the simulation": ["verify", "{}/m.onnx", "{}/m.onnx", "--provider", "simulated"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_model_is_named_at_once(command: str, kind: str, tmp_path: Path) -> None:
    policy(tmp_path)
    KINDS[kind](tmp_path / "m.onnx")
    arguments = [part.format(tmp_path) for part in COMMANDS[command]]
    done = subprocess.run(
        ["prlimit", "--as=4000000000", str(BINARY), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (2, 5), (done.returncode, done.stderr)
    assert done.stderr.startswith(f"onnxquant: {tmp_path / 'm.onnx'}") or (
        done.returncode == 5 and "m.onnx" in done.stderr
    ), done.stderr
    assert done.stdout == ""


def test_hard_links_to_data_are_read_and_their_file_stays(tmp_path: Path) -> None:
    save(small_model(), tmp_path, external=True)
    (tmp_path / "store").mkdir()
    data = tmp_path / "model.onnx_data"
    os.link(data, tmp_path / "store" / "blob")
    before = data.read_bytes()
    done = run("--policy", policy(tmp_path), tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "store" / "blob").read_bytes() == before
    assert data.samefile(tmp_path / "store" / "blob")
