"""Outputs out of all proportion to their input: tensors that share data each get their own."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from program import FP16, policy, run
from refusing import refuses

ELEMENTS = 1 << 18  # of one tensor; a MiB in float32


def _external(name: str, kind: int = TensorProto.FLOAT, rank: int = 1) -> TensorProto:
    """Return a tensor whose data is the whole of 'data'."""
    tensor = TensorProto(name=name, data_type=kind, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend([1] * (rank - 1))
    tensor.dims.append(ELEMENTS if kind == TensorProto.FLOAT else ELEMENTS // 2)
    tensor.external_data.add(key="location", value="data")
    return tensor


def _save(folder: Path, nodes: list[onnx.NodeProto], weights: list[TensorProto]) -> None:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ELEMENTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "data").write_bytes(bytes(ELEMENTS * 4))
    policy(folder, FP16)


def _sharing(folder: Path, count: int) -> None:
    """Write a model of that many weights of different shapes, all the same megabyte of a file."""
    names = [f"w{i}" for i in range(count)]
    _save(
        folder,
        [helper.make_node("Sum", ["x", *names], ["y"])],
        [_external(name, rank=i + 1) for i, name in enumerate(names)],
    )


def test_tensors_that_share_a_file_are_refused_beyond_a_factor(tmp_path: Path) -> None:
    _sharing(tmp_path, 100)
    words = (
        "output 'fp16' would take 52428800 bytes for 100 tensors",
        "initializer 'w0'",
    )
    refuses(tmp_path, 2, *words, "more than 8 times", "raise --max-growth")


def test_tensors_that_are_one_do_not_grow(tmp_path: Path) -> None:
    names = [f"w{i}" for i in range(1000)]
    _save(tmp_path, [helper.make_node("Sum", ["x", *names], ["y"])], list(map(_external, names)))
    done = run("--policy", tmp_path / "p.yaml", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model_fp16.onnx_data").stat().st_size == ELEMENTS * 2


def test_what_is_meant_can_be_asked_for(tmp_path: Path) -> None:
    _sharing(tmp_path, 100)
    done = run("--policy", tmp_path / "p.yaml", "--max-growth", "60", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model_fp16.onnx_data").stat().st_size >= 100 * ELEMENTS * 2


def test_a_weight_that_two_share_is_no_growth_to_speak_of(tmp_path: Path) -> None:
    _sharing(tmp_path, 12)
    done = run("--policy", tmp_path / "p.yaml", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.FLOAT])
def test_constants_that_would_be_embedded_are_counted_before_they_are(
    tmp_path: Path, kind: int
) -> None:
    """Ten thousand Constant nodes of a megabyte each: ten gigabytes of an .onnx file."""
    nodes = []
    for i in range(10_000):
        nodes.append(helper.make_node("Constant", [], [f"c{i}"], value=_external("c", kind)))
        nodes.append(helper.make_node("Cast", [f"c{i}"], [f"f{i}"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Concat", [f"f{i}" for i in range(10_000)], ["y"], axis=0))
    _save(tmp_path, nodes, [])
    refuses(
        tmp_path,
        2,
        "constants in nodes and bodies would take",
        "attribute 'value' of Constant",
    )


def test_integers_that_stand_in_the_model_itself_are_counted_before_they_do(
    tmp_path: Path,
) -> None:
    names = [f"i{i}" for i in range(10_000)]
    nodes = [helper.make_node("Cast", [name], [f"f{name}"], to=TensorProto.FLOAT) for name in names]
    nodes.append(helper.make_node("Concat", [f"f{name}" for name in names], ["y"], axis=0))
    _save(tmp_path, nodes, [_external(name, TensorProto.INT64) for name in names])
    refuses(tmp_path, 2, "would take 10485760000 bytes for 10000 tensors")


@pytest.mark.parametrize("factor", ["0", "-1", "many"])
def test_a_factor_that_is_none_is_refused(tmp_path: Path, factor: str) -> None:
    _sharing(tmp_path, 2)
    arguments = ("--policy", tmp_path / "p.yaml", "--max-growth", factor)
    done = run(*arguments, tmp_path / "model.onnx")
    assert done.returncode == 1
    assert "--max-growth" in done.stderr


def test_a_small_model_may_grow_by_any_factor(tmp_path: Path) -> None:
    """Data files begin at multiples of 4 KiB: a model of small weights grows by that."""
    names = [f"w{i}" for i in range(50)]
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [300], np.ones(300)) for name in names]
    for weight in weights:
        weight.ClearField("float_data")
        weight.raw_data = bytes(1200)
    _save(tmp_path, [helper.make_node("Concat", names, ["y"], axis=0)], weights)
    done = run("--policy", tmp_path / "p.yaml", "--max-growth", "1", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
