"""The numbers that define a Gemma 3 text model, and the config.json they make."""

import math
from dataclasses import dataclass, field
from typing import Any

from onnxquant.export.errors import CheckpointError

# In Gemma 3 every sixth layer attends to everything, the others to a sliding window.
GLOBAL_LAYER_PERIOD = 6
# The local layers' rotary base, where a checkpoint does not say it.
LOCAL_ROPE_BASE = 10000.0
# The largest Gemma 3 has 62 layers, and 131072 positions with 64 to 128 pairs to rotate at each.
MOST_LAYERS = 4096
_MOST_ANGLES = 1 << 27


@dataclass(frozen=True)
class GemmaConfig:
    """Sizes and constants of one Gemma 3 text decoder; all counts are per model, not per layer.

    `layer_is_global` has one entry per layer: whether it attends to the whole context. Rotary
    frequencies are divided by the linear factor of their kind of layer. `tied` says whether the
    head is the embedding, as the weights really are. `source` is the checkpoint's own config.json
    (its text part), whose other keys are passed on.
    """

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    sliding_window: int
    rms_eps: float
    rope_base: float
    rope_linear_factor: float
    query_scalar: float
    tied: bool
    bos: Any
    eos: Any
    pad: Any
    layer_is_global: tuple[bool, ...]
    local_rope_base: float = LOCAL_ROPE_BASE
    local_rope_linear_factor: float = 1.0
    source: dict[str, Any] = field(default_factory=dict)

    def is_global(self, layer: int) -> bool:
        """Whether the layer attends to the whole context."""
        return self.layer_is_global[layer]

    def to_json(self, data_files: int) -> dict[str, Any]:
        """Return config.json as Transformers and Transformers.js read it.

        `data_files` is the number of external data files of model.onnx.
        """
        known: dict[str, Any] = {
            "architectures": ["Gemma3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "attn_logit_softcapping": None,
            "bos_token_id": self.bos,
            "eos_token_id": self.eos,
            "final_logit_softcapping": None,
            "head_dim": self.head_dim,
            "hidden_activation": "gelu_pytorch_tanh",
            "hidden_size": self.hidden,
            "initializer_range": 0.02,
            "intermediate_size": self.feed_forward,
            "layer_types": [
                "full_attention" if is_global else "sliding_attention"
                for is_global in self.layer_is_global
            ],
            "max_position_embeddings": self.max_positions,
            "model_type": "gemma3_text",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "pad_token_id": self.pad,
            "query_pre_attn_scalar": self.query_scalar,
            "rms_norm_eps": self.rms_eps,
            "rope_local_base_freq": self.local_rope_base,
            "rope_scaling": None
            if self.rope_linear_factor == 1.0
            else {"rope_type": "linear", "factor": self.rope_linear_factor},
            "rope_theta": self.rope_base,
            "sliding_window": self.sliding_window,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "float32",
            "use_cache": True,
            "vocab_size": self.vocab,
        }
        passed_on = {k: v for k, v in self.source.items() if k not in (*known, "dtype")}
        return {
            **known,
            **passed_on,
            "transformers.js_config": {
                "dtype": "fp32",
                "use_external_data_format": {"model.onnx": data_files},
                "kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"},
            },
        }

    def generation_json(self) -> dict[str, Any]:
        """Return generation_config.json: the special tokens and the family's sampling defaults."""
        return {
            "bos_token_id": self.bos,
            "cache_implementation": "hybrid",
            "do_sample": True,
            "eos_token_id": self.eos,
            "pad_token_id": self.pad,
            "top_k": 64,
            "top_p": 0.95,
        }


def check_sizes(place: str, config: GemmaConfig) -> None:
    """Refuse sizes that no model has, before anything is made of them."""
    sizes = {
        "layers": config.layers,
        "hidden size": config.hidden,
        "feed-forward size": config.feed_forward,
        "heads": config.heads,
        "key-value heads": config.kv_heads,
        "head size": config.head_dim,
        "positions": config.max_positions,
        "sliding window": config.sliding_window,
    }
    for name, size in sizes.items():
        if type(size) is not int or not 0 < size <= 1 << 31:
            raise CheckpointError(
                f"{place}: found {size!r} as the number of the model's {name}, expected a whole "
                "number above 0: correct it"
            )
    angles = config.max_positions * config.head_dim // 2
    if angles > _MOST_ANGLES or config.layers > MOST_LAYERS:
        raise CheckpointError(
            f"{place}: {config.layers} layers, {config.max_positions} positions and heads of "
            f"{config.head_dim}: at most {MOST_LAYERS} layers and {_MOST_ANGLES} rotary angles "
            "(positions times half of a head) are exported: correct it"
        )
    numbers = (
        config.rms_eps, config.rope_base, config.rope_linear_factor, config.local_rope_base,
        config.local_rope_linear_factor, config.query_scalar,
    )  # fmt: skip
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise CheckpointError(f"{place}: found {number!r}, expected a number: correct it")
        if not 0 < number < math.inf:
            raise CheckpointError(
                f"{place}: found {number!r} among the norms' and the rotary constants, expected "
                "finite numbers above 0: correct it"
            )
