"""Merging LoRA adapters: the arithmetic by definition, and what is refused.

peft itself judges the merge in test_transformers.py; here are the cases that need no torch.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnxquant.export import CheckpointError, gemma3
from onnxquant.export import row_chunks as chunking
from onnxquant.export.checkpoint import EMBEDDING, HEAD, tensor
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant.export.pipeline import open_checkpoint
from safetensors_writer import write_folder, write_safetensors

Array = npt.NDArray[np.float32]
UP = "model.layers.3.mlp.up_proj"
SETTINGS = {"peft_type": "LORA", "r": 4, "lora_alpha": 6}


@pytest.fixture
def base(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a tied checkpoint."""
    return write_folder(tmp_path / "base", GgufCheckpoint(tiny_checkpoint()))


def _random(*shape: int) -> Array:
    return np.random.default_rng(shape[0]).normal(size=shape).astype(np.float32)


def _pair(module: str = UP, rank: int = 4, rows: int = 96, columns: int = 64) -> dict[str, Array]:
    prefix = f"base_model.model.{module}"
    return {
        f"{prefix}.lora_A.weight": _random(rank, columns),
        f"{prefix}.lora_B.weight": _random(rows, rank),
    }


def _adapter(folder: Path, tensors: dict[str, Any], **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    (folder / "adapter_config.json").write_text(json.dumps(SETTINGS | settings))
    return folder


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({}, 1.5),
        ({"use_rslora": True}, 3.0),
        ({"alpha_pattern": {"up_proj": 2}}, 0.5),
        ({"alpha_pattern": {r"layers\.3\.mlp\.up_proj": 2}}, 0.5),
        ({"alpha_pattern": {"p_proj": 2, r"layers\.13\.mlp\.up_proj": 2}}, 1.5),
        ({"r": 99, "rank_pattern": {"up_proj": 4}}, 1.5),
    ],
)
def test_the_product_is_added_with_its_scale_whatever_the_chunks(
    settings: dict[str, Any], scale: float, base: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pair = _pair()
    a, b = pair.values()
    merged, _ = open_checkpoint(base, _adapter(tmp_path / "lora", pair, **settings))
    plain, _ = open_checkpoint(base, None)
    monkeypatch.setattr(chunking, "CHUNK_BYTES", 2560)
    difference = tensor(merged, f"{UP}.weight") - tensor(plain, f"{UP}.weight")
    np.testing.assert_allclose(difference, scale * (b @ a), atol=1e-5)
    assert merged.names() == plain.names()
    other = "model.layers.2.mlp.up_proj.weight"
    np.testing.assert_array_equal(tensor(merged, other), tensor(plain, other))


def test_a_whole_module_replaces_the_bases_under_old_and_new_names(
    base: Path, tmp_path: Path
) -> None:
    gain, head = _random(64), _random(50, 64)
    tensors = {
        "base_model.model.model.norm.modules_to_save.default.weight": gain,
        "base_model.model.lm_head.weight": head,
    }
    merged, _ = open_checkpoint(base, _adapter(tmp_path / "lora", tensors))
    np.testing.assert_array_equal(merged.norm_gain("model.norm.weight"), 1 + gain)
    np.testing.assert_array_equal(tensor(merged, HEAD), head)
    assert not merged.config.tied


def test_new_tokens_take_embedding_and_head_together(base: Path, tmp_path: Path) -> None:
    rows = _random(53, 64)
    both = {f"base_model.model.{name}": rows for name in (EMBEDDING, HEAD)}
    merged, _ = open_checkpoint(base, _adapter(tmp_path / "lora", both))
    assert (merged.config.vocab, merged.config.tied) == (53, True)
    alone = {f"base_model.model.{EMBEDDING}": rows}
    with pytest.raises(CheckpointError, match=r"embedding \[53, 64\] and head \[50, 64\] differ"):
        open_checkpoint(base, _adapter(tmp_path / "lora", alone))


def test_an_adapters_folder_finds_its_base_and_its_tokenizer_goes_first(
    base: Path, tmp_path: Path
) -> None:
    lora = _adapter(tmp_path / "lora", _pair(), base_model_name_or_path="../base")
    for folder in (base, lora):
        (folder / "tokenizer.json").write_text(folder.name)
    (base / "tokenizer_config.json").write_text("base")
    gemma3(lora, tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.json").read_text() == "lora"
    assert (tmp_path / "out" / "tokenizer_config.json").read_text() == "base"
    gemma3(base, tmp_path / "explicit", adapter=lora)
    data = Path("onnx") / "model.onnx_data"
    assert (tmp_path / "out" / data).read_bytes() == (tmp_path / "explicit" / data).read_bytes()


def test_a_base_that_is_not_here_is_named(tmp_path: Path) -> None:
    lora = _adapter(tmp_path / "lora", _pair(), base_model_name_or_path="hub/gemma")
    with pytest.raises(CheckpointError, match="base model 'hub/gemma' is not a path here"):
        gemma3(lora, tmp_path / "out")


def test_a_model_and_an_adapter_in_one_folder_are_not_guessed_at(
    base: Path, tmp_path: Path
) -> None:
    _adapter(base, _pair())
    with pytest.raises(CheckpointError, match="both a whole model and an adapter"):
        gemma3(base, tmp_path / "out")


@pytest.mark.parametrize(
    ("tensors", "settings", "message"),
    [
        (_pair(), {"peft_type": "IA3"}, "peft_type is 'IA3', expected 'LORA'"),
        (_pair(), {"use_dora": True}, "'use_dora' is True, which is not merged here"),
        (_pair(), {"trainable_token_indices": [1]}, "'trainable_token_indices' is"),
        (_pair(), {"r": None}, "'r' or 'lora_alpha' is None"),
        (_pair(), {"r": 8}, r"expected \[8, 64\] and \[96, 8\] for rank 8"),
        (_pair(rows=95), {}, r"B \[95, 4\], expected \[4, 64\] and \[96, 4\]"),
        (_pair("model.layers.9.mlp.up_proj"), {}, "adapter and base do not belong together"),
        (dict(list(_pair().items())[:1]), {}, "has lora_A only, expected A and B"),
        (dict(list(_pair().items())[1:]), {}, "has lora_B only, expected A and B"),
        (
            {f"base_model.model.{UP}.lora_magnitude_vector": _random(96)}, {},
            "neither a LoRA matrix nor a whole module",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused(
    tensors: dict[str, Array], settings: dict[str, Any], message: str, base: Path, tmp_path: Path
) -> None:
    lora = _adapter(tmp_path / "lora", tensors, **settings)
    with pytest.raises(CheckpointError, match=message) as caught:
        gemma3(base, tmp_path / "out", adapter=lora)
    assert str(lora) in str(caught.value)


def test_missing_and_broken_files_of_an_adapter_are_named(base: Path, tmp_path: Path) -> None:
    lora = _adapter(tmp_path / "lora", _pair())
    (lora / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"adapter_model.safetensors is missing"):
        open_checkpoint(base, lora)
    (lora / "adapter_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        open_checkpoint(base, lora)
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_checkpoint(base, tmp_path)


def test_an_initialization_that_changes_the_base_is_noted(base: Path, tmp_path: Path) -> None:
    lora = _adapter(tmp_path / "lora", _pair(), init_lora_weights="pissa_niter_4")
    merged, _ = open_checkpoint(base, lora)
    assert any("pissa_niter_4" in note for note in merged.notes)
