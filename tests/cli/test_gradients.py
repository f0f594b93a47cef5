"""Gradients of the text's probability: every rule against finite differences."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from program import run
from safetensors import safe_open
from safetensors.numpy import load_file

WORDS, LENGTH, SIZE = 11, 5, 8
TOKENS = np.array([3, 1, 4, 1, 5])
Array = npt.NDArray[Any]
Node = tuple[Any, ...]


class Body(NamedTuple):
    """What stands between `h` and `f`, both [batch, sequence, SIZE]."""

    nodes: list[Node]
    constants: dict[str, Array]
    single: bool = False  # ONNX Runtime's own operators take float32 alone


def _random(*shape: int) -> Array:
    return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape)


def _ints(*values: int) -> Array:
    return np.array(values, np.int64)


def _model(body: Body, kind: int, opset: int = 17) -> onnx.ModelProto:
    """Return a model of words: a table, `f` of its rows beside the rows, a head."""
    dtype = np.float32 if kind == TensorProto.FLOAT else np.float64
    constants = {"table": _random(WORDS, SIZE), "head": _random(SIZE, WORDS)} | body.constants
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"], "look up")]
    nodes.append(helper.make_node("Identity", ["rows"], ["h"]))
    for op, inputs, outputs, *rest in body.nodes:
        attributes = dict(rest[0]) if rest else {}
        if op == "Cast":
            attributes["to"] = kind
        contrib = op.startswith("ms.")
        nodes.append(
            helper.make_node(
                op.removeprefix("ms."),
                inputs.split(" "),
                outputs.split(" "),
                domain="com.microsoft" if contrib else "",
                **attributes,
            )
        )
    # What passes by tells a wrong sign from a right one.
    nodes.append(helper.make_node("Add", ["h", "f"], ["y"]))
    nodes.append(helper.make_node("MatMul", ["y", "head"], ["logits"], "head"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", kind, ["batch", "sequence", WORDS])],
        [
            numpy_helper.from_array(
                value.astype(dtype) if value.dtype == np.float64 else value, name
            )
            for name, value in constants.items()
        ],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    if not body.single:
        onnx.checker.check_model(model)
    return model


def _runner(model: onnx.ModelProto, single: bool) -> Callable[[Array], Array]:
    """Return what gives the logits for numbers that are added to the table's rows."""
    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    kind = moved.graph.output[0].type.tensor_type.elem_type
    moved.graph.input.append(helper.make_tensor_value_info("extra", kind, [1, LENGTH, SIZE]))
    moved.graph.node[1].CopyFrom(helper.make_node("Add", ["rows", "extra"], ["h"]))
    ids = TOKENS[None]
    if single:
        session = onnxruntime.InferenceSession(
            moved.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return lambda x: session.run(
            ["logits"], {"input_ids": ids, "extra": x.astype(np.float32)}
        )[0].astype(np.float64)
    evaluator = ReferenceEvaluator(moved)
    return lambda x: evaluator.run(["logits"], {"input_ids": ids, "extra": x})[0]


def _loss(logits: Array) -> float:
    rows = logits[0, :-1]
    largest = rows.max(axis=-1, keepdims=True)
    logs = rows - largest - np.log(np.exp(rows - largest).sum(axis=-1, keepdims=True))
    return float(-logs[np.arange(LENGTH - 1), TOKENS[1:]].sum())


def _gradient(forward: Callable[[Array], Array], step: float) -> Array:
    """Return differences of fourth order: [sequence, SIZE]."""
    gradient = np.zeros((LENGTH, SIZE))
    for place in np.ndindex(LENGTH, SIZE):
        extra = np.zeros((1, LENGTH, SIZE))
        for factor, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
            extra[(0, *place)] = factor * step
            gradient[place] += weight * _loss(forward(extra)) / (12 * step)
    return gradient


def _calibrated(model: onnx.ModelProto, folder: Path, *arguments: str) -> Path:
    onnx.save(model, folder / "model.onnx")
    (folder / "tokens.jsonl").write_text(json.dumps(TOKENS.tolist()) + "\n")
    out = folder / "calibration.safetensors"
    done = run(
        "calibrate",
        folder / "model.onnx",
        "-t",
        folder / "tokens.jsonl",
        "--gradients=1",
        "-o",
        out,
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    assert "no gradients" not in done.stderr, done.stderr
    return out


POSITIVE: list[Node] = [("Mul", "h h", "s"), ("Add", "s one", "p")]
ONE = {"one": np.array(1.0)}
LAST = {"last": _ints(-1)}
PLAIN = {
    "add": Body([("Add", "h b", "f")], {"b": _random(SIZE)}),
    "add of what is stretched": Body(
        [("ReduceMean", "h", "m", {"axes": [-1]}), ("Add", "m c", "f")], {"c": _random(3, 1, SIZE)[:1]}
    ),
    "sub": Body([("Sub", "b h", "d"), ("Sub", "c d", "f")], {"b": _random(SIZE), "c": _random(1)}),
    "mul": Body([("Mul", "h h", "s"), ("Mul", "s b", "f")], {"b": _random(SIZE)}),
    "mul by a number of each token": Body(
        [("ReduceMean", "h", "m", {"axes": [2], "keepdims": 1}), ("Mul", "m h", "f")], {}
    ),
    "mul by one number": Body(
        [("ReduceMean", "h", "m", {"keepdims": 0}), ("Mul", "m h", "f")], {}
    ),
    "div": Body(
        [
            *POSITIVE,
            ("ReduceSum", "p last", "d"),
            ("Div", "h d", "q"),
            ("Div", "q p", "f"),
        ],
        ONE | LAST,
    ),
    "pow": Body([*POSITIVE, ("Pow", "p e", "f")], ONE | {"e": np.array(1.5)}),
    "pow of negative numbers": Body([("Pow", "h e", "f")], {"e": _ints(2)}),
    "neg": Body([("Neg", "h", "n"), ("Mul", "n n", "s"), ("Mul", "n s", "f")], {}),
    "sqrt": Body([*POSITIVE, ("Sqrt", "p", "f")], ONE),
    "reciprocal": Body([*POSITIVE, ("Reciprocal", "p", "f")], ONE),
    "exp": Body([("Exp", "h", "f")], {}),
    "log": Body([*POSITIVE, ("Log", "p", "f")], ONE),
    "reduce sum": Body(
        [
            ("Mul", "h h", "s"),
            ("ReduceSum", "s axis", "m", {"keepdims": 0}),
            ("Unsqueeze", "m axis", "u"),
            ("Mul", "u h", "f"),
        ],
        {"axis": _ints(1)},
    ),
    "reduce mean": Body(
        [
            ("Mul", "h h", "s"),
            ("ReduceMean", "s", "m", {"axes": [-1], "keepdims": 0}),
            ("Unsqueeze", "m last", "u"),
            ("Mul", "u h", "f"),
        ],
        LAST,
    ),
    "reduce over all": Body(
        [("Mul", "h h", "s"), ("ReduceSum", "s", "m"), ("Mul", "m h", "f")], {}
    ),
    "softmax": Body([("Softmax", "h", "f")], {}),
    "softmax over tokens": Body([("Softmax", "h", "f", {"axis": 1})], {}),
    "log softmax": Body([("LogSoftmax", "h", "f", {"axis": 2})], {}),
    "sigmoid": Body([("Sigmoid", "h", "f")], {}),
    "tanh": Body([("Tanh", "h", "f")], {}),
    "erf": Body([("Erf", "h", "f")], {}),
    "relu": Body([("Relu", "h", "f")], {}),
    "identity and cast": Body([("Identity", "h", "i"), ("Cast", "i", "c"), ("Mul", "c c", "f")], {}),
    "transpose": Body(
        [
            ("Reshape", "h split", "x"),
            ("Transpose", "x", "t", {"perm": [2, 0, 3, 1]}),
            ("Mul", "t c", "m"),
            ("Transpose", "m", "u", {"perm": [1, 3, 0, 2]}),
            ("Reshape", "u join", "f"),
        ],
        {"split": _ints(0, 0, 2, -1), "join": _ints(0, 0, -1), "c": _random(2, 1, 4, LENGTH)},
    ),
    "transpose of all axes": Body(
        [("Transpose", "h", "t"), ("Mul", "t c", "m"), ("Transpose", "m", "f")],
        {"c": _random(SIZE, LENGTH, 1)},
    ),
    "squeeze and unsqueeze": Body(
        [("Unsqueeze", "h axes", "u"), ("Tanh", "u", "t"), ("Squeeze", "t axes", "f")],
        {"axes": _ints(1, -1)},
    ),
    "flatten": Body(
        [("Flatten", "h", "t", {"axis": 2}), ("Tanh", "t", "u"), ("Reshape", "u s", "f")],
        {"s": _ints(1, LENGTH, SIZE)},
    ),
    "concat and split": Body(
        [
            ("Split", "h sizes", "a b", {"axis": -1}),
            ("Neg", "b", "n"),
            ("Concat", "n c a", "m", {"axis": -1}),
            ("Split", "m twice", "k l", {"axis": 2}),
            ("Mul", "k k", "f"),
        ],
        {
            "sizes": _ints(3, SIZE - 3),
            "twice": _ints(SIZE, 2),
            "c": _random(1, LENGTH, 2),
        },
    ),
    "slice": Body(
        [
            ("Slice", "h from to axes steps", "s"),
            ("Slice", "h other end last", "o"),
            ("Mul", "s o", "m"),
            ("Concat", "m m", "f", {"axis": -1}),
        ],
        {
            "from": _ints(-1, 0),
            "to": _ints(-(1 << 40), LENGTH),
            "axes": _ints(2, 1),
            "steps": _ints(-2, 1),
            "other": _ints(SIZE // 2),
            "end": _ints(1 << 60),
        }
        | LAST,
    ),
    "gather with repetitions": Body(
        [("Gather", "h places", "g", {"axis": 2}), ("Tanh", "g", "f")],
        {"places": _ints(0, 0, 3, -1, 0, 1, 2, 7)},
    ),
    "where": Body(
        [
            ("Greater", "h zero", "c"),
            ("ReduceMean", "h", "m", {"axes": [2]}),
            ("Where", "c h m", "f"),
        ],
        {"zero": np.array(0.1)},
    ),
    "expand": Body(
        [
            ("ReduceSum", "h last", "m"),
            ("Tanh", "m", "t"),
            ("Expand", "t shape", "f"),
        ],
        LAST | {"shape": _ints(1, 1, SIZE)},
    ),
    "matmul": Body(
        [("MatMul", "h a", "x"), ("Tanh", "x", "t"), ("MatMul", "t b", "f")],
        {"a": _random(SIZE, 12) / 3, "b": _random(12, SIZE) / 3},
    ),
    "matmul of two values": Body(
        [
            ("Transpose", "h", "t", {"perm": [0, 2, 1]}),
            ("MatMul", "h t", "s"),
            ("Tanh", "s", "w"),
            ("MatMul", "w h", "f"),
        ],
        {},
    ),
    "matmul that repeats an operand": Body(
        [
            ("Reshape", "h split", "x"),
            ("Transpose", "x", "t", {"perm": [2, 0, 3, 1]}),
            ("ReduceMean", "x", "k", {"axes": [0, 2], "keepdims": 0}),
            ("Transpose", "k", "u"),
            ("MatMul", "k u", "r"),
            ("MatMul", "t r", "s"),
            ("Reshape", "s join", "f"),
        ],
        {"split": _ints(1, LENGTH, 2, 4), "join": _ints(1, -1, SIZE)},
    ),
    "gemm": Body(
        [
            ("Reshape", "h flat", "x"),
            ("Gemm", "x a c", "y1", {"alpha": 0.5, "beta": 2.0, "transB": 1}),
            ("Tanh", "y1", "y2"),
            ("Gemm", "y2 b", "y3"),
            ("Reshape", "y3 whole", "f"),
        ],
        {
            "flat": _ints(-1, SIZE),
            "whole": _ints(1, -1, SIZE),
            "a": _random(12, SIZE) / 3,
            "b": _random(12, SIZE) / 3,
            "c": _random(12),
        },
    ),
    "gemm of two values": Body(
        [
            ("Reshape", "h flat", "x"),
            ("Gemm", "x x", "g", {"transA": 1}),
            ("Gemm", "x g x", "y1", {"transB": 1, "alpha": 0.1}),
            ("Gemm", "x y1", "g2", {"transA": 1, "alpha": 0.1}),
            ("Gemm", "g2 x", "y2", {"transA": 1, "transB": 1, "alpha": 0.1}),
            ("Transpose", "y2", "y3"),
            ("Reshape", "y3 whole", "f"),
        ],
        {"flat": _ints(-1, SIZE), "whole": _ints(1, -1, SIZE)},
    ),
}
GAIN = {"gain": 1 + _random(SIZE) / 3, "bias": _random(SIZE)}
QKV: list[Node] = [("MatMul", "h wq", "q"), ("MatMul", "h wk", "k"), ("MatMul", "h wv", "v")]
LENGTHS = {"last_key": np.array([LENGTH - 1], np.int32), "total": np.array(LENGTH, np.int32)}


def _attention(heads: int, kv_heads: int, *, inputs: str = "", **attributes: Any) -> Body:
    """Return attention over heads of sixteen elements; `inputs` from the eighth on."""
    size = 16
    call = f"q k v   last_key total {inputs}".rstrip()
    return Body(
        [
            *QKV,
            (
                "ms.GroupQueryAttention",
                call,
                "o",
                {"num_heads": heads, "kv_num_heads": kv_heads} | attributes,
            ),
            ("MatMul", "o wo", "f"),
        ],
        {
            "wq": _random(SIZE, heads * size) / 2,
            "wk": _random(SIZE, kv_heads * size) / 3,
            "wv": _random(SIZE, kv_heads * size) / 2,
            "wo": _random(heads * size, SIZE) / 3,
            "cosines": np.cos(np.arange(16)[:, None] * 0.7 ** np.arange(8)),
            "sines": np.sin(np.arange(16)[:, None] * 0.7 ** np.arange(8)),
            "at": _ints(2, 3, 4, 5, 6)[None],
            "score_bias": _random(1, 1, LENGTH, LENGTH),
        }
        | LENGTHS,
        single=True,
    )


def _rotary(nodes: list[Node], width: int, at: Array) -> Body:
    angles = np.arange(16)[:, None] * 0.7 ** np.arange(width)
    constants = {"cosines": np.cos(angles), "sines": np.sin(angles), "at": at}
    return Body(nodes, constants | {"split": _ints(0, 0, 2, -1), "join": _ints(0, 0, -1)}, True)


FOUR: list[Node] = [
    ("Reshape", "h split", "x"),
    ("Transpose", "x", "t", {"perm": [0, 2, 1, 3]}),
    ("ms.RotaryEmbedding", "t at cosines sines", "r"),
    ("Transpose", "r", "u", {"perm": [0, 2, 1, 3]}),
    ("Reshape", "u join", "f"),
]
FUSED = {
    "gelu": Body([("ms.Gelu", "h", "f")], {}, True),
    "fast gelu": Body([("ms.FastGelu", "h b", "f")], {"b": _random(SIZE)}, True),
    "fast gelu without a bias": Body([("ms.FastGelu", "h", "f")], {}, True),
    "bias gelu": Body([("ms.BiasGelu", "h b", "f")], {"b": _random(SIZE)}, True),
    "quick gelu": Body([("ms.QuickGelu", "h", "f", {"alpha": 1.5})], {}, True),
    "root mean square": Body(
        [("SimplifiedLayerNormalization", "h gain", "f", {"epsilon": 0.1})], GAIN, True
    ),
    "layer norm": Body(
        [("LayerNormalization", "h gain bias", "f", {"epsilon": 0.1})], GAIN, True
    ),
    "skip root mean square": Body(
        [
            ("Tanh", "h", "t"),
            ("ms.SkipSimplifiedLayerNormalization", "h t gain bias", "n   s", {"epsilon": 0.1}),
            ("Mul", "n s", "f"),
        ],
        GAIN,
        True,
    ),
    "skip layer norm": Body(
        [
            ("Tanh", "h", "t"),
            ("ms.SkipLayerNormalization", "h t gain bias gain", "n   s", {"epsilon": 0.1}),
            ("Mul", "n s", "f"),
        ],
        GAIN,
        True,
    ),
    "rotary": _rotary([("ms.RotaryEmbedding", "h at cosines sines", "f")], 2, _ints(*range(5))[None]),
    "rotary interleaved": _rotary(
        [("ms.RotaryEmbedding", "h at cosines sines", "f", {"interleaved": 1})],
        2,
        _ints(4, 3, 2, 1, 0)[None],
    ),
    "rotary of a part": _rotary(
        [
            (
                "ms.RotaryEmbedding",
                "h at cosines sines",
                "f",
                {"num_heads": 2, "rotary_embedding_dim": 2},
            )
        ],
        1,
        _ints(*range(5))[None],
    ),
    "rotary from a first position": _rotary(
        [("ms.RotaryEmbedding", "h at cosines sines", "f")], 4, _ints(6)
    ),
    "rotary of four dimensions": _rotary(FOUR, 2, _ints(*range(5))[None]),
    "attention": _attention(2, 2),
    "attention that shares keys": _attention(4, 2, scale=0.7),
    "attention in a window": _attention(4, 1, local_window_size=2),
    "attention with a cap": _attention(2, 1, softcap=1.5, scale=1.0),
    "attention that turns": _attention(2, 1, inputs="cosines sines", do_rotary=1),
    "attention that turns pairs": _attention(
        2, 1, inputs="cosines sines at", do_rotary=1, rotary_interleaved=1
    ),
    "attention with a bias": _attention(4, 2, inputs="   score_bias"),
}


@pytest.mark.parametrize("body", [*PLAIN.values(), *FUSED.values()], ids=[*PLAIN, *FUSED])
def test_gradients_are_those_of_finite_differences(body: Body, tmp_path: Path) -> None:
    exact = _model(body, TensorProto.FLOAT if body.single else TensorProto.DOUBLE)
    expected = _gradient(_runner(exact, body.single), 0.05 if body.single else 1e-3)
    found = load_file(_calibrated(_model(body, TensorProto.FLOAT), tmp_path))
    sums = found["lookup_gradients/rows"]
    error = np.abs(sums - expected.T @ expected).max() / np.abs(sums).max()
    assert error < (1e-3 if body.single else 2e-5)
