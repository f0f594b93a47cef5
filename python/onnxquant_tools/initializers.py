"""The initializers of a model file as raw bytes, external data mapped rather than read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper


@dataclass(frozen=True)
class Initializer:
    """One weight: element type by name ("FLOAT16"), shape, bytes, and where it is stored."""

    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8]
    location: str | None

    def array(self) -> npt.NDArray[np.generic]:
        """Return the elements; types of less than a byte are not supported."""
        dtype = helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(self.dtype))
        return self.data.view(dtype).reshape(self.shape)


def read_initializers(path: Path) -> Iterator[tuple[str, Initializer]]:
    """Yield the main graph's initializers in file order."""
    model = onnx.load(path, load_external_data=False)
    maps: dict[str, npt.NDArray[np.uint8]] = {}
    for tensor in model.graph.initializer:
        yield tensor.name, _initializer(tensor, path, maps)


def _initializer(
    tensor: TensorProto, path: Path, maps: dict[str, npt.NDArray[np.uint8]]
) -> Initializer:
    dtype, shape = TensorProto.DataType.Name(tensor.data_type), tuple(tensor.dims)
    if tensor.data_location != TensorProto.EXTERNAL:
        raw = tensor.raw_data or onnx.numpy_helper.to_array(tensor).tobytes()
        return Initializer(dtype, shape, np.frombuffer(raw, np.uint8), None)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries["location"]
    if location not in maps:
        maps[location] = np.memmap(path.parent / location, np.uint8, mode="r")
    first = int(entries.get("offset", "0"))
    length = int(entries["length"]) if "length" in entries else len(maps[location]) - first
    return Initializer(dtype, shape, maps[location][first : first + length], location)
