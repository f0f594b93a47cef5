"""The folder that an export writes, from safetensors that the tests write themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxquant.export import CheckpointError, ConversionError, gemma3
from onnxquant.export import row_chunks as chunking
from onnxquant.export.__main__ import main
from onnxquant.export.checkpoint import EMBEDDING, HEAD
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant.export.safetensors_file import SafetensorsFile
from onnxquant_tools.initializers import read_initializers
from onnxquant_tools.product import program
from onnxquant_tools.session import CausalModel
from safetensors_writer import write_folder, write_safetensors, write_tensors

Checkpoint = Callable[..., Path]
pytestmark = pytest.mark.filterwarnings("ignore:no tokenizer.json")


@pytest.fixture
def folder(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """Return a tied checkpoint of safetensors."""
    return write_folder(tmp_path / "checkpoint", GgufCheckpoint(tiny_checkpoint()))


def _tensors(folder: Path) -> dict[str, Any]:
    file = SafetensorsFile(folder / "model.safetensors")
    return {name: np.concatenate(list(file.row_chunks(name))) for name in file.tensors}


def _data(model: Path) -> bytes:
    return model.with_name("model.onnx_data").read_bytes()


@pytest.mark.parametrize("tied", [True, False])
def test_gguf_and_safetensors_of_the_same_weights_give_the_same_bytes(
    tied: bool, tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tiny_checkpoint(tied=tied)
    folder = write_folder(tmp_path / "checkpoint", GgufCheckpoint(path))
    first, second = gemma3(path, tmp_path / "a"), gemma3(folder, tmp_path / "b")
    assert first.tied == second.tied == tied
    for name in ("onnx/model.onnx", "onnx/model.onnx_data", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_matrices_that_come_in_chunks_give_the_same_bytes(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_checkpoint(tied=False)
    whole = gemma3(path, tmp_path / "a").models["fp32"]
    # 10 rows of 64: no matrix divides evenly.
    monkeypatch.setattr(chunking, "CHUNK_BYTES", 2560)
    assert _data(gemma3(path, tmp_path / "b").models["fp32"]) == _data(whole)


def test_data_files_stay_below_the_limit_and_are_named_for_transformers_js(
    folder: Path, tmp_path: Path
) -> None:
    whole = CausalModel(gemma3(folder, tmp_path / "whole").models["fp32"], "cpu").step([2, 7, 9])
    model = gemma3(folder, tmp_path / "out", shard_bytes=300_000).models["fp32"]
    sizes = {p.name: p.stat().st_size for p in model.parent.iterdir() if p != model}
    assert set(sizes) == {
        "model.onnx_data",
        *(f"model.onnx_data_{i}" for i in range(1, len(sizes))),
    }
    assert len(sizes) > 2
    assert max(sizes.values()) <= 300_000
    assert {weight.location for _, weight in read_initializers(model)} == set(sizes)
    config = json.loads((tmp_path / "out" / "config.json").read_text())["transformers.js_config"]
    assert config["use_external_data_format"] == {"model.onnx": len(sizes)}
    np.testing.assert_array_equal(CausalModel(model, "cpu").step([2, 7, 9]), whole)


@pytest.mark.parametrize(("claimed", "equal"), [(True, False), (False, True), (True, True)])
def test_the_weights_decide_on_the_tie(
    claimed: bool, equal: bool, folder: Path, tmp_path: Path
) -> None:
    tensors = _tensors(folder)
    tensors[HEAD] = tensors[EMBEDDING].copy()
    if not equal:
        tensors[HEAD][-1, -1] += 1  # The last of all: the comparison goes to the end.
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": claimed}
    changed = write_tensors(tmp_path / "changed", tensors, config)
    with pytest.warns(UserWarning) as caught:
        done = gemma3(changed, tmp_path / "out")
    assert done.tied == equal
    assert any("tie_word_embeddings" in str(w.message) for w in caught) == (claimed != equal)
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["tie_word_embeddings"] is equal
    graph = onnx.load(done.models["fp32"], load_external_data=False).graph
    assert any(n.name == "/lm_head/Transpose" for n in graph.node) == equal


def test_a_head_that_is_missing_is_not_made_up(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="the head is missing"):
        gemma3(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_input_says_how_many_logits(folder: Path, tmp_path: Path) -> None:
    every = CausalModel(gemma3(folder, tmp_path / "all").models["fp32"], "cpu")
    expected = every.step([2, 7, 41, 3])
    path = gemma3(folder, tmp_path / "out", logits="input").models["fp32"]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds: dict[str, Any] = {
        "input_ids": np.array([[2, 7, 41, 3]]),
        "attention_mask": np.ones((1, 4), np.int64),
        "position_ids": np.arange(4).reshape(1, -1),
    }
    for i in session.get_inputs():
        if i.name.startswith("past"):
            feeds[i.name] = np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32)
    for kept in (0, 1, 3):
        (logits,) = session.run(["logits"], feeds | {"num_logits_to_keep": np.array(kept)})
        np.testing.assert_allclose(logits[0], expected[-kept:], atol=1e-5)


def test_tokenizer_and_generation_files_are_copied_and_their_lack_is_said(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=r"no tokenizer.json"):
        gemma3(folder, tmp_path / "without")
    names = ["tokenizer.json", "tokenizer.model", "chat_template.jinja", "generation_config.json"]
    for name in names:
        (folder / name).write_text(f"of {name}")
    (folder / "optimizer.pt").write_text("no part of the model")
    done = gemma3(folder, tmp_path / "with")
    assert done.notes == []
    assert {p.name for p in (tmp_path / "with").iterdir()} == {*names, "config.json", "onnx"}
    assert (tmp_path / "with" / "tokenizer.json").read_text() == "of tokenizer.json"


def test_one_call_writes_the_quantized_models_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONNXQUANT", str(program()))
    done = gemma3(folder, tmp_path / "out", quantize=["fp16", "q4f16"], policy="gemma-safe")
    assert list(done.models) == ["fp32", "fp16", "q4f16"]
    assert all(path.is_file() for path in done.models.values())
    config = json.loads((tmp_path / "out" / "config.json").read_text())["transformers.js_config"]
    assert set(config["use_external_data_format"]) == {p.name for p in done.models.values()}
    logits = [CausalModel(done.models[d], "cpu").step([2, 7, 41]) for d in ("fp32", "fp16")]
    np.testing.assert_allclose(logits[1], logits[0], atol=2e-2)


def test_a_conversion_that_fails_leaves_nothing_and_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONNXQUANT", str(program()))
    with pytest.raises(ConversionError, match="no-such-policy"):
        gemma3(folder, tmp_path / "out", quantize=["fp16"], policy="no-such-policy")
    monkeypatch.setenv("ONNXQUANT", str(tmp_path / "absent"))
    with pytest.raises(ConversionError, match="cannot be started"):
        gemma3(folder, tmp_path / "out", quantize=["fp16"])
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_force_replaces_an_earlier_export(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    gemma3(folder, out)
    for name in ("tokenizer.json", "onnx/model_fp16.onnx", "onnx/model_fp16.onnx_data_1"):
        (out / name).write_text("written since")
    gemma3(folder, out, force=True)
    assert sorted(path.name for path in (out / "onnx").iterdir()) == [
        "model.onnx",
        "model.onnx_data",
    ]


@pytest.mark.parametrize("foreign", ["thesis.txt", "onnx/notes.md", "more/config.json", ".git/x"])
def test_force_never_removes_what_no_export_has_written(
    foreign: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    gemma3(folder, out)
    (out / foreign).parent.mkdir(exist_ok=True)
    (out / foreign).write_text("precious")
    with pytest.raises(FileExistsError, match="which no export has written"):
        gemma3(folder, out, force=True)
    assert (out / foreign).read_text() == "precious"


def test_force_never_removes_the_checkpoint_or_the_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for out in (folder, folder.parent):
        with pytest.raises(FileExistsError, match="which would be lost"):
            gemma3(folder, out, force=True)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(FileExistsError, match="which would be lost"):
        gemma3(folder, ".", force=True)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError, match="is a file"):
        gemma3(folder, tmp_path / "file", force=True)
    assert (folder / "model.safetensors").is_file()
    assert (tmp_path / "file").read_text() == "precious"


def test_the_command_line_exports_and_refuses(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(folder), str(out), "--logits", "last"]) == 0
    said = capsys.readouterr()
    assert "bytes of weights" in said.out
    assert "note: no tokenizer.json" in said.err
    assert main([str(folder), str(out)]) == 1
    assert "pass --force" in capsys.readouterr().err
    assert main([str(tmp_path / "absent"), str(out), "--force"]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert (out / "onnx" / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("model.layers.0.mlp.up_proj.weight", (96, 65), r"has shape \[96, 65\], expected \[96, 64"),
        ("model.layers.2.self_attn.q_norm.weight", (31,), r"shape \[31\], expected \[32\]"),
        ("model.layers.7.mlp.up_proj.weight", (96, 64), "has no place in Gemma 3's text graph"),
        ("model.layers.0.self_attn.q_proj.bias", (64,), "has no place in Gemma 3's text graph"),
        (HEAD, (51, 64), r"has shape \[51, 64\], expected that of 'model.embed_tokens.weight'"),
        (EMBEDDING, None, "'model.embed_tokens.weight' is missing"),
        ("model.norm.weight", None, "'model.norm.weight' is missing"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    name: str, shape: tuple[int, ...] | None, message: str, folder: Path, tmp_path: Path
) -> None:
    tensors = _tensors(folder)
    if shape is None:
        del tensors[name]
    else:
        tensors[name] = np.zeros(shape, np.float32)
    write_safetensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=message):
        gemma3(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_multimodal_checkpoint_gives_its_text_model(folder: Path, tmp_path: Path) -> None:
    plain = gemma3(folder, tmp_path / "plain").models["fp32"]
    text = json.loads((folder / "config.json").read_text())
    for number, prefix in enumerate(["language_model.model.", "model.language_model."]):
        tensors = {n.replace("model.", prefix, 1): t for n, t in _tensors(folder).items()}
        tensors["vision_tower.patch.weight"] = np.zeros((2, 2), np.float32)
        config = {"model_type": "gemma3", "text_config": text}
        both = write_tensors(tmp_path / f"both{number}", tensors, config)
        with pytest.warns(UserWarning, match="the image side is left out, 1 tensors"):
            done = gemma3(both, tmp_path / f"out{number}")
        assert _data(done.models["fp32"]) == _data(plain)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"w": "../x.safetensors"}}, "is a path, expected a name"),
        ({"weight_map": {"w": "model.safetensors"}}, "is not in 'model.safetensors'"),
        ({"weight_map": {"w": "absent.safetensors"}}, "absent.safetensors: cannot be read"),
        ({}, "no 'weight_map'"),
        ({"weight_map": {EMBEDDING: "model.safetensors"}}, "is not in model.safetensors.index"),
    ],
)
def test_a_false_index_is_refused(index: Any, message: str, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=message):
        gemma3(folder, tmp_path / "out")


def test_a_folder_without_weights_and_one_with_two_gguf_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(CheckpointError, match=r"neither model.safetensors nor"):
        gemma3(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.gguf").touch()
    with pytest.raises(CheckpointError, match="not a readable GGUF file"):
        gemma3(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "b.gguf").touch()
    with pytest.raises(CheckpointError, match=r"2 .gguf files"):
        gemma3(tmp_path / "in", tmp_path / "out")
