"""Models of onnx_ir in memory, wherever their weights lie: files, functions, attributes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir
import onnxquant
import pytest

SIZE = 64
FLOAT = onnx_ir.DataType.FLOAT
Array = npt.NDArray[np.float32]


@pytest.fixture
def weight() -> Array:
    """Return the only weight."""
    return np.random.default_rng(0).normal(0, 0.1, (SIZE, SIZE)).astype(np.float32)


def _proto(weight: Array, constant_node: bool = False) -> onnx.ModelProto:
    tensor = onnx.numpy_helper.from_array(weight, "w")
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    if constant_node:
        nodes.insert(0, onnx.helper.make_node("Constant", [], ["w"], "constant", value=tensor))
    shape: list[str | int | None] = ["n", SIZE]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [] if constant_node else [tensor],
    )
    imports = [onnx.helper.make_opsetid("", 21)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=10)


def _files(model: Any, folder: Path) -> dict[str, bytes]:
    onnxquant.quantize(model, "fp16", output=folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _external(weight: Array, folder: Path, elements: int = SIZE * SIZE) -> onnx_ir.ExternalTensor:
    (folder / "w.bin").write_bytes(weight.tobytes()[: 4 * elements])
    shape = onnx_ir.Shape(weight.shape)
    return onnx_ir.ExternalTensor(
        "w.bin", 0, weight.nbytes, FLOAT, shape=shape, name="w", base_dir=folder
    )


def _lazy(weight: Array, make: Callable[[], Any]) -> onnx_ir.LazyTensor:
    return onnx_ir.LazyTensor(make, dtype=FLOAT, shape=onnx_ir.Shape(weight.shape), name="w")


@pytest.mark.parametrize("kind", ["external", "lazy"])
def test_a_weight_in_a_file_or_made_when_it_is_read_gives_the_same_bytes(
    weight: Array, kind: str, tmp_path: Path
) -> None:
    expected = _files(_proto(weight), tmp_path / "expected")
    model = onnx_ir.from_proto(_proto(weight))
    tensor: Any = _external(weight, tmp_path)
    if kind == "lazy":
        tensor = _lazy(weight, lambda: onnx_ir.Tensor(weight, name="w"))
    model.graph.initializers["w"].const_value = tensor
    assert _files(model, tmp_path / "out") == expected
    assert model.graph.initializers["w"].const_value is tensor


@pytest.mark.parametrize("kind", ["external", "lazy"])
def test_an_attributes_tensor_is_found_wherever_it_lies(
    weight: Array, kind: str, tmp_path: Path
) -> None:
    expected = _files(_proto(weight, constant_node=True), tmp_path / "expected")
    model = onnx_ir.from_proto(_proto(weight, constant_node=True))
    node = next(iter(model.graph))
    tensor: Any = _external(weight, tmp_path)
    if kind == "lazy":
        tensor = _lazy(weight, lambda: onnx_ir.Tensor(weight, name="w"))
    attribute = onnx_ir.AttrTensor("value", tensor)
    node.attributes["value"] = attribute
    assert _files(model, tmp_path / "out") == expected
    assert node.attributes["value"] is attribute


def test_a_file_that_is_missing_or_short_is_the_models_fault(weight: Array, tmp_path: Path) -> None:
    model = onnx_ir.from_proto(_proto(weight))
    model.graph.initializers["w"].const_value = _external(weight, tmp_path, elements=100)
    with pytest.raises(onnxquant.ModelError, match="the weights of 'w' cannot be read"):
        onnxquant.quantize(model, "fp16", output=tmp_path / "out")
    model.graph.initializers["w"].const_value = _external(weight, tmp_path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(onnxquant.ModelError, match=r"'w' cannot be read: .*w\.bin"):
        onnxquant.quantize(model, "fp16", output=tmp_path / "out")


def test_an_error_of_the_users_own_is_the_users(weight: Array, tmp_path: Path) -> None:
    def fail() -> Any:
        raise RuntimeError("no weights today")

    model = onnx_ir.from_proto(_proto(weight))
    model.graph.initializers["w"].const_value = _lazy(weight, fail)
    with pytest.raises(RuntimeError, match="no weights today"):
        onnxquant.quantize(model, "fp16", output=tmp_path / "out")
