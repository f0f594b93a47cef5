"""Wrong arguments: every command says so in one line that begins with the program's name."""

from pathlib import Path

import pytest
from program import run, save, small_model

COMMANDS = (
    *("", "plan", "apply", "inspect", "check", "diff", "calibrate", "tune", "ranges", "verify"),
    *("recover", "policies", "targets", "formats", "completion"),
)
WRONG = [("--no-such-option",), ("--quiet=loud",), ("a", "b", "c", "d")]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: arguments[0])
def test_every_command_says_who_speaks(command: str, arguments: tuple[str, ...]) -> None:
    done = run(*filter(None, [command]), *arguments)
    if command == "verify" and arguments[0] == "a":
        assert done.returncode == 2  # it takes any number of candidates
        return
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("onnxquant: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("arguments", [
    ("plan", "--max-shard", "-1"), ("plan", "--max-shard", "1.5G"), ("plan", "--max-growth", "0"),
    ("plan", "--set", "nonsense"), ("plan", "--dtype", "fp61"), ("plan", "--policy", "gemma-wbe"),
    ("plan", "--target", "moon"), ("plan", "--io", "half"), ("plan", "--why", "nothing"),
    ("plan", "--session", "a=b"), ("check", "--target", "moon"), ("inspect", "--checkpoint", "no"),
    ("ranges", "--memory", "x"), ("calibrate", "-o", "c", "--chunk", "0"),
    ("tune", "-o", "t.yaml", "--size", "x"), ("--threads", "0"),
], ids=" ".join)  # fmt: skip
def test_wrong_values_say_who_speaks(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    model = save(small_model(), tmp_path)
    done = run(*arguments, model, cwd=tmp_path)
    assert done.returncode in (1, 2, 3), (done.stdout, done.stderr)
    assert done.stderr.splitlines()[-1].startswith("onnxquant: "), done.stderr
