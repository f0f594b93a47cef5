"""`onnxquant recover`, and what other commands say to a set that is half in place."""

import signal
from pathlib import Path

import pytest
from interrupting import Case, calls, environment, make_case, own
from program import run


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def middle(case: Case, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the fault that ends the program when half of the set is in place."""
    names = calls(case, tmp_path_factory.mktemp("calls") / "place")
    numbers = [number for number, name in enumerate(names, 1) if name == "renameat2"]
    # The last ones place a model, its data, config.json and a report, and move away the data file
    # that is no longer needed.
    return f"KILL:{numbers[-3]}"


@pytest.fixture
def half(case: Case, middle: str, tmp_path: Path) -> Path:
    """Return a folder with half of the new set in place."""
    place = case.copy(tmp_path / "place")
    assert case.run(place, middle).returncode == -signal.SIGKILL
    assert case.state(place) not in ("old", "new")
    return place


def test_it_says_what_it_completed(case: Case, half: Path) -> None:
    done = run("recover", "onnx", cwd=half)
    assert (done.returncode, done.stderr) == (0, "")
    completed = [line for line in done.stdout.splitlines() if line.startswith("completed: ")]
    names = [Path(line.removeprefix("completed: ")).name for line in completed]
    data = "model_fp16.onnx_data"
    assert sorted(names) == ["config.json", "model_fp16.onnx", data, f"{data}_1", "r.json"]
    assert (case.state(half), own(half)) == ("new", [])
    done = run("recover", "onnx", cwd=half)
    assert (done.returncode, done.stdout) == (0, "onnx: there is nothing to recover\n")


def test_it_takes_back_what_can_not_be_completed(case: Case, half: Path) -> None:
    """Somebody removed the temporary files: the new set is lost, the old one is not."""
    journal = next(half.glob("onnx/.onnxquant-*.journal")).read_text()
    rows = [line.split() for line in journal.splitlines() if line.startswith(("replace", "place"))]
    staged = next(row[2] for row in rows if row[-1] == "r.json")
    (half / "reports" / staged).unlink()
    done = run("recover", ".", cwd=half)
    assert (done.returncode, done.stderr) == (0, "")
    assert "taken back: " in done.stdout
    assert (case.state(half), own(half)) == ("old", [])


def test_quiet_says_nothing(half: Path) -> None:
    done = run("recover", "-q", "onnx", cwd=half)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "nowhere", tmp_path / "file"):
        done = run("recover", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"'{place}' is no folder" in done.stderr
    assert run("recover").returncode == 1


def test_readers_refuse_a_file_that_is_half_written_and_no_other(half: Path) -> None:
    for command in ("inspect", "check"):
        done = run(command, "onnx/model_fp16.onnx", cwd=half)
        assert (done.returncode, done.stdout) == (2, "")
        assert "model_fp16.onnx: was left half-written" in done.stderr
        assert "'onnxquant recover onnx'" in done.stderr
    assert run("inspect", "onnx/model.onnx", cwd=half).returncode == 0
    assert run("recover", "onnx", cwd=half).returncode == 0
    assert run("inspect", "onnx/model_fp16.onnx", cwd=half).returncode == 0


def test_a_conversion_that_writes_there_says_that_it_recovers_first(case: Case, half: Path) -> None:
    arguments = [one for one in case.arguments if one != "--force"]
    done = run(*arguments, cwd=half)
    assert (done.returncode, done.stdout) == (4, "")
    assert "completed what an interrupted run had begun to put in place: " in done.stderr
    assert "exists already" in done.stderr
    assert (case.state(half), own(half)) == ("new", [])


def test_a_damaged_record_is_named_and_changes_nothing(case: Case, half: Path) -> None:
    journal = next(half.glob("onnx/.onnxquant-*.journal"))
    journal.write_text(journal.read_text().replace("r.json", "s.json"))
    before = (case.state(half), own(half))
    for arguments in (("recover", "onnx"), case.arguments):
        done = run(*arguments, cwd=half)
        assert (done.returncode, done.stdout) == (4, "")
        assert f"{journal.name}: the record of an interrupted run is damaged" in done.stderr
        assert (case.state(half), own(half)) == before


def test_the_folders_may_be_moved_together_before(case: Case, half: Path, tmp_path: Path) -> None:
    moved = half.rename(tmp_path / "moved")
    assert run("recover", "reports", cwd=moved).returncode == 0
    assert (case.state(moved), own(moved)) == ("new", [])


def test_a_folder_of_the_set_that_is_gone_is_named(case: Case, half: Path, tmp_path: Path) -> None:
    (half / "reports").rename(tmp_path / "elsewhere")
    done = run("recover", "onnx", cwd=half)
    assert (done.returncode, done.stdout) == (4, "")
    assert "/reports, too, which is not there" in done.stderr
    (tmp_path / "elsewhere").rename(half / "reports")
    assert run("recover", "onnx", cwd=half).returncode == 0
    assert case.state(half) == "new"


def test_half_in_place_is_said_when_not_even_undoing_works(case: Case, tmp_path: Path) -> None:
    """The disk fails for good in the middle of placing."""
    names = calls(case, tmp_path / "calls")
    middle = [number for number, name in enumerate(names, 1) if name == "renameat2"][-3]
    place = case.copy(tmp_path / "place")
    done = run(*case.arguments, cwd=place, env=environment(f"DEAD:{middle}"))
    assert done.returncode == 4
    assert "the files are half in place: 'onnxquant recover onnx' finishes that" in done.stderr
    assert case.state(place) not in ("old", "new")
    assert run("recover", "onnx", cwd=place).returncode == 0
    assert case.state(place) in ("old", "new")
