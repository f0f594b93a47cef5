"""config.json of Gemma 3 in all its forms, and what is refused of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from onnxquant.export import CheckpointError
from onnxquant.export.config import GemmaConfig
from onnxquant.export.hf_config import claims_tied, read_config

TEXT = {"model_type": "gemma3_text"}


def _read(folder: Path, config: Any) -> GemmaConfig:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return read_config(path, vocab=50, tied=True)


def test_a_multimodal_configuration_gives_its_text_part_and_the_defaults(tmp_path: Path) -> None:
    # As the published 4B has it: all else is left to the defaults.
    text = {
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
        "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }  # fmt: skip
    outer = {"model_type": "gemma3", "eos_token_id": [1, 106], "text_config": text}
    c = _read(tmp_path, outer | {"vision_config": {"hidden_size": 1152}})
    assert (c.layers, c.hidden, c.feed_forward, c.sliding_window) == (34, 2560, 10240, 1024)
    assert (c.heads, c.kv_heads, c.head_dim, c.query_scalar) == (8, 4, 256, 256)
    assert (c.rope_base, c.rope_linear_factor, c.local_rope_base) == (1e6, 8.0, 1e4)
    assert c.local_rope_linear_factor == 1
    assert c.eos == [1, 106]
    assert [i for i in range(34) if c.is_global(i)] == [5, 11, 17, 23, 29]


def test_the_configuration_of_transformers_5_is_read(tmp_path: Path) -> None:
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 2e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5e3},
    }
    c = _read(tmp_path, TEXT | {"rope_parameters": rope})
    assert (c.rope_base, c.rope_linear_factor) == (2e6, 4.0)
    assert (c.local_rope_base, c.local_rope_linear_factor) == (5e3, 1.0)


def test_the_old_name_of_the_scaling_type_is_read(tmp_path: Path) -> None:
    c = _read(tmp_path, TEXT | {"rope_scaling": {"type": "linear", "factor": 2}})
    assert c.rope_linear_factor == 2


@pytest.mark.parametrize("key", ["sliding_window_pattern", "_sliding_window_pattern"])
def test_the_period_of_global_layers_is_read(key: str, tmp_path: Path) -> None:
    c = _read(tmp_path, TEXT | {"num_hidden_layers": 6, key: 3})
    assert c.layer_is_global == (False, False, True, False, False, True)


def test_what_is_written_reads_the_same_and_keeps_other_keys(tmp_path: Path) -> None:
    kinds = ["full_attention", "sliding_attention"]
    given = TEXT | {"num_hidden_layers": 2, "layer_types": kinds, "own": [1], "torch_dtype": "x"}
    first = _read(tmp_path, given | {"rope_scaling": {"rope_type": "linear", "factor": 8.0}})
    written = first.to_json(2)
    assert written["own"] == [1]
    assert written["torch_dtype"] == "float32"
    assert written["transformers.js_config"]["use_external_data_format"] == {"model.onnx": 2}
    second = _read(tmp_path, written)
    assert second.to_json(2) == written
    assert second.layer_is_global == (True, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama', expected 'gemma3_text' or 'gemma3'"),
        ({"attention_bias": True}, "'attention_bias' is True, expected False"),
        ({"final_logit_softcapping": 30.0}, "'final_logit_softcapping' is 30.0, expected None"),
        ({"use_bidirectional_attention": True}, "'use_bidirectional_attention' is True"),
        ({"hidden_activation": "silu"}, "'hidden_activation' is 'silu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2}}, "type 'yarn' for full_attention"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 0}}, "factor 0.0 for full_attention"),
        ({"num_hidden_layers": 3, "layer_types": ["full_attention"]}, "expected 3"),
        ({"num_hidden_layers": 1, "layer_types": ["chunked"]}, "of .'chunked'., expected 1"),
        ({"hidden_size": -1}, "'hidden_size' is -1, expected a positive number"),
        ({"head_dim": "big"}, "'head_dim' is 'big'"),
    ],
)
def test_what_the_graph_cannot_honour_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        _read(tmp_path, TEXT | change)
    assert str(tmp_path / "config.json") in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_config(path, vocab=1, tied=True)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        claims_tied(path)


@pytest.mark.parametrize(
    ("size", "text", "expected"),
    [
        # What the published configurations say apart from the defaults.
        ("270M", (640, 2048, 18, 4, 1, 256, 512, None), (18, 1024, 256, 3, 1.0)),
        ("1B", (1152, 6912, 26, 4, 1, 256, 512, None), (26, 1024, 256, 4, 1.0)),
        ("12B", (3840, 15360, 48, 16, 8, 256, 1024, 8.0), (48, 4096, 256, 8, 8.0)),
        ("27B", (5376, 21504, 62, 32, 16, 128, 1024, 8.0), (62, 4096, 168, 10, 8.0)),
    ],
)
def test_every_published_size_is_read(
    size: str, text: tuple[Any, ...], expected: tuple[Any, ...], tmp_path: Path
) -> None:
    keys = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "sliding_window",
    )  # fmt: skip
    config = TEXT | dict(zip(keys, text[:-1], strict=True))
    if text[-1]:
        config |= {"rope_scaling": {"rope_type": "linear", "factor": text[-1]}}
    if size == "27B":
        config["query_pre_attn_scalar"] = 168
    c = _read(tmp_path, config)
    assert (
        c.layers, c.heads * c.head_dim, c.query_scalar, sum(c.layer_is_global),
        c.rope_linear_factor,
    ) == expected  # fmt: skip
