"""What the community exporter's fp16, q4 and q4f16 recipes make of a float32 Gemma model.

The recipes: fp16 casts every initializer but the norms' gains to float16 (nearest, ties to even);
q4 gives each projection's MatMul to ONNX Runtime's MatMulNBitsQuantizer (4 bits, blocks of 32,
symmetric, accuracy level 4, operator form); q4f16 does both, the cast first. Norms compute in
float32 between two Casts.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.quant_utils import QuantFormat

from onnxquant_tools.initializers import Initializer, read_initializers

Recipe = Literal["fp16", "q4", "q4f16"]
Operators = Counter[tuple[str, str]]
_NORM = "SimplifiedLayerNormalization"

# The quantizer reports every node at INFO, and its import configures logging to show that.
logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer").setLevel(logging.WARNING)


def reference_initializers(model: Path, recipe: Recipe) -> Iterator[tuple[str, Initializer]]:
    """Yield every initializer that the recipe gives, by name, one source weight at a time."""
    nodes = onnx.load(model, load_external_data=False).graph.node
    gains = {node.input[1] for node in nodes if node.op_type == _NORM}
    projected = {node.input[1] for node in nodes if node.op_type == "MatMul"}
    for name, weight in read_initializers(model):
        array = weight.array()
        if recipe != "q4" and array.dtype == np.float32 and name not in gains:
            array = array.astype(np.float16)
        if recipe != "fp16" and name in projected:
            yield from quantized_matmul(name, array, block=32, symmetric=True)
        else:
            dtype = TensorProto.DataType.Name(helper.np_dtype_to_tensor_dtype(array.dtype))
            raw = np.frombuffer(np.ascontiguousarray(array).data, np.uint8)
            yield name, Initializer(dtype, weight.shape, raw, None)


def quantized_matmul(
    name: str, matrix: npt.NDArray[np.generic], *, block: int, symmetric: bool
) -> Iterator[tuple[str, Initializer]]:
    """Yield what ONNX Runtime's quantizer makes of a MatMul's constant B [K, N] in 4 bits."""
    rows, columns = matrix.shape
    element = helper.np_dtype_to_tensor_dtype(matrix.dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", name], ["y"], name="product")],
        "one",
        [helper.make_tensor_value_info("x", element, ["m", rows])],
        [helper.make_tensor_value_info("y", element, ["m", columns])],
        [numpy_helper.from_array(np.ascontiguousarray(matrix), name)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    quantizer = MatMulNBitsQuantizer(
        model=model,
        block_size=block,
        is_symmetric=symmetric,
        accuracy_level=4,
        quant_format=QuantFormat.QOperator,
        op_types_to_quantize=("MatMul",),
    )
    quantizer.process()
    for tensor in quantizer.model.model.graph.initializer:
        if tensor.name != name:
            dtype = TensorProto.DataType.Name(tensor.data_type)
            raw = np.frombuffer(numpy_helper.to_array(tensor).tobytes(), np.uint8)
            yield tensor.name, Initializer(dtype, tuple(tensor.dims), raw, None)


def operators(model: Path) -> Operators:
    """Count a model's main-graph operators by domain and type."""
    nodes = onnx.load(model, load_external_data=False).graph.node
    return Counter((node.domain, node.op_type) for node in nodes)


def expected_operators(model: Path, recipe: Recipe) -> Operators:
    """Count the operators of the recipe's output, the final norm's missing Cast included.

    The community exporter feeds its last norm float16 beside a float32 gain, which native WebGPU
    refuses; a converter that never writes a mixed-type norm has one Cast more there.
    """
    nodes = onnx.load(model, load_external_data=False).graph.node
    weights = {name for name, _ in read_initializers(model)}
    count: Operators = Counter((node.domain, node.op_type) for node in nodes)
    if recipe != "q4":
        norms = count["", _NORM]
        logits_cast = 1
        count["", "Cast"] += 2 * norms + logits_cast
    if recipe != "fp16":
        projections = sum(n.op_type == "MatMul" and n.input[1] in weights for n in nodes)
        count["", "MatMul"] -= projections
        count["com.microsoft", "MatMulNBits"] += projections
    return count
