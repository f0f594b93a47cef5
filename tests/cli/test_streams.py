"""What goes to standard output, to standard error and to a terminal."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import onnx
import pytest
from program import BINARY, ROOT, THREE, policy, run, save, small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model with a policy of three outputs beside it."""
    policy(tmp_path, THREE)
    return save(small_model(), tmp_path)


def _convert(model: Path, *arguments: str | Path) -> list[str]:
    return [str(BINARY), "--policy", str(model.parent / "p.yaml"), *map(str, arguments), str(model)]


def _on_a_terminal(command: list[str], **environment: str) -> tuple[int, str]:
    """Run with all streams on a pseudo-terminal; returns the status and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | environment
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


def test_results_go_to_standard_output_and_messages_to_standard_error(model: Path) -> None:
    done = run("--policy", model.parent / "p.yaml", model)
    assert done.returncode == 0
    for name in ("model_fp16.onnx", "model_q4.onnx", "model_q4f16.onnx_data"):
        assert name in done.stdout
    assert "done in" in done.stderr
    assert "done in" not in done.stdout


def test_pipes_get_no_escape_codes_and_no_carriage_returns(model: Path) -> None:
    for arguments in (["--verbose"], ["--dry-run"], ["--force"]):
        done = subprocess.run(_convert(model, *arguments), capture_output=True, check=True)
        assert not re.search(rb"[\r\033]", done.stdout + done.stderr), arguments


def test_a_terminal_gets_a_progress_bar_that_is_gone_at_the_end(model: Path) -> None:
    status, shown = _on_a_terminal(_convert(model))
    assert status == 0
    assert re.search(r"\r\033\[K\[#+ *\] +\d+ %", shown)
    assert "100 %" in shown
    assert re.search(r"\r\033\[K[^\[#]*file ", shown)


def test_no_color_gives_no_colours(model: Path) -> None:
    _, shown = _on_a_terminal(_convert(model), NO_COLOR="1")
    assert not re.search(r"\033\[[0-9;]*m", shown)


def test_quiet_prints_nothing_even_on_a_terminal(model: Path) -> None:
    assert _on_a_terminal(_convert(model, "--quiet")) == (0, "")


def test_quiet_still_prints_errors(model: Path) -> None:
    done = run("-q", "--policy", "nonesuch", model)
    assert (done.returncode, done.stdout) == (3, "")
    assert "nonesuch" in done.stderr


@pytest.mark.parametrize("command", ["plan", "convert", "inspect", "help"])
def test_a_reader_that_stops_early_is_no_crash(model: Path, command: str) -> None:
    """As `| head -1`: the program may end by the signal that says so, and silently."""
    commands = {
        "plan": _convert(model, "plan"),
        "convert": _convert(model),
        "inspect": [str(BINARY), "inspect", str(model)],
        "help": [str(BINARY), "--help"],
    }
    if command == "plan":
        text = str(model.parent / "p.yaml")
        commands["plan"] = [str(BINARY), "plan", "--policy", text, str(model)]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        commands[command], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode in (0, 4, -13)
    assert "terminate" not in done.stderr
    names = sorted(path.name for path in model.parent.iterdir() if "_" in path.name)
    assert len(names) == (6 if command == "convert" else 0)
    assert not list(model.parent.glob(".*"))


def test_a_reader_of_messages_that_stops_early_does_not_stop_the_work(model: Path) -> None:
    """As `2>&1 | head -1`: files half written would be worse than messages unread."""
    read, write = os.pipe()
    os.close(read)
    report = model.parent / "report.json"
    subprocess.run(_convert(model, "--report", report), stdout=write, stderr=write, check=False)
    os.close(write)
    assert len(json.loads(report.read_text())["outputs"]) == 3
    assert (model.parent / "model_q4f16.onnx").is_file()
    assert not list(model.parent.glob(".*"))


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_standard_output_is_an_error_and_no_crash(model: Path, more: list[str]) -> None:
    # Long names make more text than a buffer holds: what failed in between must be seen, too.
    proto = onnx.load(model)
    proto.producer_name = "p" * 100_000 if more else "p"
    onnx.save(proto, model)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(BINARY), "inspect", *more, str(model)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 4
    assert b"could not be printed" in done.stderr


@pytest.mark.parametrize("command", [["plan", "--json"], ["inspect", "--json"]])
def test_json_on_standard_output_is_json_and_nothing_else(model: Path, command: list[str]) -> None:
    arguments = ["--policy", str(model.parent / "p.yaml")] if command[0] == "plan" else []
    done = run(*command, *arguments, model)
    assert done.returncode == 0
    assert isinstance(json.loads(done.stdout), dict)


def test_help_names_every_command_option_and_exit_status() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("--policy", "--dtype", "--set", "--output", "--max-shard", "--no-config"):
        assert word in done.stdout
    for word in ("--force", "--threads", "--memory", "--report", "--quiet", "--dry-run"):
        assert word in done.stdout
    for word in ("plan", "inspect", "diff", "policies", "130 interrupted"):
        assert word in done.stdout
    for command in ("plan", "inspect", "diff", "policies"):
        assert run(command, "--help").returncode == 0


def test_every_listed_policy_can_be_printed_and_used_from_a_file(model: Path) -> None:
    listed = [line.split()[0] for line in run("policies").stdout.splitlines()[2:]]
    files = sorted(path.stem for path in (ROOT / "policies").glob("*.yaml"))
    assert listed == files
    assert len(files) > 10
    for name in listed:
        printed = run("policies", name)
        assert printed.returncode == 0
        assert f"name: {name}\n" in printed.stdout
    text = model.parent / "p.yaml"
    text.write_text(run("policies", "q4").stdout)
    out = model.parent / "out"
    assert run("--policy", text, "-o", out, model).returncode == 0
    by_file = (out / "model_q4.onnx").read_bytes()
    assert run("--policy", "q4", "--force", "-o", out, model).returncode == 0
    assert (out / "model_q4.onnx").read_bytes() == by_file


def test_paths_with_spaces_and_other_letters_work(tmp_path: Path) -> None:
    folder = tmp_path / "a model (größer) 模型"
    folder.mkdir()
    save(small_model(), folder, external=True)
    done = run("--policy", policy(folder), "model.onnx", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "model_fp16.onnx_data").is_file()
