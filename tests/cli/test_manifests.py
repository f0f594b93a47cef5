"""A manifest describes one plan, and is carried out as it says or refused with the place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from parting import (
    POLICY,
    apply,
    data_files,
    edit,
    layers_model,
    made,
    make_template,
    one_run,
    staging,
)
from program import listing, run, save


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


def test_files_of_another_manifest_are_refused(place: Path) -> None:
    assert apply(place, "--part", "1/2").returncode == 0
    done = run(
        *("plan", "--policy", "p.yaml", "--max-shard", "40k", "--manifest", "plan.json", "-f"),
        "onnx/model.onnx",
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    before = listing(staging(place))
    for arguments in (("--part", "1/1"), ("--finish",), ()):
        done = apply(place, *arguments)
        assert done.returncode == 1
        assert "is of another manifest" in done.stderr and "remove " in done.stderr
    assert listing(staging(place)) == before


def test_a_model_that_was_changed_is_refused(place: Path) -> None:
    data = place / "onnx" / "model.onnx_data"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    for arguments in (("--part", "1/1"), ("--finish",)):
        done = apply(place, *arguments)
        assert done.returncode == 2
        assert "is not the model that plan.json was made of" in done.stderr
    assert not staging(place).exists()


def test_a_graph_that_was_changed_is_refused(place: Path) -> None:
    model = onnx.load(place / "onnx" / "model.onnx", load_external_data=False)
    model.graph.node[0].name = "product9"
    onnx.save(model, place / "onnx" / "model.onnx")
    done = apply(place, "--part", "1/1")
    assert done.returncode == 1
    assert "outputs[0]." in done.stderr


@pytest.mark.parametrize(
    ("change", "place_named"),
    [
        (lambda m: m["outputs"][1]["data"][0]["tensors"][0].update(offset=64), "].offset is 64"),
        (lambda m: m["outputs"][0]["data"].pop(), "outputs[0].data["),
        (lambda m: m["policy"].update(max_shard=40000), "outputs[0]."),
        (lambda m: m["outputs"][0].update(more=1), "outputs[0].more is 1"),
        (lambda m: m.pop("outputs"), "outputs is nothing"),
        (lambda m: m["policy"].update(max_shard="1G"), "policy.max_shard: expected a size"),
        (lambda m: m["paths"].update(staging="../x"), "paths.staging: '../x' is no plain name"),
        (lambda m: m.update(made_by="0.0.1"), 'was made by onnxquant "0.0.1"'),
        (lambda m: m.pop("onnxquant_manifest"), "is no manifest"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused_with_the_place(
    place: Path, change: Callable[[object], object], place_named: str
) -> None:
    edit(place, change)
    done = apply(place, "--part", "1/1")
    assert done.returncode == 1, done.stderr
    assert place_named in done.stderr
    assert not staging(place).exists()


def test_an_edit_that_changes_no_decision_makes_another_manifest(
    place: Path, expected: dict[str, bytes]
) -> None:
    assert apply(place, "--part", "1/2").returncode == 0
    edit(place, lambda m: m["policy"]["text"].insert(0, "# for the cluster"))
    done = apply(place, "--part", "1/2")
    assert done.returncode == 1
    assert "is of another manifest" in done.stderr
    shutil.rmtree(staging(place))
    assert apply(place).returncode == 0
    assert listing(place)["onnx/model_q4.onnx"] == expected["onnx/model_q4.onnx"]


def test_paths_may_be_edited_and_the_folder_may_be_moved(
    place: Path, expected: dict[str, bytes]
) -> None:
    assert apply(place, "--part", "1/2").returncode == 0
    moved = place.rename(place.with_name("moved"))
    edit(moved, lambda m: m["paths"].update(model=str(moved / "onnx" / "model.onnx")))
    assert run("apply", "--manifest", moved / "plan.json", "--part", "2/2").returncode == 0
    done = run("apply", "--manifest", moved / "plan.json", "--finish")
    assert done.returncode == 0, done.stderr
    found = made(moved)
    found["plan.json"] = expected["plan.json"]
    assert found == expected


def test_existing_outputs_are_replaced_by_force_only(
    place: Path, expected: dict[str, bytes]
) -> None:
    name = data_files(place)[0]
    (place / "onnx" / name).write_bytes(b"old")
    for arguments in (("--part", "1/1"), ("--finish",), ()):
        done = apply(place, *arguments)
        assert done.returncode == 4
        assert "exists already; --force replaces it" in done.stderr
    done = apply(place, "--force")
    assert done.returncode == 0, done.stderr
    assert made(place) == expected


def test_more_parts_than_files_leave_some_without_work(place: Path) -> None:
    count = 3 * len(data_files(place))
    empty = apply(place, "--part", f"1/{count}")
    assert empty.returncode == 0
    assert "has no data files" in empty.stderr
    assert not staging(place).exists()


@pytest.mark.parametrize("part", ["3", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_is_none_is_refused(place: Path, part: str) -> None:
    done = apply(place, f"--part={part}")
    assert done.returncode == 1
    assert "--part" in done.stderr


def test_a_report_of_a_part_is_refused(place: Path) -> None:
    done = apply(place, "--part", "1/2", "--report", "r.json")
    assert done.returncode == 1
    assert "--finish" in done.stderr


def test_a_manifest_is_of_one_model_and_replaced_by_force_only(place: Path) -> None:
    again = ("plan", "--policy", "p.yaml", "--manifest", "plan.json")
    done = run(*again, "onnx/model.onnx", cwd=place)
    assert done.returncode == 4
    assert "plan.json: exists already" in done.stderr
    shutil.copy(place / "onnx" / "model.onnx", place / "onnx" / "decoder_model.onnx")
    done = run(*again, "onnx", cwd=place)
    assert done.returncode == 1
    assert "--manifest is of one model" in done.stderr


def test_a_model_without_data_files_has_nothing_but_an_end(tmp_path: Path) -> None:
    save(layers_model(layers=1, width=8), tmp_path)
    (tmp_path / "p.yaml").write_text(POLICY)
    plan = ("plan", "--policy", "p.yaml", "--manifest", "plan.json", "model.onnx")
    assert run(*plan, cwd=tmp_path).returncode == 0
    assert apply(tmp_path, "--part", "1/2").returncode == 0
    done = apply(tmp_path, "--finish")
    assert done.returncode == 0, done.stderr
    one = run("--policy", "p.yaml", "-o", "one", "model.onnx", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    for path in (tmp_path / "one").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
