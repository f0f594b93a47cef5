"""The completion scripts, as bash, zsh and fish run them."""

import subprocess
from pathlib import Path

import pytest
from program import run

# Sends a line and Tab to an interactive zsh, and prints what it shows.
_ZSH = """
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -d $PWD/.zdump'
zpty -w z 'zstyle ":completion:*" list-prompt ""; LISTMAX=1000; setopt no_always_last_prompt'
zpty -w z 'source ./script; print ready'
zpty -r -m z seen '*ready*ready*' || exit 1
zpty -n -w z $'@LINE@\t'
sleep 0.5
zpty -n -w z $'\\x15'
zpty -w z "print fini''shed"
while zpty -r z line; do print -r -- $line; [[ $line == finished* ]] && break; done
zpty -d z
"""


def _fish(folder: Path, line: str) -> dict[str, str]:
    """Return what fish offers for the last word of a line, with its descriptions."""
    (folder / "script").write_text(run("completion", "fish").stdout)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source script; complete -C '{line}'"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )
    assert not done.stderr
    pairs = (row.partition("\t") for row in done.stdout.splitlines())
    return {word: text for word, _, text in pairs}


def _zsh(folder: Path, line: str) -> str:
    """Return what zsh shows when Tab is pressed at the end of a line."""
    (folder / "script").write_text(run("completion", "zsh").stdout)
    done = subprocess.run(
        ["zsh", "-f", "-c", _ZSH.replace("@LINE@", line)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "TERM": "dumb"},
        timeout=60,
    )
    return done.stdout


def _complete(folder: Path, *words: str) -> set[str]:
    """Return what bash offers for the last word."""
    script = run("completion").stdout + (
        f"COMP_WORDS=(onnxquant {' '.join(repr(word) for word in words)})\n"
        f"COMP_CWORD={len(words)}\n_onnxquant\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    )
    done = subprocess.run(
        ["bash", "-u", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return set(done.stdout.split())


def test_the_first_word_is_a_subcommand_or_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (tmp_path / "notes.txt").touch()
    offered = _complete(tmp_path, "")
    assert {"plan", "inspect", "diff", "policies", "model.onnx"} <= offered
    assert "notes.txt" not in offered
    assert _complete(tmp_path, "pl") == {"plan"}


def test_every_option_of_a_subcommand_is_offered_and_no_other(tmp_path: Path) -> None:
    for command in ([], ["plan"], ["inspect"], ["diff"], ["ranges"], ["verify"]):
        text = run(*command, "--help").stdout
        options = {
            word.split("{")[0]
            for line in text.splitlines()
            if line.startswith("  -")
            for word in line.split()[0].split(",")
        }
        assert _complete(tmp_path, *command, "-") == options


def test_a_policy_is_a_name_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "gemma-mine.yaml").touch()
    assert _complete(tmp_path, "plan", "--policy", "gemma-") == {
        "gemma-q4",
        "gemma-safe",
        "gemma-small",
        "gemma-web",
        "gemma-rescale",
        "gemma-mine.yaml",
    }
    assert _complete(tmp_path, "policies", "gemma-w") == {"gemma-web"}


def test_an_output_is_a_folder_and_that_of_ranges_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.onnx").touch()
    assert _complete(tmp_path, "-o", "") == {"folder"}
    assert _complete(tmp_path, "ranges", "-o", "") == {"folder", "model.onnx"}


def test_fish_offers_commands_options_policies_and_models(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (tmp_path / "notes.txt").touch()
    offered = _fish(tmp_path, "onnxquant ")
    assert offered["plan"] == "Print every decision and exact sizes; write nothing"
    assert "model.onnx" in offered
    assert "notes.txt" not in offered
    options = _fish(tmp_path, "onnxquant plan --")
    assert options["--policy"].startswith("a built-in policy")
    assert "--why" in options
    assert "--why" not in _fish(tmp_path, "onnxquant inspect --")
    assert "gemma-web" in _fish(tmp_path, "onnxquant plan --policy gemma-")
    assert set(_fish(tmp_path, "onnxquant policies gemma-w")) == {"gemma-web"}


def test_zsh_offers_commands_options_policies_and_models(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (tmp_path / "notes.txt").touch()
    offered = _zsh(tmp_path, "onnxquant ")
    assert "Print every decision and exact sizes; write nothing" in offered
    assert "model.onnx" in offered
    assert "notes.txt" not in offered
    options = _zsh(tmp_path, "onnxquant plan --")
    assert "--why" in options
    assert "a built-in policy" in options
    assert "--why" not in _zsh(tmp_path, "onnxquant inspect --").replace("onnxquant inspect --", "")
    assert "gemma-rescale" in _zsh(tmp_path, "onnxquant plan --policy gemma-")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_that_its_shell_reads(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", shell).stdout)
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_shell_is_told_of_with_those_that_there_are() -> None:
    done = run("completion", "tcsh")
    assert done.returncode == 1
    assert "bash,zsh,fish" in done.stderr.replace(" ", "")
