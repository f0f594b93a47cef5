"""Models that are written as text, for tests and seeds."""

import numpy as np
import onnx
from onnx import numpy_helper


def with_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give a payload to what is declared and not made, as the C++ tests do."""
    made = {name for node in model.graph.node for name in node.output}
    made |= {tensor.name for tensor in model.graph.initializer}
    for info in model.graph.value_info:
        kind = info.type.tensor_type
        if info.name in made or kind.elem_type not in (1, 7, 10):
            continue
        shape = [dim.dim_value for dim in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        values = (np.arange(int(np.prod(shape))) * 37 % 101 - 50) / 64
        array = values.reshape(shape).astype(dtype)
        model.graph.initializer.append(numpy_helper.from_array(array, info.name))
    return model
