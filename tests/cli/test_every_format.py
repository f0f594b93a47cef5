"""Every row of the table of formats, with random parameters, sizes and weights, on ONNX Runtime.

Rows come from the program: one that is new is tested without being named here, and one whose
operator no site here has fails.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weight_models as wm
from onnx import helper
from program import run
from weight_models import Array, Site

Random = np.random.Generator
ROWS: list[dict[str, Any]] = json.loads(run("formats", "--json").stdout)["formats"]
WORDS = list(dict.fromkeys(row["word"] for row in ROWS))
COMBINATIONS = 5  # of parameters, of each word
# The largest relative error: of codes that stand for other numbers it is 1.4.
MOST = {2: 0.95, 4: 0.25, 8: 0.05}
MOST_OF = {"float8_e5m2": 0.1}


def _weights(random: Random, k: int, n: int) -> Array:
    """Return [K, N] with zeros of both signs, and columns that no scale of float16 stands for."""
    w = wm.weights(random, k, n)
    w[:, -1] *= 1e-12
    if random.random() < 0.5:
        w[:, -2] = np.where(random.random(k) < 0.5, 0.0, -0.0)
    return w


def _sizes(random: Random) -> tuple[int, int]:
    """Return K, which ends with a block or within one, and N."""
    k = int(random.integers(3, 160))
    return (k if random.random() < 0.5 else 64 * (1 + k // 64)), int(random.integers(6, 20))


def _product(op: str, **says: Any) -> Callable[[Random], Site]:
    def site(random: Random) -> Site:
        k, n = _sizes(random)
        w = _weights(random, k, n)
        turned = says.get("transB", 0) == 1
        node = helper.make_node(op, ["x", "w"], ["y"], None, None, None, None, **says)
        return Site([node], w.T.copy() if turned else w, {"x": wm.activations(random, 3, k)})

    return site


def _gather(random: Random) -> Site:
    k, n = _sizes(random)
    k = 8 * k
    node = helper.make_node("Gather", ["w", "i"], ["y"])
    indices = random.integers(-n, n, (2, 5))
    indices[0, 0] = 0  # a row of numbers that float16 has
    return Site([node], _weights(random, k, n).T.copy(), {"i": indices})


def _conv(op: str, *places: int) -> Callable[[Random], Site]:
    def site(random: Random) -> Site:
        k, n = _sizes(random)
        size = int(np.prod(places))
        k = -(-k // size) * size
        w = _weights(random, k, n).T.reshape(n, k // size, *places)
        channels = n if op == "ConvTranspose" else k // size
        node = helper.make_node(op, ["x", "w"], ["y"])
        return Site([node], w.copy(), {"x": wm.activations(random, 1, channels, 9)})

    return site


def _lstm(random: Random) -> Site:
    k, hidden = _sizes(random)
    w, r = (_weights(random, size, 4 * hidden).T[None].copy() for size in (k, hidden))
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=hidden)
    return Site([node], w, {"x": wm.activations(random, 4, 1, k)}, True, {"r": r})


def _moe(random: Random) -> Site:
    hidden, inner = (256 * int(random.integers(1, 3)) for _ in range(2))
    first, second = (
        np.stack([_weights(random, k, n).T for _ in range(3)])
        for k, n in [(hidden, inner), (inner, hidden)]
    )
    says = {"k": 2, "normalize_routing_weights": int(random.integers(2))}
    node = helper.make_node(
        "MoE", ["x", "r", "w", "", "v"], ["y"], None, None, "com.microsoft", None, **says
    )
    feeds = {"x": wm.activations(random, 4, hidden), "r": wm.activations(random, 4, 3)}
    return Site([node], first, feeds, True, {"v": second})


def _attention(random: Random) -> Site:
    k, heads = int(random.integers(3, 80)), int(random.integers(1, 4))
    size = 8 * heads
    node = helper.make_node(
        "Attention", ["x", "w", "b"], ["y"], None, None, "com.microsoft", None, num_heads=heads
    )
    constants = {"b": wm.activations(random, 3 * size)}
    x = wm.activations(random, 2, 5, k)
    return Site([node], _weights(random, k, 3 * size), {"x": x}, False, constants)


def _sum(random: Random) -> Site:
    k, n = _sizes(random)
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    return Site([node], _weights(random, k, n), {"x": np.ones((k, n), np.float32)})


SITES: dict[str, list[Callable[[Random], Site]]] = {
    "MatMul": [_product("MatMul")] * 3,
    "Gemm": [_product("Gemm"), _product("Gemm", transB=1)],
    "Einsum": [_product("Einsum", equation="ik,kn->in")],
    "Gather": [_gather] * 3,
    "Conv": [_conv("Conv", 1), _conv("Conv", 3)],
    "ConvTranspose": [_conv("ConvTranspose", 3)],
    "LSTM": [_lstm],
    "com.microsoft::MoE": [_moe] * 2,
    "com.microsoft::Attention": [_attention] * 2,
    "any other operator": [_sum],
}


def _parameters(word: str, random: Random) -> list[dict[str, Any]]:
    """Return some of all combinations of what stands beside the word."""
    known = [row["parameters"] for row in ROWS if row["word"] == word]
    values = {name: one["values"] for row in known for name, one in row.items()}
    combinations = [
        dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())
    ]
    for one in combinations:  # a scale is for a block or for a channel
        if {"block", "per_channel"} <= one.keys():
            del one[random.choice(["block", "per_channel"])]
    random.shuffle(combinations)
    return combinations[:COMBINATIONS]


def _spelt(word: str, parameters: dict[str, Any]) -> str:
    said = {name: str(value).lower() for name, value in parameters.items()}
    return "{" + ", ".join(f"{k}: {v}" for k, v in {"format": word, **said}.items()) + "}"


def _in_codes(model: Any, i: int) -> bool:
    return f"s{i}.w" not in {tensor.name for tensor in model.graph.initializer}


@pytest.mark.parametrize("word", WORDS)
def test_what_a_row_of_the_table_stores_is_near_the_weight(tmp_path: Path, word: str) -> None:
    random = np.random.default_rng(sum(map(ord, word)))
    rows = [row for row in ROWS if row["word"] == word]
    most = MOST_OF.get(word, MOST[rows[0]["bits"]])
    operators = list(dict.fromkeys(op for row in rows for op in row["operators"]))
    missing = [op for op in operators if op not in SITES]
    assert not missing, f"add sites of {missing}, so that they are tested"
    named = [op for op in SITES if op in operators]
    rule = "{op: [" + ", ".join({"any other operator": "Mul"}.get(op, op) for op in named) + "]}"
    stored = set()
    for number, parameters in enumerate(_parameters(word, random)):
        form = _spelt(word, parameters)
        sites, ops = [], []
        for op in named:
            sites += [make(random) for make in SITES[op]]
            ops += [op] * len(SITES[op])
        compute = "float32" if word.startswith("dynamic") else random.choice(["float32", "float16"])
        folder = tmp_path / str(number)
        folder.mkdir()
        model = wm.converted(folder, sites, _Form(form), str(compute), rule=rule)
        expected, found = wm.results(wm.build(sites), sites), wm.results(model, sites)
        for i, op in enumerate(ops):
            where = f"{form}, {compute}, site {i}: {op} {sites[i].weight.shape}"
            y, got = expected[f"s{i}.y"], found[f"s{i}.y"]
            assert y.shape == got.shape, where
            assert np.isfinite(got).all(), where
            assert np.abs(got[y == 0]).max(initial=0) <= 1e-6 * np.abs(y).max(), where
            error = np.linalg.norm(got - y) / np.linalg.norm(y)
            assert error <= (most if _in_codes(model, i) else 2e-3), (where, error)
            if _in_codes(model, i):
                stored.add(op)
    for row in rows:
        assert stored & set(row["operators"]), row["form"]


class _Form:
    """A format in the words of a policy."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text
