"""Models as the native part takes them: a path, or a structure and its weights as buffers."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxquant import _native
from onnxquant.arguments import local_path
from onnxquant.errors import ModelError, UsageError

if TYPE_CHECKING:
    import onnx
    import onnx_ir

AnyModel = "str | os.PathLike[str] | onnx.ModelProto | onnx_ir.Model"

# Smaller weights stay in the structure: they may say shapes.
_LARGE = 4096
_IN_MEMORY = "<memory>"


def native_model(
    model: Any, model_path: str | os.PathLike[str] | None = None
) -> tuple[_native.Model, bool]:
    """Return the model, and whether it is a file.

    `model_path`: where a model in memory would lie: its name names the outputs, and relative
    external data is looked for beside it.
    """
    if isinstance(model, str | os.PathLike):
        return _native.Model(local_path(model)), True
    path = "model.onnx" if model_path is None else os.fspath(model_path)
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return _from_proto(model, path), False
    if hasattr(model, "graph") and hasattr(model.graph, "initializers"):
        return _from_ir(model, path), False
    raise UsageError(
        f"a model of type {type(model).__name__}: expected a path, an onnx.ModelProto or an "
        "onnx_ir.Model"
    )


def _from_proto(model: "onnx.ModelProto", path: str) -> _native.Model:
    """Take large initializers out of a copy of the structure; the weights are read as they are."""
    import onnx

    tensors: list[Any] = []
    structure = onnx.ModelProto()
    _copy_fields(model, structure, "graph")
    _copy_fields(model.graph, structure.graph, "initializer")
    for initializer in model.graph.initializer:
        raw = initializer.raw_data
        if len(raw) < _LARGE:
            structure.graph.initializer.append(initializer)
            continue
        stub = structure.graph.initializer.add()
        _copy_fields(initializer, stub, "raw_data")
        stub.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", _IN_MEMORY), ("offset", str(len(tensors)))):
            stub.external_data.add(key=key, value=value)
        tensors.append(raw)
    return _native.Model(path, structure.SerializeToString(), tensors)


def _copy_fields(source: Any, target: Any, left_out: str) -> None:
    """Copy all fields of a message but one, which may be too large to be copied."""
    for field, value in source.ListFields():
        if field.name == left_out:
            continue
        if hasattr(value, "MergeFrom"):  # a message, or a repeated field
            getattr(target, field.name).MergeFrom(value)
        else:
            setattr(target, field.name, value)


def _from_ir(model: "onnx_ir.Model", path: str) -> _native.Model:
    """Serialize the structure alone; the weights are read where their arrays lie."""
    import onnx_ir

    tensors: list[Any] = []
    with _without_large_weights(model, tensors):
        structure = onnx_ir.to_proto(model).SerializeToString()
    return _native.Model(path, structure, tensors)


@contextmanager
def _without_large_weights(model: "onnx_ir.Model", tensors: list[Any]) -> Iterator[None]:
    """Put references to `tensors` in the place of large weights, for a while."""
    import onnx_ir

    taken: list[tuple[Any, Any]] = []  # what is done again, and with what
    try:
        for graph in (model.graph, *model.graph.subgraphs()):
            for value in graph.initializers.values():
                tensor = value.const_value
                stand_in = _stand_in(tensor, value.name or "", tensors)
                if stand_in is not None:
                    taken.append((partial(setattr, value, "const_value"), tensor))
                    value.const_value = stand_in
        for node in _nodes(model):
            for name, attribute in node.attributes.items():
                # Lazy ones and arrays are written as they are; a file's place would not be known.
                if not isinstance(attribute.value, onnx_ir.ExternalTensor):
                    continue
                stand_in = _stand_in(attribute.value, attribute.value.name or name, tensors)
                taken.append((partial(node.attributes.__setitem__, name), attribute))
                node.attributes[name] = onnx_ir.AttrTensor(name, stand_in)
        yield
    finally:
        for restore, what in taken:
            restore(what)


def _nodes(model: "onnx_ir.Model") -> Iterator["onnx_ir.Node"]:
    """Return the nodes of the graph, of all bodies, and of the model's functions."""
    import onnx_ir

    graphs: list[onnx_ir.Graph | onnx_ir.Function] = [model.graph, *model.functions.values()]
    for graph in graphs:
        yield from onnx_ir.traversal.RecursiveGraphIterator(graph)


def _stand_in(tensor: Any, name: str, tensors: list[Any]) -> Any:
    """Return what stands for the tensor in the structure; None for the tensor itself."""
    import onnx_ir

    if tensor is None or tensor.dtype == onnx_ir.DataType.STRING:
        return None
    if tensor.nbytes < _LARGE:
        # Relative to another folder, maybe, than the structure is taken to lie in.
        is_external = isinstance(tensor, onnx_ir.ExternalTensor)
        return onnx_ir.Tensor(_read(tensor.numpy, name), name=name) if is_external else None
    tensors.append(_read(lambda: _buffer(tensor), name))
    return onnx_ir.ExternalTensor(
        _IN_MEMORY,
        len(tensors) - 1,
        tensor.nbytes,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name or "",
    )


def _read(read: Callable[[], Any], name: str) -> Any:
    """Return what `read` gives. Raises ModelError for files that are missing or too short."""
    try:
        return read()
    except (OSError, ValueError) as error:
        raise ModelError(f"the weights of '{name}' cannot be read: {error}") from error


def _buffer(tensor: Any) -> Any:
    """Return the elements as ONNX packs them; a view of the tensor's array where there is one."""
    if tensor.dtype.bitwidth < 8:
        return tensor.tobytes()
    array = np.ascontiguousarray(tensor.numpy())
    return array.reshape(-1).view(np.uint8)
