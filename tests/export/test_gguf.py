"""From a GGUF file: the community's graph, which computes what Gemma 3 computes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnxquant.export.checkpoint import tensor
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant_tools.export_gemma import main
from onnxquant_tools.initializers import read_initializers
from onnxquant_tools.session import CausalModel

Checkpoint = Callable[..., Path]
TOKENS = [2, 7, 41, 3, 9, 9, 30]
Array = npt.NDArray[np.float64]


def _export(checkpoint: Path, out: Path, *options: str) -> Path:
    assert main(["--gguf", str(checkpoint), "--out", str(out), *options]) == 0
    return out / "onnx" / "model.onnx"


def _norm(x: Array, gain: Array) -> Array:
    mean: Array = (x * x).mean(-1, keepdims=True)
    return x / np.sqrt(mean + 1e-6) * gain


def _rotate(x: Array, base: float) -> Array:
    """Rotate [heads, positions, dim] by position, the halves of a vector paired."""
    half = x.shape[-1] // 2
    angles = np.outer(np.arange(x.shape[1]), base ** (-np.arange(half) / half))
    a, b = x[..., :half], x[..., half:]
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.concatenate([a * cosine - b * sine, b * cosine + a * sine], axis=-1)


def _gemma(path: Path, tokens: list[int]) -> Array:
    """Compute Gemma 3's logits in float64, straight from its definition, for a short context."""
    source = GgufCheckpoint(path)
    c = source.config

    def weight(name: str) -> Array:
        return tensor(source, f"{name}.weight").astype(np.float64)

    x = weight("model.embed_tokens")[tokens] * np.sqrt(c.hidden)
    count = len(tokens)
    for i in range(c.layers):
        block = f"model.layers.{i}"
        base = c.rope_base if c.is_global(i) else 10000.0
        y = _norm(x, weight(f"{block}.input_layernorm"))
        q, k, v = (
            (y @ weight(f"{block}.self_attn.{part}_proj").T)
            .reshape(count, -1, c.head_dim)
            .swapaxes(0, 1)
            for part in "qkv"
        )
        q = _rotate(_norm(q, weight(f"{block}.self_attn.q_norm")), base)
        k = _rotate(_norm(k, weight(f"{block}.self_attn.k_norm")), base)
        scores = q @ k.swapaxes(-1, -2) * c.query_scalar**-0.5
        scores = np.exp(np.where(np.tri(count) == 1, scores, -np.inf))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        y = mixed.swapaxes(0, 1).reshape(count, -1) @ weight(f"{block}.self_attn.o_proj").T
        x = x + _norm(y, weight(f"{block}.post_attention_layernorm"))
        y = _norm(x, weight(f"{block}.pre_feedforward_layernorm"))
        gate = y @ weight(f"{block}.mlp.gate_proj").T
        gate = gate / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
        y = (gate * (y @ weight(f"{block}.mlp.up_proj").T)) @ weight(f"{block}.mlp.down_proj").T
        x = x + _norm(y, weight(f"{block}.post_feedforward_layernorm"))
    head = weight("model.embed_tokens" if c.tied else "lm_head")
    logits: Array = _norm(x, weight("model.norm")) @ head.T
    return logits


@pytest.mark.parametrize("tied", [True, False])
def test_the_exported_model_computes_gemmas_logits(
    tied: bool, tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint(tied=tied)
    model = CausalModel(_export(checkpoint, tmp_path / "out"), "cpu")
    np.testing.assert_allclose(model.step(TOKENS), _gemma(checkpoint, TOKENS), atol=2e-4)


def test_the_cache_gives_the_logits_of_one_pass(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    model = CausalModel(_export(tiny_checkpoint(), tmp_path / "out"), "cpu")
    whole = model.step(TOKENS)
    model.reset()
    parts = np.concatenate(
        [model.step(TOKENS[:3]), model.step(TOKENS[3:4]), model.step(TOKENS[4:])]
    )
    np.testing.assert_allclose(parts, whole, atol=1e-4)


def test_the_last_position_alone_has_the_logits_it_has_among_all(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint()
    every = CausalModel(_export(checkpoint, tmp_path / "all"), "cpu").step(TOKENS)
    last = CausalModel(_export(checkpoint, tmp_path / "last", "--logits", "last"), "cpu")
    np.testing.assert_array_equal(last.step(TOKENS), every[-1:])


def test_the_graph_has_the_community_exporters_names_and_versions(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = _export(tiny_checkpoint(), tmp_path / "out")
    model = onnx.load(path, load_external_data=False)
    assert model.ir_version == 10
    assert {o.domain: o.version for o in model.opset_import} == {"": 21, "com.microsoft": 1}
    names = {node.name for node in model.graph.node}
    assert {
        "/model/embed_tokens/Mul",
        "/model/layers.0/attn/q_proj/MatMul",
        "/model/layers.6/Add_2",
        "/model/final_norm",
        "/lm_head/Transpose",
    } <= names
    assert len(names) == len(model.graph.node)
    weights = dict(read_initializers(path))
    assert weights["model.layers.0.attn.q_proj.MatMul.weight"].shape == (64, 64)
    assert weights["cos_cache_global"].shape == weights["sin_cache_local"].shape == (128, 16)
    assert {w.location for w in weights.values()} == {"model.onnx_data"}


def test_the_folder_has_the_configuration_that_web_runtimes_read(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    _export(tiny_checkpoint(), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "gemma3_text"
    assert config["layer_types"].index("full_attention") == 5
    assert config["transformers.js_config"]["use_external_data_format"] == {"model.onnx": 1}
    assert (tmp_path / "out" / "generation_config.json").is_file()


def test_an_existing_folder_is_replaced_only_by_force(
    tiny_checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tiny_checkpoint()
    _export(checkpoint, tmp_path / "out")
    arguments = ["--gguf", str(checkpoint), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0


def test_a_checkpoint_of_another_architecture_is_refused_and_nothing_is_written(
    tiny_checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tiny_checkpoint(architecture="llama")
    assert main(["--gguf", str(checkpoint), "--out", str(tmp_path / "out")]) == 2
    assert "'llama', expected 'gemma3'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_reading_a_gguf_needs_neither_safetensors_nor_onnx(tiny_checkpoint: Checkpoint) -> None:
    # The environment that runs models on WebGPU holds no safetensors.
    code = (
        "import sys; sys.modules.update(safetensors=None, onnx=None, onnx_ir=None);"
        "from pathlib import Path; from onnxquant.export.gguf_checkpoint import GgufCheckpoint;"
        f"print(GgufCheckpoint(Path({str(tiny_checkpoint())!r})).config.bos)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
