"""Files that are no ONNX model, or a damaged one."""

import os
import random
from pathlib import Path

import pytest
from onnx import AttributeProto, TensorProto, helper
from program import listing, policy, run, save, small_model
from refusing import refuses

SAFETENSORS = (64).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SAFETENSORS, "is a safetensors file, not an ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><p>404</p>", "is a text file, not an ONNX model"),
        (b'{"error": "Repository not found"}', "is a text file, not an ONNX model"),
        (b"\x00" * 4096, "not a valid ONNX file"),
        (b"\x08\x08", "holds no ONNX graph"),
    ],
)
def test_other_files_are_named_for_what_they_are(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    policy(tmp_path)
    refuses(tmp_path, 2, f"{tmp_path}/model.onnx", expected)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_refused(tmp_path: Path, seed: int) -> None:
    (tmp_path / "model.onnx").write_bytes(random.Random(seed).randbytes(2000))
    policy(tmp_path)
    refuses(tmp_path, 2, "model.onnx: ")


def test_a_model_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """Cut at a message's border it is another model, which misses its graph or a value."""
    whole = save(small_model(16, 16), tmp_path).read_bytes()
    policy(tmp_path)
    for size in sorted({*range(1, len(whole), 97), len(whole) - 1}):
        (tmp_path / "model.onnx").write_bytes(whole[:size])
        refuses(tmp_path, 2, "model.onnx: ")
    (tmp_path / "model.onnx").write_bytes(whole)
    assert run("--policy", tmp_path / "p.yaml", tmp_path / "model.onnx").returncode == 0


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_model_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    done = run("--policy", policy(tmp_path), path)
    assert done.returncode == 2
    # A folder may be one of models.
    said = "no .onnx file is in it" if kind == "folder" else "is not a regular file"
    assert f"model.onnx: {said}" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "p.yaml"]


@pytest.mark.parametrize("number", [0, 99, -1])
def test_an_unknown_element_type_is_named_wherever_it_stands(tmp_path: Path, number: int) -> None:
    model = small_model()
    broken = model.graph.initializer[1]
    broken.data_type = number
    save(small_model(), tmp_path)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "model.onnx: initializer 'w2': element type ")


def test_an_unknown_element_type_in_an_attribute_is_found_too(tmp_path: Path) -> None:
    model = small_model()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], "constant"))
    tensor = TensorProto(dims=[1], data_type=99, raw_data=b"\0\0\0\0")
    model.graph.node[0].attribute.add(name="value", type=AttributeProto.TENSOR, t=tensor)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "attribute 'value' of Constant node 'constant'", "element type 99")


def test_an_unknown_element_type_of_an_input_is_found_too(tmp_path: Path) -> None:
    model = small_model()
    model.graph.input[0].type.tensor_type.elem_type = 99
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "model.onnx", "'x'", "99")


def test_a_shape_beyond_all_memory_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "initializer 'w1'")


def test_a_negative_dimension_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.initializer[0].dims[0] = -96
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "initializer 'w1'", "-96")


def test_two_initializers_of_one_name_are_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.initializer.add().CopyFrom(model.graph.initializer[2])
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "value 'bias' is defined twice", "as initializer")


def test_an_output_that_nothing_computes_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.output[0].name = "nowhere"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    refuses(tmp_path, 2, "graph output 'nowhere' is never computed")


@pytest.mark.parametrize("command", ["plan", "inspect", "diff"])
def test_every_command_refuses_a_bad_model_alike(tmp_path: Path, command: str) -> None:
    good = save(small_model(), tmp_path)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(good.read_bytes()[:-1000])
    arguments: dict[str, list[str | Path]] = {
        "plan": ["--policy", policy(tmp_path)],
        "inspect": [],
        "diff": [good],
    }
    before = listing(tmp_path)
    done = run(command, *arguments[command], bad)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"onnxquant: {bad}: not a valid ONNX file" in done.stderr
    assert listing(tmp_path) == before
