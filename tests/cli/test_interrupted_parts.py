"""Wherever a part or the end is killed, or its disk fails: repeating it gives the bytes of one run.

The calls that are chosen are every few; ONNXQUANT_KILLS=200 and more sweep all of them.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from interrupting import environment, own
from parting import apply, made, make_template, one_run, staging
from program import run

STEP = 1 if int(os.environ.get("ONNXQUANT_KILLS", "20")) >= 200 else 31
# On file systems without hard links the end moves data files; killed in that moment, it loses them,
# and parts make them again.
POOR = ("", "unnamed exchange", "unnamed exchange links locks")
WHOLE = ("--part", "1/1", "-j", "1")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def expected(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return one_run(template, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def parted(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which all parts are done."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("parted") / "place"))
    done = apply(folder, *WHOLE)
    assert done.returncode == 0, done.stderr
    return folder


def faulty(
    place: Path, arguments: tuple[str, ...], fault: str = "EIO:0", without: str = "", log: str = ""
) -> subprocess.CompletedProcess[str]:
    return run(
        *("apply", "--manifest", "plan.json", *arguments),
        cwd=place,
        env=environment(fault, without, log),
    )


def calls(source: Path, place: Path, arguments: tuple[str, ...], without: str) -> int:
    """Return how many system calls faults can be put into."""
    log = place.with_name("calls.log")
    shutil.copytree(source, place)
    done = faulty(place, arguments, without=without, log=str(log))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(place)
    return len(log.read_text().split())


@pytest.mark.parametrize("kind", ["KILL", "EIO"])
def test_a_part_that_ends_anywhere_can_be_repeated(
    template: Path, expected: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "place"
    count = calls(template, place, WHOLE, "")
    for number in range(1, count + 1, STEP):
        shutil.copytree(template, place)
        done = faulty(place, WHOLE, f"{kind}:{number}")
        assert done.returncode in ((0, 4) if kind == "EIO" else (0, -9)), done.stderr
        if kind == "EIO" and staging(place).exists():
            assert not list(staging(place).glob("*.tmp"))
        assert apply(place, *WHOLE).returncode == 0, number
        done = apply(place, "--finish", "--verify")
        assert done.returncode == 0, done.stderr
        assert made(place) == expected, number
        shutil.rmtree(place)


@pytest.mark.parametrize("without", POOR)
@pytest.mark.parametrize("kind", ["KILL", "EIO"])
def test_an_end_that_ends_anywhere_can_be_repeated(
    parted: Path, expected: dict[str, bytes], tmp_path: Path, kind: str, without: str
) -> None:
    place = tmp_path / "place"
    count = calls(parted, place, ("--finish",), without)
    for number in range(1, count + 1, STEP):
        shutil.copytree(parted, place)
        done = faulty(place, ("--finish",), f"{kind}:{number}", without)
        assert done.returncode in ((0, 4) if kind == "EIO" else (0, -9)), done.stderr
        if staging(place).exists():
            done = faulty(place, ("--finish",), without=without)
            if done.returncode == 5 and "links" in without:
                assert apply(place, *WHOLE).returncode == 0
                done = apply(place, "--finish")
            assert done.returncode == 0, (number, done.stderr)
        if own(place):
            for folder in ("onnx", "."):
                assert run("recover", folder, cwd=place).returncode == 0
        assert made(place) == expected, number
        shutil.rmtree(place)
