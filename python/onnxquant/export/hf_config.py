"""Reading config.json of a Gemma 3 checkpoint, as transformers 4 and 5 write it.

Keys that a file leaves out have the defaults of transformers' Gemma3TextConfig: the published 4B,
12B and 27B leave most of them out. What the exported graph could not honour is refused by name,
since a model that ignores a part of its configuration is wrong in every precision.
"""

from pathlib import Path
from typing import Any

from onnxquant.export.checkpoint_file import read_json
from onnxquant.export.config import (
    GLOBAL_LAYER_PERIOD,
    LOCAL_ROPE_BASE,
    MOST_LAYERS,
    GemmaConfig,
    check_sizes,
)
from onnxquant.export.errors import CheckpointError

_TEXT_TYPES = ("gemma3_text", "gemma3")
_LINEAR = ("linear", "default", None)
# Keys whose other values ask for computations that the graph does not have.
_FIXED: dict[str, tuple[Any, ...]] = {
    "attention_bias": (False, None),
    "attn_logit_softcapping": (None,),
    "final_logit_softcapping": (None,),
    "hidden_activation": ("gelu_pytorch_tanh", None),
    "use_bidirectional_attention": (False, None),
}


def read_config(path: Path, *, vocab: int, tied: bool) -> GemmaConfig:
    """Read config.json; `vocab` and `tied` come from the weights, which know better."""
    text = text_config(path)
    try:
        config = _config_of(path, text, vocab=vocab, tied=tied)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{path}: a value is of a type or size that its key cannot have ({error}): correct it"
        ) from error
    check_sizes(str(path), config)
    return config


def _config_of(path: Path, text: dict[str, Any], *, vocab: int, tied: bool) -> GemmaConfig:

    def number(key: str, default: Any) -> Any:
        value = text.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise CheckpointError(
                f"{path}: '{key}' is {value!r}, expected a positive number: correct it"
            )
        return value

    for key, allowed in _FIXED.items():
        if text.get(key) not in allowed:
            raise CheckpointError(
                f"{path}: '{key}' is {text[key]!r}, expected {allowed[0]!r}: this exporter's graph "
                "does not compute it; export with another tool"
            )
    layers = number("num_hidden_layers", 26)
    if layers > MOST_LAYERS:
        raise CheckpointError(
            f"{path}: 'num_hidden_layers' is {layers}, at most {MOST_LAYERS} are exported"
        )
    rope = _Rope(path, text)
    return GemmaConfig(
        layers=layers,
        hidden=number("hidden_size", 2304),
        feed_forward=number("intermediate_size", 9216),
        heads=number("num_attention_heads", 8),
        kv_heads=number("num_key_value_heads", 4),
        head_dim=number("head_dim", 256),
        vocab=vocab,
        max_positions=number("max_position_embeddings", 131072),
        sliding_window=number("sliding_window", 4096),
        rms_eps=number("rms_norm_eps", 1e-6),
        rope_base=rope.base("full_attention", "rope_theta", 1000000.0),
        rope_linear_factor=rope.factor("full_attention"),
        local_rope_base=rope.base("sliding_attention", "rope_local_base_freq", LOCAL_ROPE_BASE),
        local_rope_linear_factor=rope.factor("sliding_attention"),
        query_scalar=number("query_pre_attn_scalar", 256),
        tied=tied,
        bos=text.get("bos_token_id", 2),
        eos=text.get("eos_token_id", 1),
        pad=text.get("pad_token_id", 0),
        layer_is_global=_layer_kinds(path, text, layers),
        source=text,
    )


def text_config(path: Path) -> dict[str, Any]:
    """Return the part of config.json that describes the text decoder."""
    config = read_json(path, "give the folder that save_pretrained wrote, downloaded again")
    kind = config.get("model_type")
    if kind not in _TEXT_TYPES:
        raise CheckpointError(
            f"{path}: model_type is {kind!r}, expected 'gemma3_text' or 'gemma3': this exporter "
            "writes Gemma 3 text models only"
        )
    if kind == "gemma3" and isinstance(config.get("text_config"), dict):
        # The tokens and the tie stand beside the text part in a multimodal checkpoint.
        outer = ("bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings")
        return {k: config[k] for k in outer if k in config} | dict(config["text_config"])
    return dict(config)


def claims_tied(path: Path) -> bool:
    """Whether config.json says that the head is the embedding (the default says so)."""
    return text_config(path).get("tie_word_embeddings", True) is not False


class _Rope:
    """Rotary settings: transformers 4's flat keys, or transformers 5's `rope_parameters`."""

    def __init__(self, path: Path, text: dict[str, Any]) -> None:
        self._path = path
        self._text = text
        parameters = text.get("rope_parameters")
        self._by_kind: dict[str, Any] = parameters if isinstance(parameters, dict) else {}

    def base(self, kind: str, flat_key: str, default: float) -> float:
        """Return the rotary base of one kind of layer."""
        found = self._settings(kind).get("rope_theta", self._text.get(flat_key))
        return float(default if found is None else found)

    def factor(self, kind: str) -> float:
        """Return what the kind's frequencies are divided by: 1 without scaling."""
        settings = self._settings(kind)
        scaling = settings.get("rope_type", settings.get("type"))
        if scaling not in _LINEAR:
            raise CheckpointError(
                f"{self._path}: rotary scaling of type {scaling!r} for {kind} layers, expected "
                "'linear' or 'default': no published Gemma 3 has another; correct the file, or "
                "export with another tool"
            )
        factor = float(settings.get("factor", 1.0)) if scaling == "linear" else 1.0
        if not factor > 0:
            raise CheckpointError(
                f"{self._path}: rotary scaling factor {factor} for {kind} layers, expected a "
                "positive number: correct it"
            )
        return factor

    def _settings(self, kind: str) -> dict[str, Any]:
        if self._by_kind:
            found = self._by_kind.get(kind, {})
        else:
            # transformers 4 scales the layers of full attention alone.
            found = self._text.get("rope_scaling") if kind == "full_attention" else {}
        return found if isinstance(found, dict) else {}


def _layer_kinds(path: Path, text: dict[str, Any], layers: int) -> tuple[bool, ...]:
    kinds = text.get("layer_types")
    if kinds is None:
        # Older files give the period, under one name or the other.
        period = text.get("sliding_window_pattern", text.get("_sliding_window_pattern"))
        period = period or GLOBAL_LAYER_PERIOD
        return tuple((i + 1) % period == 0 for i in range(layers))
    known = {"full_attention", "sliding_attention"}
    if len(kinds) != layers or not set(kinds) <= known:
        raise CheckpointError(
            f"{path}: 'layer_types' has {len(kinds)} entries of {sorted(set(kinds))}, expected "
            f"{layers} (num_hidden_layers) of {sorted(known)}: correct it"
        )
    return tuple(kind == "full_attention" for kind in kinds)
