"""Whatever system call fails, and wherever the program is killed: the old set, or the new one.

A set is a model, its data files, config.json one folder above and a report in a third folder.
ONNXQUANT_KILLS sets at how many random moments the program is killed; from 200 on, file systems
that can do less are swept at every call, too, and not at every second.
"""

import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from interrupting import Case, calls, environment, killed_after, make_case, own, sweep
from program import run

FOLDERS = ("onnx", ".", "reports")
KILLS = int(os.environ.get("ONNXQUANT_KILLS", "20"))

# What file systems lack, on top of each other: old ones, network and FAT drives.
POOR = ("unnamed", "unnamed exchange", "unnamed exchange links locks")


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder, in memory where that is possible, for thousands of syncs."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def case(memory: Path) -> Case:
    return make_case(memory)


@pytest.fixture
def place(memory: Path) -> Path:
    return memory / "place"


def _recover(place: Path, *folders: str, without: str = "") -> None:
    for folder in folders or FOLDERS:
        done = run("recover", folder, cwd=place, env=environment(without=without))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def _step(without: str) -> int:
    return 2 if without and KILLS < 200 else 1


def _failures(case: Case, place: Path, kind: str, without: str = "") -> tuple[list[object], int]:
    """Return the faults after which status and files do not agree, and how many runs failed."""
    names = calls(case, place, without)
    wrong: list[object] = []
    failed = 0
    for fault in list(sweep(names, kind))[:: _step(without)]:
        case.copy(place)
        done = case.run(place, fault, without)
        state = case.state(place)
        if own(place):
            _recover(place, without=without)
        expected = {0: "new", 4: "old"}.get(done.returncode)
        if not state == case.state(place) == expected or own(place):
            name = names[int(fault.split(":")[1]) - 1]
            wrong.append((fault, name, done.returncode, state, case.state(place), own(place)))
        failed += done.returncode != 0
    return wrong, failed


def _kills(case: Case, place: Path, without: str = "") -> tuple[list[object], set[object]]:
    """Return the kills that no recovery mends, and which sets there were after the others."""
    names = calls(case, place, without)
    gap = "links" in without
    wrong: list[object] = []
    seen: set[object] = set()
    for number, fault in list(enumerate(sweep(names, "KILL")))[:: _step(without)]:
        case.copy(place)
        assert case.run(place, fault, without).returncode == -signal.SIGKILL
        gone = [name for name in case.old if name in case.new and not (place / name).exists()]
        pending = any(name.endswith(".journal") for name in own(place))
        _recover(place, FOLDERS[number % 3], without=without)
        state = case.state(place)
        if own(place):
            _recover(place, without=without)
        whole = state in ("old", "new") and state == case.state(place)
        if (gone and not gap) or not whole or own(place):
            wrong.append((fault, names[number], gone, state, case.state(place), own(place)))
        seen.add((state, pending))
    return wrong, seen


def test_the_calls_that_write_are_among_those_that_can_fail(case: Case, place: Path) -> None:
    found = set(calls(case, place))
    assert {"fsync", "linkat", "renameat2", "unlinkat", "flock", "pwrite", "close"} <= found
    found = set(calls(case, place, POOR[-1]))
    assert {"renameat", "fchmod"} <= found


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "EINTR", "EINVAL"])
def test_whatever_call_fails_the_status_says_which_set_is_there(
    case: Case, place: Path, kind: str
) -> None:
    wrong, failed = _failures(case, place, kind)
    assert wrong == []
    assert failed > 0


def test_half_a_write_is_continued(case: Case, place: Path) -> None:
    assert _failures(case, place, "SHORT") == ([], 0)


def test_wherever_it_is_killed_recovery_from_any_folder_makes_the_set_whole(
    case: Case, place: Path
) -> None:
    wrong, seen = _kills(case, place)
    assert wrong == []
    assert {("old", False), ("new", True), ("new", False)} <= seen


@pytest.mark.parametrize("without", POOR)
def test_file_systems_that_can_do_less_keep_sets_whole(
    case: Case, place: Path, without: str
) -> None:
    assert _failures(case, place, "EIO", without)[0] == []
    assert _kills(case, place, without)[0] == []


def test_wherever_it_is_killed_the_next_run_leaves_its_own_set_and_nothing_else(
    case: Case, place: Path
) -> None:
    for fault in list(sweep(calls(case, place), "KILL"))[::3]:
        case.copy(place)
        assert case.run(place, fault).returncode == -signal.SIGKILL
        done = case.run(place)
        assert (done.returncode, case.state(place), own(place)) == (0, "new", []), fault


def test_a_recovery_that_is_killed_is_finished_by_the_next(case: Case, place: Path) -> None:
    """Killed in the middle of placing; then the recovery itself at each of its calls."""
    names = calls(case, place)
    middle = [number for number, name in enumerate(names, 1) if name == "renameat2"][-3]
    number = 0
    while True:
        number += 1
        case.copy(place)
        case.run(place, f"KILL:{middle}")
        assert case.state(place) not in ("old", "new")
        killed = run("recover", "onnx", cwd=place, env=environment(f"KILL:{number}"))
        _recover(place)
        assert (case.state(place), own(place)) == ("new", []), number
        if killed.returncode == 0:
            break
    assert number > 10


def test_killed_at_any_moment_the_set_stays_whole(case: Case, tmp_path: Path) -> None:
    chance = random.Random(KILLS)
    place = tmp_path / "place"
    for _ in range(KILLS):
        case.copy(place)
        killed_after(case, place, chance.uniform(0, 0.1))
        _recover(place, chance.choice(FOLDERS))
        state = case.state(place)
        assert state in ("old", "new")
        _recover(place)
        assert (case.state(place), own(place)) == (state, [])
