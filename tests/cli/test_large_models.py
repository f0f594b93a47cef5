"""Models that are large in one way or the other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxquant_tools.product import scratch_folder
from program import run


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the test."""
    with scratch_folder("large") as folder:
        yield folder


def _external(name: str, offset: int, rows: int, columns: int) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[rows, columns])
    tensor.data_location = TensorProto.EXTERNAL
    fields = {"location": "data", "offset": offset, "length": rows * columns * 4}
    for key, value in fields.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_five_gigabytes_of_weights_go_into_shards_below_two(scratch: Path) -> None:
    rows, columns, count = 1 << 14, 1 << 14, 5  # a gigabyte each; the file is sparse
    size = rows * columns * 4
    with (scratch / "data").open("wb") as data:
        data.truncate(count * size)
        for i in range(count):  # no two of them are the same
            data.seek(i * size)
            data.write(np.float32(i + 1).tobytes())
        data.seek(count * size - 4)
        data.write(np.float32(0.1).tobytes())  # the last element of the last weight
    nodes = []
    for i in range(count):
        nodes.append(helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"h{i + 1}"], f"m{i}"))
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("h0", TensorProto.FLOAT, [1, rows])],
        [helper.make_tensor_value_info(f"h{count}", TensorProto.FLOAT, [1, columns])],
        [_external(f"w{i}", i * size, rows, columns) for i in range(count)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (scratch / "model.onnx").write_bytes(model.SerializeToString())
    result = run("--policy", "fp16", scratch / "model.onnx")
    assert result.returncode == 0, result.stderr
    shards = sorted(scratch.glob("model_fp16.onnx_data*"))
    assert len(shards) == 2
    assert all(shard.stat().st_size < 2_000_000_000 for shard in shards)
    converted = onnx.load(scratch / "model_fp16.onnx", load_external_data=False)
    last = {entry.key: entry.value for entry in converted.graph.initializer[-1].external_data}
    with (scratch / last["location"]).open("rb") as data:
        data.seek(int(last["offset"]) + int(last["length"]) - 2)
        assert np.frombuffer(data.read(2), np.float16)[0] == np.float16(0.1)


def _of_one_tensor(folder: Path, rows: int, columns: int) -> Path:
    """Write a model with a sparse file of float16."""
    with (folder / "data").open("wb") as data:
        data.truncate(rows * columns * 2)
    tensor = _external("w", 0, rows, columns)
    tensor.data_type = TensorProto.FLOAT16
    tensor.external_data[2].value = str(rows * columns * 2)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "m")],
        "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, columns])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_one_tensor_beyond_two_gigabytes_is_for_other_programs_than_browsers(
    scratch: Path,
) -> None:
    path = _of_one_tensor(scratch, 1 << 16, 20_000)  # 2.6 GB
    refused = run("plan", "--policy", "fp16", path)
    assert refused.returncode == 2
    assert "initializer 'w' takes 2621440000 bytes in model_fp16.onnx" in refused.stderr
    assert "have a rule store it in fewer bits, or raise --max-shard" in refused.stderr
    assert "with which no browser loads the file" in refused.stderr
    plan = run("plan", "--policy", "fp16", "--max-shard", "3G", path)
    assert plan.returncode == 0, plan.stderr
    assert "2,621,440,000" in plan.stdout
    assert "larger than the 2147418112 bytes that a browser can hold" in plan.stdout
    assert "config.json does not count its data files" in plan.stdout
    rule = "match: {weight: w}, weights: int4"
    fewer = run("plan", "--policy", "fp16", "--set", rule, path)
    assert fewer.returncode == 0, fewer.stderr
    assert "warning" not in fewer.stderr


def test_a_hundred_thousand_nodes_are_converted_in_order(tmp_path: Path) -> None:
    nodes = []
    for i in range(100_000):
        op = "Sqrt" if i % 6 == 2 else "Softmax"
        nodes.append(helper.make_node(op, [f"v{i}"], [f"v{i + 1}"], f"n{i}"))
    graph = helper.make_graph(
        nodes,
        "long",
        [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("v100000", TensorProto.FLOAT, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    rule = "match: {op: Sqrt}, compute: float32"
    result = run("--policy", "fp16", "--set", rule, tmp_path / "model.onnx")
    assert result.returncode == 0, result.stderr
    known = {"v0"}
    casts = 0
    for node in onnx.load(tmp_path / "model_fp16.onnx").graph.node:
        assert set(node.input) <= known
        known.update(node.output)
        casts += node.op_type == "Cast"
    islands = len(range(2, 100_000, 6))
    assert casts == 2 * islands + 2  # around each Sqrt, at the input and at the output
