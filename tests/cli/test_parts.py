"""Parts made by processes that know nothing of each other give the bytes of one run."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from parting import (
    PARTS,
    SHARD,
    apply,
    data_files,
    edit,
    made,
    make_template,
    one_run,
    staging,
    start,
)
from program import BINARY, listing, run

KILLS = 20


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with config.json, a model, its policy and a manifest."""
    return make_template(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def expected(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of one ordinary run, and those that were there before."""
    return one_run(template, tmp_path_factory.mktemp("one"))


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Path:
    """Return a fresh copy of the folder."""
    return Path(shutil.copytree(template, tmp_path / "place"))


def test_eight_parts_at_once_give_the_bytes_of_one_run(
    place: Path, expected: dict[str, bytes]
) -> None:
    order = list(range(1, PARTS + 1))
    random.Random(1).shuffle(order)
    processes = [start(place, part) for part in order]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    done = apply(place, "--finish")
    assert done.returncode == 0, done.stderr
    assert made(place) == expected


def test_without_parts_all_is_done_at_once(place: Path, expected: dict[str, bytes]) -> None:
    done = apply(place)
    assert done.returncode == 0, done.stderr
    assert made(place) == expected
    assert "model_q4.onnx" in done.stdout


def test_parts_that_are_killed_and_repeated_give_the_same_bytes(
    place: Path, expected: dict[str, bytes]
) -> None:
    generator = random.Random(7)
    whole = start(place, 1, 1)
    whole.communicate(timeout=120)
    shutil.rmtree(staging(place))
    killed = 0
    for _ in range(KILLS):
        process = start(place, generator.randint(1, 2), 2)
        try:
            process.communicate(timeout=generator.uniform(0.0, 0.12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    assert killed > 0
    for part in (2, 1):
        assert apply(place, "--part", f"{part}/2").returncode == 0
    assert not list(staging(place).glob("*.tmp"))
    done = apply(place, "--finish", "--verify")
    assert done.returncode == 0, done.stderr
    assert made(place) == expected


def test_a_part_that_stalls_and_wakes_after_another_did_its_work_does_no_harm(
    place: Path, expected: dict[str, bytes]
) -> None:
    generator = random.Random(11)
    for _ in range(5):
        stalled = start(place, 1, 2)
        time.sleep(generator.uniform(0.0, 0.06))
        stalled.send_signal(signal.SIGSTOP)
        again = apply(place, "--part", "1/2")
        assert again.returncode == 0, again.stderr
        stalled.send_signal(signal.SIGCONT)
        _, errors = stalled.communicate(timeout=120)
        assert stalled.returncode in (0, 4), errors
        assert apply(place, "--part", "1/2", "--verify").returncode == 0
        assert not list(staging(place).glob("*.tmp"))
        if generator.random() < 0.6:
            shutil.rmtree(staging(place))
    assert apply(place, "--part", "2/2").returncode == 0
    assert apply(place, "--part", "1/2").returncode == 0
    done = apply(place, "--finish", "--verify")
    assert done.returncode == 0, done.stderr
    assert made(place) == expected


def test_what_is_done_is_not_done_again_whatever_the_number_of_parts(place: Path) -> None:
    assert apply(place, "--part", "1/2").returncode == 0
    before = {path.name: path.stat().st_ino for path in staging(place).iterdir()}
    assert before
    done = apply(place, "--part", "1/1")
    assert done.returncode == 0, done.stderr
    after = {path.name: path.stat().st_ino for path in staging(place).iterdir()}
    assert {name: after[name] for name in before} == before
    assert done.stdout.count("(was done)") == len(before) // 2
    assert len(done.stdout.splitlines()) == len(data_files(place))


def test_the_end_lists_what_is_missing_by_part(place: Path, expected: dict[str, bytes]) -> None:
    for part in range(1, PARTS + 1):
        if part not in (3, 6):
            assert apply(place, "--part", f"{part}/{PARTS}").returncode == 0
    before = listing(place)
    done = apply(place, "--finish")
    assert done.returncode == 5
    assert f"part 3/{PARTS}: model_" in done.stderr and f"part 6/{PARTS}: model_" in done.stderr
    assert f"part 1/{PARTS}: " not in done.stderr
    assert "is not there" in done.stderr and f"--part 3/{PARTS}" in done.stderr
    assert listing(place) == before
    for part in (3, 6):
        assert apply(place, "--part", f"{part}/{PARTS}").returncode == 0
    assert apply(place, "--finish").returncode == 0
    assert made(place) == expected


def test_a_file_that_was_cut_short_is_found_and_made_again(
    place: Path, expected: dict[str, bytes]
) -> None:
    assert apply(place, "--part", "1/1").returncode == 0
    name = data_files(place)[2]
    os.truncate(staging(place) / name, 10)
    done = apply(place, "--finish")
    assert done.returncode == 5
    assert f"{name} has 10 bytes, expected" in done.stderr
    assert apply(place, "--part", "1/1").returncode == 0
    assert apply(place, "--finish").returncode == 0
    assert made(place) == expected


def test_a_file_whose_bytes_changed_is_found_where_that_is_asked_for(
    place: Path, expected: dict[str, bytes]
) -> None:
    assert apply(place, "--part", "1/1").returncode == 0
    name = data_files(place)[0]
    path = staging(place) / name
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    done = apply(place, "--finish", "--verify")
    assert done.returncode == 5
    assert f"{name} has another SHA-256 than its record says" in done.stderr
    assert apply(place, "--part", "1/1", "--verify").returncode == 0
    assert apply(place, "--finish", "--verify").returncode == 0
    assert made(place) == expected


@pytest.mark.parametrize("damage", ["{", '{"onnxquant_part": 1}', ""])
def test_a_damaged_record_counts_as_none(
    place: Path, expected: dict[str, bytes], damage: str
) -> None:
    assert apply(place, "--part", "1/1").returncode == 0
    name = data_files(place)[1]
    (staging(place) / f"{name}.json").write_text(damage)
    done = apply(place, "--finish")
    assert done.returncode == 5
    assert f"{name} has a damaged record" in done.stderr
    assert apply(place, "--part", "1/1").returncode == 0
    assert apply(place, "--finish").returncode == 0
    assert made(place) == expected


def test_a_record_that_lacks_what_the_model_file_needs_is_found(place: Path) -> None:
    assert apply(place, "--part", "1/1").returncode == 0
    records = sorted(staging(place).glob("*.json"))
    record = next(path for path in records if json.loads(path.read_text())["inline"])
    content = json.loads(record.read_text())
    content["inline"].pop()
    record.write_text(json.dumps(content))
    done = apply(place, "--finish")
    assert done.returncode == 5
    assert f"{record.stem} has a damaged record" in done.stderr


def test_a_full_disk_ends_with_status_4_and_the_part_can_be_repeated(
    place: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here (that needs root)")
    try:
        edit(place, lambda m: m["paths"].update(output=str(mount)))
        done = apply(place, "--part", "1/1")
        assert done.returncode == 4
        assert "No space left" in done.stderr
        assert not list(mount.rglob("*.tmp"))
        remount = ["mount", "-o", "remount,size=10m", str(mount)]
        subprocess.run(remount, check=True, capture_output=True)
        assert apply(place).returncode == 0
        found = {name: content for name, content in listing(mount).items() if "model" in name}
        assert found == {
            name.removeprefix("onnx/"): content
            for name, content in expected.items()
            if name.startswith("onnx/model_")
        }
    finally:
        subprocess.run(["umount", str(mount)], capture_output=True, check=False)


def test_ctrl_c_leaves_nothing_but_what_is_done(place: Path) -> None:
    process = start(place, 1, 1)
    try:
        process.communicate(timeout=0.03)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode in (0, 130, -signal.SIGINT)
    if staging(place).exists():
        assert not list(staging(place).glob("*.tmp"))


def test_the_report_of_the_end_has_the_warnings_of_all_parts(place: Path) -> None:
    one = run(
        *("--policy", "p.yaml", "--max-shard", SHARD, "-o", "one", "--report", "one.json"),
        "onnx/model.onnx",
        cwd=place,
    )
    assert one.returncode == 0, one.stderr
    for part in (1, 2):
        assert apply(place, "--part", f"{part}/2").returncode == 0
    done = apply(place, "--finish", "--report", "parts.json")
    assert done.returncode == 0, done.stderr
    reports = [json.loads((place / name).read_text()) for name in ("one.json", "parts.json")]
    for report in reports:
        for key in ("seconds", "bytes_read", "directory", "config"):
            report.pop(key)
        for output in report["outputs"]:
            output["warnings"].sort()
            output.pop("nodes")
    assert reports[0] == reports[1]
    assert any("65504" in line for line in reports[0]["outputs"][0]["warnings"])


def test_the_end_can_be_killed_anywhere_and_repeated(
    place: Path, expected: dict[str, bytes]
) -> None:
    assert apply(place, "--part", "1/1").returncode == 0
    generator = random.Random(3)
    for _ in range(6):
        process = subprocess.Popen(
            [BINARY, "apply", "--manifest", "plan.json", "--finish"],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            process.communicate(timeout=generator.uniform(0.0, 0.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    if staging(place).exists():
        done = apply(place, "--finish")
        assert done.returncode == 0, done.stderr
    else:
        run("recover", place / "onnx")
    assert made(place) == expected


@pytest.mark.parametrize("arguments", [("--finish",), (), ("--part", "3/8")], ids=" ".join)
def test_what_is_done_already_is_said_to_be(place: Path, arguments: tuple[str, ...]) -> None:
    assert apply(place).returncode == 0
    before = listing(place)
    again = apply(place, *arguments)
    assert again.returncode == 0, again.stderr
    said = f"plan.json: all is done already: {len(data_files(place)) + 3} files in "
    assert again.stderr.startswith(said), again.stderr
    assert listing(place) == before


def test_files_that_changed_since_are_not_taken_for_done(place: Path) -> None:
    assert apply(place).returncode == 0
    file = place / "onnx" / data_files(place)[0]
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    again = apply(place, "--finish")
    assert again.returncode == 4
    assert "exists already" in again.stderr


def test_files_of_another_manifest_are_not_taken_for_done(place: Path) -> None:
    assert apply(place).returncode == 0
    planned = run(
        *("plan", "--policy", "p.yaml", "--dtype", "q4", "--max-shard", "20k", "--force"),
        *("--manifest", "plan.json", "onnx/model.onnx"),
        cwd=place,
    )
    assert planned.returncode == 0, planned.stderr
    again = apply(place, "--finish")
    assert again.returncode == 4
    assert "exists already" in again.stderr
