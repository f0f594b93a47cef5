"""Small models, each of which shows one fact about runtimes: who runs it, and who does not."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

K, N, BLOCK = 64, 32, 32


@dataclass
class Case:
    """A model; targets that are to refuse it or not, and runtimes that do (True) or do not."""

    name: str
    model: onnx.ModelProto
    feeds: dict[str, tuple[str, list[int]]]
    refused: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    runtimes: dict[str, bool] = field(default_factory=dict)  # cpu, webgpu, asyncify: runs it


_NAMES = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.INT64: "int64"}


def _case(
    name: str,
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    x: tuple[int, list[int]],
    y: int,
    **said: Any,
) -> Case:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", *x)],
        [helper.make_tensor_value_info("y", y, None)],
        constants,
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return Case(name, model, {"x": (_NAMES[TensorProto.DataType.ValueType(x[0])], x[1])}, **said)


def _own(operator: str, inputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, ["y"], "it", domain="com.microsoft", **attributes)


def _ones(name: str, kind: Any, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, kind), name)


def _bytes(name: str, kind: int, shape: list[int], size: int) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, shape, bytes(size), raw=True)


def rows(name: str, bits: int, blocks: int, zero_points: bool, **said: Any) -> Case:
    """Return an embedding of eight rows in blocks of codes."""
    size = blocks * BLOCK * bits // 8
    constants = [
        _bytes("w", TensorProto.UINT8, [8, size], 8 * size),
        _ones("s", np.float32, 8, blocks),
    ]
    if zero_points:
        packed = (blocks * bits + 7) // 8
        constants.append(_bytes("z", TensorProto.UINT8, [8, packed], 8 * packed))
    node = _own(
        "GatherBlockQuantized",
        ["w", "x", "s", *(["z"] if zero_points else [])],
        bits=bits,
        block_size=BLOCK,
        gather_axis=0,
        quantize_axis=1,
    )
    return _case(name, [node], constants, (TensorProto.INT64, [1]), TensorProto.FLOAT, **said)


def bnb4(**said: Any) -> Case:
    """Return a product of 4-bit floats."""
    node = _own("MatMulBnb4", ["x", "w", "s"], K=K, N=N, block_size=64, quant_type=1)
    constants = [
        _bytes("w", TensorProto.UINT8, [K * N // 2], K * N // 2),
        _ones("s", np.float32, K * N // 64),
    ]
    return _case("bnb4", [node], constants, (TensorProto.FLOAT, [1, K]), TensorProto.FLOAT, **said)


def experts(activation: str, **said: Any) -> Case:
    """Return two experts in 4 bits."""
    inner = 2 * K if activation == "swiglu" else K
    constants = [
        _bytes("w1", TensorProto.UINT8, [2, inner, K // 2], 2 * inner * K // 2),
        _ones("s1", np.float32, 2, inner, 2),
        _bytes("w2", TensorProto.UINT8, [2, K, K // 2], K * K),
        _ones("s2", np.float32, 2, K, 2),
        _ones("router", np.float32, 3, 2),
    ]
    fused = {"swiglu_fusion": 1} if activation == "swiglu" else {}
    node = _own(
        "QMoE",
        ["x", "router", "w1", "s1", "", "w2", "s2"],
        k=1,
        expert_weight_bits=4,
        block_size=BLOCK,
        activation_type=activation,
        **fused,
    )
    x = (TensorProto.FLOAT, [3, K])
    return _case(f"experts_{activation}", [node], constants, x, TensorProto.FLOAT, **said)


def _quantized(*more: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "qz"], "quantize"), *more]


def integers(**said: Any) -> list[Case]:
    """Return a model for each operator that multiplies integers."""
    cast = helper.make_node("Cast", ["m"], ["y"], "cast", to=TensorProto.FLOAT)
    zero = numpy_helper.from_array(np.array(0, np.uint8), "z")
    product = helper.make_node("MatMulInteger", ["q", "w", "qz", "z"], ["m"], "it")
    filters = helper.make_node("ConvInteger", ["q", "w", "qz", "z"], ["m"], "it")
    attention = _own("QAttention", ["q", "w", "b", "s", "ws", "", "qz", "z"], num_heads=2)
    lstm = _own(
        "DynamicQuantizeLSTM",
        ["x", "w", "r", "", "", "", "", "", "ws", "wz", "ws", "wz"],
        hidden_size=4,
    )
    number = TensorProto.FLOAT
    return [
        _case(
            "matmul_integer",
            _quantized(product, cast),
            [_ones("w", np.uint8, K, N), zero],
            (number, [1, K]),
            number,
            **said,
        ),
        _case(
            "conv_integer",
            _quantized(filters, cast),
            [_ones("w", np.uint8, 4, 4, 3, 3), zero],
            (number, [1, 4, 8, 8]),
            number,
            **said,
        ),
        _case(
            "attention_integer",
            _quantized(attention),
            [
                _ones("w", np.uint8, 8, 24),
                _ones("b", np.float32, 24),
                numpy_helper.from_array(np.array(1, np.float32), "ws"),
                zero,
            ],
            (number, [1, 3, 8]),
            number,
            **said,
        ),
        _case(
            "lstm_integer",
            [lstm],
            [
                _ones("w", np.int8, 1, 8, 16),
                _ones("r", np.int8, 1, 4, 16),
                _ones("ws", np.float32, 1),
                numpy_helper.from_array(np.zeros(1, np.int8), "wz"),
            ],
            (number, [3, 1, 8]),
            number,
            **said,
        ),
    ]


def mixed_norm(**said: Any) -> Case:
    """Return a norm of float16 with gains in float32."""
    node = helper.make_node("SimplifiedLayerNormalization", ["x", "w"], ["y"], "it", axis=-1)
    x = (TensorProto.FLOAT16, [1, 3, 8])
    return _case("mixed_norm", [node], [_ones("w", np.float32, 8)], x, TensorProto.FLOAT, **said)


def float8(**said: Any) -> Case:
    """Return weights in 8-bit floats."""
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], "dequantize", axis=1),
        helper.make_node("Mul", ["x", "d"], ["y"], "it"),
    ]
    constants = [
        _bytes("w", TensorProto.FLOAT8E4M3FN, [K, N], K * N),
        _ones("s", np.float32, N),
    ]
    return _case("float8", nodes, constants, (TensorProto.FLOAT, [K, N]), TensorProto.FLOAT, **said)


def brain(**said: Any) -> Case:
    """Return a sum in bfloat16."""
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], "cast", to=TensorProto.BFLOAT16),
        helper.make_node("Add", ["a", "a"], ["b"], "it"),
        helper.make_node("Cast", ["b"], ["y"], "back", to=TensorProto.FLOAT),
    ]
    return _case("bfloat16", nodes, [], (TensorProto.FLOAT, [2]), TensorProto.FLOAT, **said)


def cases() -> list[Case]:
    """Return all of them."""
    return [
        rows(
            "odd_blocks",
            4,
            5,
            True,
            refused=("webgpu", "transformers.js-webgpu", "transformers.js"),
            taken=("cpu", "wasm"),
            runtimes={"cpu": True, "webgpu": False},
        ),
        rows(
            "even_blocks",
            4,
            4,
            True,
            refused=("transformers.js-wasm@4.3", "coreml"),
            taken=("cpu", "webgpu", "wasm", "transformers.js", "cuda"),
            runtimes={"cpu": True, "webgpu": True, "asyncify": False},
        ),
        rows(
            "two_bits",
            2,
            4,
            False,
            refused=("cpu@1.24", "webgpu@1.26", "transformers.js@4.2"),
            taken=("cpu", "webgpu", "transformers.js"),
            runtimes={"cpu": True, "webgpu": True},
        ),
        bnb4(
            refused=("webgpu@1.27", "coreml"),
            taken=("cpu", "webgpu", "transformers.js-wasm", "cuda"),
            runtimes={"cpu": True, "webgpu": False, "asyncify": True},
        ),
        experts(
            "relu",
            refused=("webgpu", "cuda", "coreml"),
            taken=("cpu",),
            runtimes={"cpu": True, "webgpu": False},
        ),
        experts("swiglu", taken=("cpu", "webgpu"), runtimes={"cpu": True, "webgpu": True}),
        mixed_norm(
            taken=("cpu", "webgpu", "transformers.js", "cuda"),  # a plan gives it one type
            runtimes={"cpu": True, "webgpu": False, "asyncify": True},
        ),
        *integers(
            refused=("webgpu", "transformers.js-webgpu", "cuda", "coreml"),
            taken=("cpu", "wasm", "transformers.js-wasm", "transformers.js"),
            runtimes={"cpu": True, "webgpu": False, "asyncify": True},
        ),
        float8(
            refused=("transformers.js",),
            taken=("cpu", "wasm", "webgpu", "cuda", "coreml"),
            runtimes={"cpu": True, "webgpu": False, "asyncify": False},
        ),
        brain(
            refused=("cpu", "webgpu", "wasm", "transformers.js"),
            taken=("cuda",),
            runtimes={"cpu": False, "webgpu": False, "asyncify": False},
        ),
    ]
