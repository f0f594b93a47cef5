"""verify --layers: the errors of inner values, beside numpy's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from program import run

TOKENS = np.random.default_rng(3).integers(0, 50, 24)


@pytest.fixture(scope="module")
def rescaled(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small Gemma in 4 bits, its residual stream an eighth.

    In float32, where it makes no difference which values are given out, kernels are fused or not.
    """
    folder = tmp_path_factory.mktemp("layers")
    (folder / "policy.yaml").write_text(
        "policy: 1\nname: test\n"
        "outputs:\n  q4: {compute: float32, io: float32, "
        "weights: {format: int4, block: 32, symmetric: true}, accuracy_level: 1}\n"
        "rules: [{match: {role: residual}, residual: {rescale: 3}}]\n"
    )
    done = run(
        *("--policy", folder / "policy.yaml", "-o", folder),
        *("--no-config", exported / "onnx" / "model.onnx"),
    )
    assert done.returncode == 0, done.stderr
    np.save(folder / "tokens.npy", TOKENS)
    return folder


def _values(path: Path, names: list[str]) -> list[npt.NDArray[np.float64]]:
    """Run the model once, with an empty cache, and return these values."""
    model = onnx.load(path)
    outputs = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in outputs)
    traced = path.with_name("traced.onnx")
    onnx.save(model, traced)
    session: Any = ort.InferenceSession(traced, providers=["CPUExecutionProvider"])
    count = len(TOKENS)
    feeds = {
        "input_ids": TOKENS.reshape(1, -1),
        "attention_mask": np.ones((1, count), np.int64),
        "position_ids": np.arange(count).reshape(1, -1),
    }
    for i in session.get_inputs():
        if i.name.startswith("past_key_values."):
            half = np.float16 if "16" in i.type else np.float32
            feeds[i.name] = np.zeros((1, i.shape[1], 0, i.shape[3]), half)
    given = {i.name for i in session.get_inputs()}
    results = session.run(names, {k: v for k, v in feeds.items() if k in given})
    return [np.asarray(result, np.float64) for result in results]


def test_the_errors_of_inner_values_equal_numpys(exported: Path, rescaled: Path) -> None:
    reference, candidate = exported / "onnx" / "model.onnx", rescaled / "model_q4.onnx"
    tokens = ("--tokens", rescaled / "tokens.npy")
    done = run("verify", reference, candidate, *tokens, "--layers", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["results"][0]
    values = result["values"]
    names = [value["name"] for value in values]
    assert len(values) > 50
    assert "logits" in names
    scaled = 0
    for value, right, found in zip(
        values, _values(reference, names), _values(candidate, names), strict=True
    ):
        scale = value.get("scale", 1)
        scaled += scale != 1
        noise = ((right - scale * found) ** 2).sum()
        if noise == 0:
            assert value["sqnr_db"] == 200, value
            continue
        expected = 10 * np.log10((right**2).sum() / noise)
        assert value["sqnr_db"] == pytest.approx(expected, abs=1e-3), value
        cosine = (right * found).sum() / np.sqrt((right**2).sum() * (found**2).sum())
        assert value["cosine"] == pytest.approx(cosine, abs=1e-6), value
        assert value["elements"] == right.size
    # The stream itself: the embedding and two sums a layer.
    assert scaled >= 2 * len([row for row in result["layers"] if row["layer"] is not None])
    assert all(value.get("scale", 8) == 8 for value in values)


def test_the_table_shows_every_layer(exported: Path, rescaled: Path) -> None:
    reference, candidate = exported / "onnx" / "model.onnx", rescaled / "model_q4.onnx"
    tokens = ("--tokens", rescaled / "tokens.npy")
    plain = run("verify", reference, candidate, *tokens)
    assert "inside" not in plain.stdout
    done = run("verify", reference, candidate, *tokens, "--layers")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.split(", inside:\n")[1].splitlines()
    layers = [row.split()[0] for row in rows[2:] if row]
    config = json.loads((exported / "config.json").read_text())
    assert layers == [*(str(i) for i in range(config["num_hidden_layers"])), "-"]
