"""The real model's rotary tables, computed when it is loaded: smaller, and the same answers."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnxquant_tools.initializers import read_initializers
from real_model import PROMPT, Convert, Generate

FILE = "model_q4f16.onnx"
TABLES = ["cos_cache_local", "sin_cache_local", "cos_cache_global", "sin_cache_global"]


@pytest.fixture(scope="module")
def computed(convert: Convert) -> Path:
    """Return gemma-small's file, whose tables are computed."""
    return convert("gemma-small") / FILE


@pytest.fixture(scope="module")
def stored(binary: Path, gemma: Path, scratch: Path) -> Path:
    """Return the same file with its tables stored."""
    folder = scratch / "rope_cache"
    folder.mkdir()
    rule = "match: {role: rope}, rope_cache: keep"
    command = [binary, "--policy", "gemma-small", "--set", rule, "-o", folder, gemma]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tables computed" not in done.stdout
    return folder / FILE


def _bytes(path: Path) -> int:
    return path.stat().st_size + path.with_name(f"{path.name}_data").stat().st_size


def _logits(path: Path, first: int) -> npt.NDArray[np.float32]:
    """Return the logits of the prompt where its first token has this position."""
    session: Any = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    positions = np.arange(first, first + len(PROMPT))[None]
    feeds = {
        "input_ids": np.array([PROMPT], np.int64),
        "attention_mask": np.ones((1, len(PROMPT)), np.int64),
        "position_ids": positions.astype(np.int64),
    }
    for value in session.get_inputs():
        if value.name.startswith("past_key_values."):
            feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float16)
    return np.asarray(session.run(["logits"], feeds)[0], np.float32)


def test_the_file_is_smaller_by_its_tables(computed: Path, stored: Path) -> None:
    print("bytes", _bytes(stored), "→", _bytes(computed))
    assert computed.with_name(f"{FILE}_data").stat().st_size <= 156_000_000
    assert _bytes(stored) - _bytes(computed) > 33_500_000


def test_the_runtime_makes_the_tables_that_were_stored(
    computed: Path, gemma: Path, tmp_path: Path
) -> None:
    graph = onnx.load(computed, load_external_data=False).graph
    nodes = [n for n in graph.node if n.name.startswith(tuple(TABLES))]
    outputs = [onnx.helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in TABLES]
    frequencies = [t for t in graph.initializer if t.name.endswith("_frequencies")]
    assert len(frequencies) == 2
    tables = onnx.helper.make_graph(nodes, "tables", [], outputs, frequencies)
    opsets = [onnx.helper.make_opsetid("", 21)]
    onnx.save(
        onnx.helper.make_model(tables, opset_imports=opsets, ir_version=10),
        tmp_path / "m",
    )
    session: Any = ort.InferenceSession(tmp_path / "m", providers=["CPUExecutionProvider"])
    stored = dict(read_initializers(gemma))
    differing = 0
    for name, made in zip(TABLES, session.run(TABLES, {}), strict=True):
        before = stored[name].data.view(np.float32).reshape(made.shape)
        assert np.abs(made - before).max() <= 1.2e-7
        differing += int((made.astype(np.float16) != before.astype(np.float16)).sum())
    print("values that differ in float16:", differing)
    assert differing < 1000


@pytest.mark.parametrize("first", [0, 30_000])
def test_logits_are_those_of_stored_tables(computed: Path, stored: Path, first: int) -> None:
    ours, theirs = _logits(computed, first), _logits(stored, first)
    print("largest difference of logits:", np.abs(ours - theirs).max())
    assert np.abs(ours - theirs).max() <= 0.01
    assert np.abs(theirs).max() > 10


def test_a_published_files_float16_tables_are_computed_too(
    binary: Path, stored: Path, scratch: Path
) -> None:
    """From their rounded values; all else stays as it is."""
    folder = scratch / "rope_cache_of_half"
    folder.mkdir()
    policy = folder / "p.yaml"
    fields = "compute: source, weights: source, io: source, rope_cache: computed"
    policy.write_text(f"policy: 1\nname: p\noutputs:\n  q4f16: {{{fields}}}\n")
    command = [binary, "--policy", policy, "-o", folder, stored]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 tables computed from 2 sets of frequencies" in done.stdout
    assert _bytes(stored) - _bytes(folder / FILE) > 33_500_000
    difference = np.abs(_logits(folder / FILE, 30_000) - _logits(stored, 30_000)).max()
    print("largest difference of logits:", difference)
    assert difference <= 0.01


def test_webgpu_answers_as_with_stored_tables(
    computed: Path, stored: Path, generate: Generate
) -> None:
    ours, theirs = generate(computed, "webgpu"), generate(stored, "webgpu")
    print(ours["text"], ours["load_seconds"], "s; stored", theirs["load_seconds"], "s")
    assert ours["tokens"] == theirs["tokens"]
    assert ours["nan"] == ours["inf"] == 0
