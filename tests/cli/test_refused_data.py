"""External data that is not where, what or as long as the model says."""

import os
from pathlib import Path

import onnx
import pytest
from program import FP16, policy, run, save, small_model
from refusing import refuses


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a model, its data file and a policy."""
    inner = tmp_path / "models" / "here"
    inner.mkdir(parents=True)
    save(small_model(), inner, external=True)
    policy(inner)
    return inner


def _place(folder: Path, tensor: int, **entries: str) -> None:
    """Change what the model says of one tensor's external data."""
    path = folder / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    found = model.graph.initializer[tensor].external_data
    kept = {entry.key: entry.value for entry in found} | entries
    del found[:]
    for key, value in kept.items():
        found.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def test_a_link_out_of_the_models_folder_is_not_followed(folder: Path) -> None:
    outside = folder.parent / "secret"
    (folder / "model.onnx_data").rename(outside)
    (folder / "model.onnx_data").symlink_to(outside)
    refuses(folder, 2, "initializer 'w1'", "leads through a link", str(outside), "outside the mod")


def test_a_linked_folder_is_no_way_out_either(folder: Path) -> None:
    (folder / "sub").symlink_to(folder.parent)
    (folder.parent / "x").write_bytes(bytes(100_000))
    _place(folder, 0, location="sub/x")
    refuses(folder, 2, "initializer 'w1'", "outside the model's folder")


@pytest.mark.parametrize("location", ["../x", "a/../../x", "..", "./../x"])
def test_no_spelling_leaves_the_models_folder(folder: Path, location: str) -> None:
    (folder.parent / "x").write_bytes(bytes(100_000))
    _place(folder, 0, location=location)
    refuses(folder, 2, "initializer 'w1'", f"'{location}'", "leaves the model's folder")


def test_a_link_inside_the_models_folder_is_followed(folder: Path) -> None:
    (folder / "blobs").mkdir()
    (folder / "model.onnx_data").rename(folder / "blobs" / "1")
    (folder / "model.onnx_data").symlink_to("blobs/1")
    done = run("--policy", folder / "p.yaml", folder / "model.onnx")
    assert done.returncode == 0, done.stderr


def test_the_layout_of_the_hugging_face_cache_is_read_and_its_blobs_stay(tmp_path: Path) -> None:
    blobs = tmp_path / "hub" / "models--x" / "blobs"
    snapshot = tmp_path / "hub" / "models--x" / "snapshots" / "1f2e" / "onnx"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    save(small_model(), blobs, external=True)
    (blobs / "model.onnx").rename(blobs / "aaaa")
    (blobs / "model.onnx_data").rename(blobs / "bbbb")
    (snapshot / "model.onnx").symlink_to("../../../blobs/aaaa")
    (snapshot / "model.onnx_data").symlink_to("../../../blobs/bbbb")
    (blobs / "cccc").write_text('{"model_type": "x"}')
    (snapshot.parent / "config.json").symlink_to("../../blobs/cccc")
    before = {path.name: path.read_bytes() for path in blobs.iterdir()}
    done = run("--policy", policy(tmp_path), snapshot / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in blobs.iterdir()} == before
    assert sorted(path.name for path in snapshot.iterdir()) == [
        "model.onnx",
        "model.onnx_data",
        "model_fp16.onnx",
        "model_fp16.onnx_data",
    ]
    assert "use_external_data_format" in (snapshot.parent / "config.json").read_text()


def test_a_model_of_the_hugging_face_cache_runs(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1f2e"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    save(small_model(), blobs, external=True)
    for name, blob in (("model.onnx", "aaaa"), ("model.onnx_data", "bbbb")):
        (blobs / name).rename(blobs / blob)
        (snapshot / name).symlink_to(f"../../blobs/{blob}")
    model = snapshot / "model.onnx"
    done = run("check", "--run", "--provider", "simulated", model)
    assert done.returncode == 0, done.stdout
    assert "on simulated: runs" in done.stdout
    done = run("ranges", model)
    assert done.returncode == 0, done.stderr


def test_a_link_to_another_models_blobs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    save(small_model(), tmp_path / "a", external=True)
    (tmp_path / "a" / "model.onnx_data").rename(tmp_path / "b" / "data")
    (tmp_path / "a" / "model.onnx_data").symlink_to("../b/data")
    policy(tmp_path / "a")
    refuses(tmp_path / "a", 2, "leads through a link to", "b/data'")


def test_a_dangling_link_is_missing_data(folder: Path) -> None:
    (folder / "model.onnx_data").unlink()
    (folder / "model.onnx_data").symlink_to("nowhere")
    refuses(folder, 2, "initializer 'w1'", "model.onnx_data' cannot be found", "copy it there")


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "model.onnx_data").unlink()
    (folder / "model.onnx_data").symlink_to("model.onnx_data")
    refuses(folder, 2, "initializer 'w1'", "model.onnx_data' cannot be found")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_data_file_that_is_no_file_is_refused_at_once(folder: Path, kind: str) -> None:
    target = folder / "odd"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("/dev/zero")
    _place(folder, 0, location="odd")
    refuses(folder, 2, "initializer 'w1'", "'odd'")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"offset": "-4096"}, "has offset '-4096'; a number of bytes is expected"),
        ({"offset": "0x10"}, "has offset '0x10'; a number of bytes is expected"),
        ({"offset": "18446744073709551615"}, "at offset 18446744073709551615 ends beyond"),
        ({"offset": "18446744073709551616"}, "a number of bytes is expected"),
        ({"length": "12"}, "ask for 36864 bytes, but its external data has 12"),
        ({"length": ""}, "has length ''; a number of bytes is expected"),
        ({"location": ""}, "names no location"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    folder: Path, entries: dict[str, str], expected: str
) -> None:
    _place(folder, 0, **entries)
    refuses(folder, 2, "model.onnx: initializer 'w1'", expected)


def test_a_second_spelling_of_a_file_hides_no_overlap(folder: Path) -> None:
    _place(folder, 1, location="./model.onnx_data", offset="100")
    refuses(folder, 2, "initializer 'w1'", "initializer 'w2'", "overlap")


def test_two_tensors_may_share_all_their_bytes(folder: Path) -> None:
    path = folder / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    twin = model.graph.initializer.add()
    twin.CopyFrom(model.graph.initializer[0])
    twin.name = "twin"
    model.graph.node[0].input[1] = "twin"
    path.write_bytes(model.SerializeToString())
    done = run("--policy", folder / "p.yaml", path)
    assert done.returncode == 0, done.stderr


def test_data_one_byte_short_is_refused_and_whole_data_is_not(folder: Path) -> None:
    data = folder / "model.onnx_data"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    refuses(folder, 2, "initializer 'bias'", "ends beyond", "download it again")
    data.write_bytes(whole)
    assert run("--policy", policy(folder, FP16), folder / "model.onnx").returncode == 0
