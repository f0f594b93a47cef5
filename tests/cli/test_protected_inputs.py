"""No output replaces a file that was read, whatever the names are."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from program import listing, policy, run, save, small_model

POLICY = json.dumps(
    {
        "policy": 1,
        "name": "p",
        "outputs": {"fp16": {"compute": "float16", "weights": "float16", "io": "float32"}},
    }
)
RANGES = json.dumps({"values": {"a": {"peak": 1.0}}})


def _itself(target: Path, name: Path) -> None:
    target.rename(name)
    target.symlink_to(name.name)


def _link(target: Path, name: Path) -> None:
    name.symlink_to(target.name)


def _hard_link(target: Path, name: Path) -> None:
    os.link(target, name)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "the file itself": _itself,
    "a link to it": _link,
    "a hard link to it": _hard_link,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with everything that commands read."""
    (tmp_path / "other").mkdir()
    for place in (tmp_path, tmp_path / "other"):
        save(small_model(), place, external=True)
    policy(tmp_path, POLICY)
    (tmp_path / "ranges.json").write_text(RANGES)
    (tmp_path / "tokens.txt").write_text("1 2 3\n")
    return tmp_path


def _refused(folder: Path, *arguments: str | Path) -> str:
    before = listing(folder)
    done = run(*arguments)
    assert done.returncode == 4, done.stderr
    assert "is part of the input" in done.stderr
    assert "which is never written to" in done.stderr
    assert listing(folder) == before
    return done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("read", ["model.onnx", "model.onnx_data", "p.yaml", "ranges.json"])
def test_what_was_read_is_no_configuration_to_update(folder: Path, read: str, way: str) -> None:
    WAYS[way](folder / read, folder / "config.json")
    arguments: list[str | Path] = [
        "--policy",
        folder / "p.yaml",
        "--ranges",
        folder / "ranges.json",
        "--force",
    ]
    said = _refused(folder, *arguments, folder / "model.onnx")
    assert "--no-config leaves it alone" in said
    assert "config.json" in said
    before = (folder / "config.json").read_bytes()
    done = run(*arguments, "--no-config", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("read", ["model.onnx", "model.onnx_data", "p.yaml", "ranges.json"])
@pytest.mark.parametrize("written", ["model_fp16.onnx", "model_fp16.onnx_data"])
def test_what_was_read_is_no_output_to_replace(
    folder: Path, written: str, read: str, way: str
) -> None:
    WAYS[way](folder / read, folder / written)
    model = folder / "model.onnx"
    _refused(
        folder,
        "--policy",
        folder / "p.yaml",
        "--ranges",
        folder / "ranges.json",
        "--force",
        model,
    )


REPORTS = {
    "convert": (
        ["--policy", "{}/p.yaml", "--ranges", "{}/ranges.json", "-o", "{}/out"],
        [],
    ),
    "plan": (["plan", "--policy", "{}/p.yaml", "--ranges", "{}/ranges.json"], []),
    "check": (["check", "--ranges", "{}/ranges.json"], []),
    "ranges": (["ranges", "--tokens", "{}/tokens.txt"], []),
    "verify": (["verify", "--tokens", "{}/tokens.txt"], ["{}/other/model.onnx"]),
}
READ = {
    "convert": ["model.onnx", "model.onnx_data", "p.yaml", "ranges.json"],
    "plan": ["model.onnx", "model.onnx_data", "p.yaml", "ranges.json"],
    "check": ["model.onnx", "model.onnx_data", "ranges.json", "config.json"],
    "ranges": ["model.onnx", "model.onnx_data", "tokens.txt", "config.json"],
    "verify": [
        "model.onnx", "model.onnx_data", "tokens.txt", "config.json", "other/model.onnx_data",
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", ["the file", "a link to it", "a hard link to it"])
@pytest.mark.parametrize(
    ("command", "read"), [(command, read) for command in READ for read in READ[command]]
)
def test_no_report_replaces_what_its_command_reads(
    folder: Path, command: str, read: str, way: str
) -> None:
    if command != "plan":
        (folder / "config.json").write_text("{}")
    target = folder / read
    if way == "a link to it":
        target = folder / "link.json"
        target.symlink_to(read)
    elif way == "a hard link to it":
        target = folder / "link.json"
        os.link(folder / read, target)
    first, last = REPORTS[command]
    option = "-o" if command == "ranges" else "--report"
    arguments = [part.format(folder) for part in first]
    others = [part.format(folder) for part in last]
    _refused(folder, *arguments, option, target, "--force", folder / "model.onnx", *others)
