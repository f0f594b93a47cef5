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
from program import run, save, small_model
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
    constants = {
        "table": _random(WORDS, SIZE),
        "head": _random(SIZE, WORDS),
    } | body.constants
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
        session: Any = onnxruntime.InferenceSession(
            moved.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return lambda x: session.run(["logits"], {"input_ids": ids, "extra": x.astype(np.float32)})[
            0
        ].astype(np.float64)
    evaluator = ReferenceEvaluator(moved)

    def logits_of(x: Array) -> Array:
        (logits,) = evaluator.run(["logits"], {"input_ids": ids, "extra": x})
        return np.asarray(logits)

    return logits_of


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
        [("ReduceMean", "h", "m", {"axes": [-1]}), ("Add", "m c", "f")],
        {"c": _random(1, 1, SIZE)},
    ),
    "sub": Body(
        [("Sub", "b h", "d"), ("Sub", "c d", "f")],
        {"b": _random(SIZE), "c": _random(1)},
    ),
    "mul": Body([("Mul", "h h", "s"), ("Mul", "s b", "f")], {"b": _random(SIZE)}),
    "mul by a number of each token": Body(
        [("ReduceMean", "h", "m", {"axes": [2], "keepdims": 1}), ("Mul", "m h", "f")],
        {},
    ),
    "mul by one number": Body([("ReduceMean", "h", "m", {"keepdims": 0}), ("Mul", "m h", "f")], {}),
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
    "identity and cast": Body(
        [("Identity", "h", "i"), ("Cast", "i", "c"), ("Mul", "c c", "f")], {}
    ),
    "transpose": Body(
        [
            ("Reshape", "h split", "x"),
            ("Transpose", "x", "t", {"perm": [2, 0, 3, 1]}),
            ("Mul", "t c", "m"),
            ("Transpose", "m", "u", {"perm": [1, 3, 0, 2]}),
            ("Reshape", "u join", "f"),
        ],
        {
            "split": _ints(0, 0, 2, -1),
            "join": _ints(0, 0, -1),
            "c": _random(2, 1, 4, LENGTH),
        },
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
        [
            ("Flatten", "h", "t", {"axis": 2}),
            ("Tanh", "t", "u"),
            ("Reshape", "u s", "f"),
        ],
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
QKV: list[Node] = [
    ("MatMul", "h wq", "q"),
    ("MatMul", "h wk", "k"),
    ("MatMul", "h wv", "v"),
]
LENGTHS = {
    "last_key": np.array([LENGTH - 1], np.int32),
    "total": np.array(LENGTH, np.int32),
}


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
    "layer norm": Body([("LayerNormalization", "h gain bias", "f", {"epsilon": 0.1})], GAIN, True),
    "skip root mean square": Body(
        [
            ("Tanh", "h", "t"),
            (
                "ms.SkipSimplifiedLayerNormalization",
                "h t gain bias",
                "n   s",
                {"epsilon": 0.1},
            ),
            ("Mul", "n s", "f"),
        ],
        GAIN,
        True,
    ),
    "skip layer norm": Body(
        [
            ("Tanh", "h", "t"),
            (
                "ms.SkipLayerNormalization",
                "h t gain bias gain",
                "n   s",
                {"epsilon": 0.1},
            ),
            ("Mul", "n s", "f"),
        ],
        GAIN,
        True,
    ),
    "rotary": _rotary(
        [("ms.RotaryEmbedding", "h at cosines sines", "f")], 2, _ints(*range(5))[None]
    ),
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


def test_gradients_of_products_weigh_what_they_read(tmp_path: Path) -> None:
    model = _model(PLAIN["tanh"], TensorProto.FLOAT)
    found = load_file(_calibrated(model, tmp_path))
    model.graph.output.append(helper.make_empty_tensor_value_info("y"))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = session.run(["logits", "y"], {"input_ids": TOKENS[None]})
    logits, read = (value[0, :-1].astype(np.float64) for value in given)
    gradient = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    gradient[np.arange(LENGTH - 1), TOKENS[1:]] -= 1
    weighted = read.T @ (read * (gradient**2).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(found["gradients/logits"], weighted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["squares/logits"], (gradient**2).sum(axis=0), rtol=1e-4)
    assert int(found["gradient_count/logits"]) == LENGTH - 1
    assert int(found["gradient_count/rows"]) == LENGTH - 1
    rows = found["lookup_gradients/rows"]
    np.testing.assert_allclose(found["squares/rows"], np.diag(rows), rtol=1e-5)
    assert int(found["count/y"]) == LENGTH


def _tiny_losses(path: Path, output: str, size: int, tokens: Array) -> Callable[[Array], float]:
    """Return what gives the loss of a Gemma for numbers that are added to a product's output."""
    model = onnx.load(path)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == output:
                node.input[i] = "moved"
    model.graph.node.append(helper.make_node("Add", [output, "extra"], ["moved"]))
    shape = [1, len(tokens), size]
    model.graph.input.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, shape))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path.parent)
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    count = len(tokens)
    feeds: dict[str, Any] = {
        "input_ids": tokens[None].astype(np.int64),
        "attention_mask": np.ones((1, count), np.int64),
        "position_ids": np.arange(count, dtype=np.int64)[None],
    }
    for value in session.get_inputs():
        if value.name.startswith("past_key_values"):
            feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
    names = {value.name for value in session.get_inputs()} - {"extra"}

    def loss(extra: Array) -> float:
        given = {name: feeds[name] for name in names} | {"extra": extra.astype(np.float32)}
        rows = session.run(["logits"], given)[0][0, :-1].astype(np.float64)
        rows -= rows.max(axis=-1, keepdims=True)
        rows -= np.log(np.exp(rows).sum(axis=-1, keepdims=True))
        return -float(rows[np.arange(count - 1), tokens[1:]].sum())

    return loss


def _of_tiny(model: Path, out: Path, *arguments: str | Path) -> dict[str, Any]:
    done = run("calibrate", "--json", model, "--gradients=2", "-o", out, *arguments)
    assert done.returncode == 0, done.stderr
    assert "no gradients" not in done.stderr, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_gradients_of_a_gemma_are_those_of_finite_differences(
    exported: Path, tmp_path: Path
) -> None:
    model = exported / "onnx" / "model.onnx"
    tokens = np.random.default_rng(2).integers(0, 50, 12)
    (tmp_path / "tokens.txt").write_text(" ".join(map(str, tokens)))
    summary = _of_tiny(model, tmp_path / "c", "--tokens", tmp_path / "tokens.txt")
    assert summary["warnings"] == [] or "fewer rows" in summary["warnings"][0]
    found = load_file(tmp_path / "c")
    outputs = {row["output"]: row for row in summary["gradients"]}
    assert sum(row["lookup"] for row in outputs.values()) == 1
    for output in (
        "/model/layers.0/attn/q_proj/MatMul/output_0",
        "/model/layers.0/attn/v_proj/MatMul/output_0",
        "/model/layers.1/mlp/gate_proj/MatMul/output_0",
        "/model/layers.2/mlp/down_proj/MatMul/output_0",
        "/model/embed_tokens/Gather/output_0",
    ):
        squares = found[f"squares/{output}"]
        loss = _tiny_losses(model, output, len(squares), tokens)
        channel = int(np.argmax(squares))
        total = 0.0
        # Gradients of one channel, of which the mean tells how far a step may be.
        step = 0.03 / np.sqrt(squares[channel])
        for place in range(len(tokens)):
            extra = np.zeros((1, len(tokens), len(squares)))
            differences = 0.0
            for factor, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
                extra[0, place, channel] = factor * step
                differences += weight * loss(extra)
            total += (differences / (12 * step)) ** 2
        assert abs(total / squares[channel] - 1) < 5e-3, output


def test_passes_leave_gradients_as_they_are(exported: Path, tmp_path: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    text = ("--sequences", "3", "--length", "40")
    _of_tiny(model, tmp_path / "once", *text)
    _of_tiny(model, tmp_path / "passes", *text, "--memory", "3M")
    once, passes = load_file(tmp_path / "once"), load_file(tmp_path / "passes")
    assert once.keys() == passes.keys()
    for name, value in once.items():
        if name.startswith(("gradient", "lookup", "squares")):
            # Attention before the first output of a pass is the runtime's own.
            assert np.abs(passes[name] - value).max() <= 1e-5 * np.abs(value).max(), name
    with safe_open(tmp_path / "once", "np") as file:
        metadata = file.metadata()
    assert metadata["version"] == "2"
    assert metadata["gradient_sequences"] == "2"


def test_gradients_of_two_texts_are_added(exported: Path, tmp_path: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    text = ("--sequences", "2", "--length", "20")
    parts = [tmp_path / "a", tmp_path / "b"]
    for seed, part in enumerate(parts):
        _of_tiny(model, part, *text, "--seed", str(seed))
    done = run("calibrate", "--merge", *parts, "-o", tmp_path / "m", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["tokens"] for row in json.loads(done.stdout)["gradients"]} == {2 * 2 * 19}
    both = [load_file(part) for part in parts]
    for name, value in load_file(tmp_path / "m").items():
        assert np.array_equal(value, both[0][name] + both[1][name]), name
    plain = run("calibrate", model, *text, "--seed=2", "-o", tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    mixed = run("calibrate", "--merge", parts[0], tmp_path / "plain", "-o", tmp_path / "n")
    assert mixed.returncode == 1
    assert "all have gradients, or none has" in mixed.stderr


def test_a_model_without_gradients_is_calibrated_all_the_same(tmp_path: Path) -> None:
    model = _model(Body([("Selu", "h", "f")], {}), TensorProto.FLOAT)
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "tokens.txt").write_text(" ".join(map(str, TOKENS)))
    arguments = ("calibrate", tmp_path / "model.onnx", "-t", tmp_path / "tokens.txt")
    done = run(*arguments, "--gradients=1", "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert "warning: no gradients: " in done.stderr
    assert "the unnamed Selu node that makes 'f' has no gradient: its operator" in done.stderr
    assert run(*arguments, "-o", tmp_path / "d").returncode == 0
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes()


def test_a_model_that_writes_no_text_has_no_gradients(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    made_up = ("--dim=n=40", "--sequences=3", "--gradients=1")
    done = run("calibrate", path, *made_up, "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert "no gradients: " in done.stderr
    assert "is no language model" in done.stderr


def test_gradients_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    # The slope of a root at 0: the logits are numbers all the same.
    body = Body([("Sub", "h h", "z"), ("Sqrt", "z", "f")], {})
    onnx.save(_model(body, TensorProto.FLOAT), tmp_path / "model.onnx")
    (tmp_path / "tokens.txt").write_text(" ".join(map(str, TOKENS)))
    done = run(
        "calibrate",
        tmp_path / "model.onnx",
        "-t",
        tmp_path / "tokens.txt",
        "--gradients=1",
        "-o",
        tmp_path / "c",
    )
    assert done.returncode == 5, done.stderr
    assert "the gradient at 'rows' is NaN or infinite" in done.stderr
    assert not (tmp_path / "c").exists()


def test_codes_are_chosen_by_gradients_where_there_are_some(exported: Path, tmp_path: Path) -> None:
    model = exported / "onnx" / "model.onnx"
    text = ("--sequences", "4", "--length", "64")
    _of_tiny(model, tmp_path / "with", *text)
    assert run("calibrate", model, *text, "-o", tmp_path / "without").returncode == 0
    written = {}
    for kind in ("with", "without"):
        options: list[str | Path] = [model, "--policy=gemma-web", "--dtype=q4f16"]
        options += ["--calibration", tmp_path / kind]
        plan = run("plan", *options, "--json")
        assert plan.returncode == 0, plan.stderr
        rows = json.loads(plan.stdout)["outputs"][0]["tensors"]
        weighed = [row for row in rows if row["gradients"]]
        assert all(row["method"] == "gptq" for row in weighed)
        assert bool(weighed) == (kind == "with")
        for row in weighed:
            assert any("half of its moments: weighed by gradients" in why for why in row["why"])
        done = run(*options, "-o", tmp_path / f"{kind}.onnx", "--no-config")
        assert done.returncode == 0, done.stderr
        written[kind] = (tmp_path / f"{kind}.onnx_data").read_bytes()
    assert len(written["with"]) == len(written["without"])
    assert written["with"] != written["without"]
