"""The examples for other exporters: what they export still answers as the original does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxquant
import onnxruntime as ort
import pytest
import torch
from genai_folder import convert as convert_genai
from olive_pass import convert as convert_olive
from optimum_export import export as export_optimum
from torch_export import Attention
from torch_export import export as export_torch
from transformers import AutoModel, AutoModelForCausalLM

Checkpoint = Callable[[str], Path]
Floats = npt.NDArray[np.floating[Any]]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "exporters"


def _run(path: Path, feeds: dict[str, Any]) -> list[Floats]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def _error(found: Floats, expected: torch.Tensor) -> float:
    """Return the distance as a share of the expected vector's length."""
    wanted = expected.detach().numpy().astype(np.float64)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _types(path: Path) -> set[int]:
    graph = onnx.load(path, load_external_data=False).graph
    return {tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}


def test_a_module_that_torch_exports_is_converted_without_a_file_between(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, x = Attention(), torch.randn(2, 5, 64)
    export_torch(module, x, tmp_path)
    other = torch.randn(3, 7, 64)  # other sizes than those that it was traced with
    errors = [
        _error(_run(tmp_path / f"model_{dtype}.onnx", {"x": other.numpy()})[0], module(other))
        for dtype in ("fp16", "q4f16")
    ]
    print("torch: relative error of fp16, q4f16:", errors)
    assert 0 < errors[0] < 2e-3 < errors[1] < 0.2
    assert not list(tmp_path.glob("model.onnx*"))


def test_an_optimum_folder_of_an_encoder_is_converted(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    bert = checkpoint("bert")
    report = export_optimum(bert, tmp_path / "out", "feature-extraction", "fp16")
    ids = torch.tensor([[1, 5, 9, 12, 2]])
    feeds = {
        "input_ids": ids.numpy(),
        "attention_mask": np.ones((1, 5), np.int64),
        "token_type_ids": np.zeros((1, 5), np.int64),
    }
    expected = AutoModel.from_pretrained(bert)(ids).last_hidden_state
    error = _error(_run(report.paths["fp16"], feeds)[0], expected)
    print("optimum, BERT: relative error of fp16:", error)
    assert 0 < error < 5e-3
    assert onnx.TensorProto.FLOAT16 in _types(report.paths["fp16"])


def test_an_optimum_folder_of_a_decoder_with_caches_is_converted(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    llama = checkpoint("llama")
    report = export_optimum(llama, tmp_path / "out", "text-generation-with-past", "q4f16")
    path = report.paths["q4f16"]
    assert path.parent.name == "onnx"
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["transformers.js_config"]["kv_cache_dtype"]["q4f16"] == "float16"
    ids = torch.tensor([[1, 5, 9, 12, 33, 40]])
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds: dict[str, Any] = {
        "input_ids": ids.numpy(),
        "attention_mask": np.ones((1, 6), np.int64),
        "position_ids": np.arange(6, dtype=np.int64)[None],
    }
    wanted = {value.name: value for value in session.get_inputs()}
    feeds = {name: array for name, array in feeds.items() if name in wanted}
    for name, value in wanted.items():
        if name not in feeds:
            dtype = np.float16 if value.type == "tensor(float16)" else np.float32
            feeds[name] = np.zeros((1, 2, 0, 16), dtype)
    expected = AutoModelForCausalLM.from_pretrained(llama)(ids).logits
    error = _error(session.run(["logits"], feeds)[0], expected)
    print("optimum, Llama: relative error of q4f16:", error)
    assert 1e-3 < error < 0.35  # of weights that have nothing to lose


@pytest.mark.parametrize(
    ("family", "file"),
    [
        *((family, "model.onnx") for family in ("bert", "llama", "qwen2", "gpt2")),
        *(("t5", f"{part}_model.onnx") for part in ("encoder", "decoder", "decoder_with_past")),
        ("t5", "decoder_model_merged.onnx"),
    ],
)
def test_the_stream_of_an_exported_model_is_rescaled(
    family: str, file: str, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    """Bit for bit as before: a power of two, which the norms take out again."""
    fields = {"compute": "float32", "weights": "float32", "io": "float32"}
    output = {**fields, "residual": {"rescale": 6}}
    policy = {"policy": 1, "name": "rescaled", "outputs": {"fp32": output}}
    model = exported(family) / file
    report = onnxquant.quantize(model, policy, output=tmp_path)
    print(family, file, report.output("fp32")["residual"])
    assert "2^-6" in report.output("fp32")["residual"]
    verified = onnxquant.verify(model, report.paths["fp32"], [3, 10, 17, 24, 31, 38, 45, 52])
    found = verified.results[0]
    errors = [row["max_error"] for row in found.get("outputs", [])]
    errors += [found["language"]["largest_logit_error"]] if "language" in found else []
    assert errors and max(errors) == 0


def _generate(folder: Path, prompt: list[int], count: int) -> list[int]:
    """Write greedily with onnxruntime-genai."""
    import onnxruntime_genai as og

    model = og.Model(str(folder))
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(max_length=len(prompt) + count, do_sample=False)
    generator = og.Generator(model, parameters)
    generator.append_tokens(np.array([prompt], np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    return [int(token) for token in generator.get_sequence(0)]


@pytest.mark.parametrize(("policy", "dtype"), [("fp16", "fp16"), ("q4", "q4")])
def test_a_genai_folder_answers_as_before(
    policy: str, dtype: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    built = tmp_path / "built"
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
    command += ["-p", "fp32", "-e", "cpu", "-c", str(tmp_path / "cache")]
    command += ["-i", str(checkpoint("llama")), "-o", str(built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    convert_genai(built, tmp_path / "made", policy, dtype)
    assert not (tmp_path / "made" / "model.onnx").exists()
    prompt = [1, 5, 9, 12]
    before = _generate(built, prompt, 12)
    after = _generate(tmp_path / "made", prompt, 12)
    print(f"genai, {dtype}:", before, after)
    assert len(before) > len(prompt)
    # Random four-bit weights part at some near tie; the prompt and the first token are none.
    same = len(before) if dtype == "fp16" else len(prompt) + 1
    assert after[:same] == before[:same]


def test_a_workflow_of_olive_runs_the_pass(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(0, 0.1, (64, 64)).astype(np.float32)
    text = '<ir_version: 10, opset_import: ["": 21]> g (float[n,64] x) => (float[n,64] y)'
    model = onnx.parser.parse_model(text + " { y = MatMul(x, W) }")
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "W"))
    onnx.save(model, tmp_path / "model.onnx")
    path = convert_olive(tmp_path / "model.onnx", tmp_path / "out", "q4", "q4")
    assert path.parent == tmp_path / "out"
    assert [node.op_type for node in onnx.load(path).graph.node] == ["MatMulNBits"]
    x = np.ones((2, 64), np.float32)
    error = _error(_run(path, {"x": x})[0], torch.from_numpy(x @ weight))
    print("olive: relative error of q4:", error)
    assert 0 < error < 0.3


@pytest.mark.parametrize("name", ["torch_export", "optimum_export", "genai_folder", "olive_pass"])
def test_the_readme_names_each_example(name: str) -> None:
    assert f"{name}.py" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
