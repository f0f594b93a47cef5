"""The completion script, as bash runs it."""

import subprocess
from pathlib import Path

from program import run


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
