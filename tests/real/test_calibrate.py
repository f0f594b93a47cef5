"""Statistics of the real model: what numpy makes of ONNX Runtime's inner values, too."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from safetensors.numpy import load_file

TOKENS = 300  # more than one step reads
OBSERVED = (
    "/model/layers.0/input_layernorm/output_0",
    "/model/layers.7/attn/GroupQueryAttention/output_0",
    "/model/layers.17/mlp/Mul/output_0",
)


def _run(binary: Path, *arguments: str | Path) -> dict[str, Any]:
    command = [str(binary), "calibrate", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _values(gemma: Path, tokens: list[int]) -> dict[str, Any]:
    """Return what is observed, as ONNX Runtime's Python interface gives it in one step."""
    model = onnx.load(gemma, load_external_data=False)
    for name in OBSERVED:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(gemma.parent)
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    count = len(tokens)
    feeds: dict[str, Any] = {
        "input_ids": np.array([tokens]),
        "attention_mask": np.ones((1, count), np.int64),
        "position_ids": np.arange(count)[None],
    }
    for value in session.get_inputs():
        if value.name.startswith("past_key_values"):
            feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
    given = session.run(OBSERVED, {i.name: feeds[i.name] for i in session.get_inputs()})
    return dict(zip(OBSERVED, given, strict=True))


def test_the_sums_are_those_of_the_inner_values(binary: Path, gemma: Path, scratch: Path) -> None:
    tokens = [
        2,
        *(int(i) for i in np.random.default_rng(0).integers(5, 50_000, TOKENS - 1)),
    ]
    path = scratch / "calibrate.txt"
    path.write_text(" ".join(map(str, tokens)))
    out = scratch / "calibrate.safetensors"
    summary = _run(binary, gemma, "--tokens", path, "-o", out)
    # Four for each of 18 layers, and what the head reads.
    assert len(summary["values"]) == 73
    assert summary["not_observed"] == []
    found = load_file(out)
    for name, value in _values(gemma, tokens).items():
        rows = value.reshape(-1, value.shape[-1]).astype(np.float64)
        sums = rows.T @ rows
        scale = np.sqrt(np.outer(np.diag(sums), np.diag(sums))) + 1e-9
        assert int(found[f"count/{name}"]) == TOKENS
        assert (np.abs(found[f"moments/{name}"] - sums) / scale).max() < 1e-4, name


def test_it_writes_text_and_reads_it_at_once(binary: Path, gemma: Path, scratch: Path) -> None:
    out = scratch / "own.safetensors"
    summary = _run(binary, gemma, "--sequences", "8", "--length", "16", "-o", out)
    assert summary["metadata"]["tokens"] == "128"
    assert {value["rows"] for value in summary["values"]} == {128}
    # Each text begins with <bos>, whose row is the largest by far where the attention sinks.
    assert np.isfinite(load_file(out)[f"moments/{OBSERVED[2]}"]).all()
