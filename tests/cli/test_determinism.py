"""Nothing of the machine, the process or the day gets into what is written."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from program import BINARY, THREE, policy, run, save, small_model

PLACES = ("home", "elsewhere/deep down")
# Another build of the program, to compare with: scripts/test.sh --all gives the debug build.
OTHER = os.environ.get("ONNXQUANT_OTHER", str(BINARY))


def _outputs(
    folder: Path, environment: dict[str, str], cwd: Path, binary: str = str(BINARY)
) -> dict[str, bytes]:
    """Convert a model that lies in `folder`, and return every file that it gives."""
    folder.mkdir(parents=True)
    model = save(small_model(), folder, external=True)
    # Of another day, too.
    os.utime(model, (1, 1))
    text = policy(folder, THREE)
    words = [binary, "--policy", str(text), "-o", str(folder / "out"), str(model)]
    environment = {**os.environ, **environment}
    done = subprocess.run(
        words, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati"},
        {"TZ": "America/Anchorage", "LC_ALL": "C.UTF-8"},
        {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"},
        {"LC_ALL": "POSIX", "HOME": "/nowhere", "USER": "somebody", "HOSTNAME": "another"},
        {"SOURCE_DATE_EPOCH": "1", "TMPDIR": "/nowhere"},
    ],
)
def test_the_same_bytes_in_any_environment(tmp_path: Path, environment: dict[str, str]) -> None:
    expected = _outputs(tmp_path / "first", {}, Path("/"))
    assert len(expected) >= 3
    assert _outputs(tmp_path / "second", environment, tmp_path) == expected


def test_the_same_bytes_from_any_folder_and_none_of_its_name(tmp_path: Path) -> None:
    files = [_outputs(tmp_path / place, {}, tmp_path) for place in PLACES]
    assert files[0] == files[1]
    words = [*PLACES, tmp_path.name, os.uname().nodename]
    for name, data in files[0].items():
        for word in words:
            assert word.encode() not in data, f"{name} holds '{word}'"


def test_the_same_report_in_any_environment(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    text = policy(tmp_path, THREE)
    plain = run("plan", "--json", "--policy", text, model)
    other = run(
        "plan",
        "--json",
        "--policy",
        text,
        model,
        env={**os.environ, "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "COLUMNS": "20"},
    )
    assert plain.returncode == other.returncode == 0
    assert plain.stdout == other.stdout


def test_another_run_of_any_build_writes_the_same_bytes(tmp_path: Path) -> None:
    first = _outputs(tmp_path / "one", {}, tmp_path)
    shutil.rmtree(tmp_path / "one")
    assert _outputs(tmp_path / "one", {}, tmp_path, OTHER) == first
