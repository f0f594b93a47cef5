"""The exported model gives the logits that transformers and peft give, through its cache too."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnxquant.export import gemma3
from onnxquant.export.pipeline import Exported
from onnxquant_tools.product import program
from onnxquant_tools.session import CausalModel

Array = npt.NDArray[np.float32]

CASES = {
    "tied": True, "untied": False, "sharded": True, "bfloat16": True, "scaled": True,
    "kinds": True, "trained_head": False, "lora": True, "lora_rslora": True,
    "lora_patterns": True, "lora_head": False, "lora_saved_embedding": False,
    "lora_on_embedding": False, "lora_on_head": False, "lora_tied": True, "lora_norms": True,
}  # fmt: skip
# What a fine-tune trained: without it the logits are elsewhere.
TRAINED = [name for name in CASES if name.startswith(("lora", "trained"))]


def _export(case: Path, out: Path, **options: object) -> Exported:
    adapter = case / "adapter"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gemma3(
            case / "model", out, adapter=adapter if adapter.is_dir() else None,
            **options,  # type: ignore[arg-type]
        )  # fmt: skip


def _relative(found: Array, expected: Array) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(name: str, references: Path, tmp_path: Path) -> None:
    done = _export(references / name, tmp_path / "out")
    assert done.tied == CASES[name]
    model = CausalModel(done.models["fp32"], "cpu")
    tokens, expected = np.load(references / "tokens.npy"), np.load(references / name / "logits.npy")
    assert _relative(model.step(tokens), expected) < 5e-6
    model.reset()
    first = model.step(tokens[:5])
    rest = [model.step(tokens[i : i + 1]) for i in range(5, len(tokens))]
    assert _relative(np.concatenate([first, *rest]), expected) < 5e-6


@pytest.mark.parametrize("name", ["tied", "untied", *TRAINED])
def test_fp16_keeps_what_was_trained(
    name: str, references: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = references / name
    monkeypatch.setenv("ONNXQUANT", str(program()))
    done = _export(case, tmp_path / "out", quantize=["fp16", "q4f16"])
    tokens, expected = np.load(references / "tokens.npy"), np.load(case / "logits.npy")
    found = CausalModel(done.models["fp16"], "cpu").step(tokens)
    assert _relative(found, expected) < 1e-2
    assert np.isfinite(CausalModel(done.models["q4f16"], "cpu").step(tokens)).all()
    if name in TRAINED:
        assert np.abs(np.load(case / "wrong.npy") - expected).max() > 1


def test_a_tied_head_is_stored_once_and_an_untied_one_apart(
    references: Path, tmp_path: Path
) -> None:
    names = []
    for case in ("tied", "trained_head"):
        path = _export(references / case, tmp_path / case).models["fp32"]
        graph = onnx.load(path, load_external_data=False).graph
        names.append({weight.name for weight in graph.initializer})
    assert names[1] - names[0] == {"lm_head.MatMul.weight"}
