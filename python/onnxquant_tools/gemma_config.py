"""The numbers that define a Gemma 3 text model, and the config.json they make."""

from dataclasses import dataclass
from typing import Any

# In Gemma 3 every sixth layer attends to everything, the others to a sliding window.
_GLOBAL_LAYER_PERIOD = 6
# The local layers' rotary base is fixed by the architecture; checkpoints do not carry it.
_LOCAL_ROPE_BASE = 10000.0


@dataclass(frozen=True)
class GemmaConfig:
    """Sizes and constants of one Gemma 3 text decoder; all counts are per model, not per layer."""

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
    bos: int
    eos: int
    pad: int

    @property
    def local_rope_base(self) -> float:
        """Rotary base of the sliding-window layers."""
        return _LOCAL_ROPE_BASE

    def is_global(self, layer: int) -> bool:
        """Whether the layer attends to the whole context."""
        return (layer + 1) % _GLOBAL_LAYER_PERIOD == 0

    def to_json(self) -> dict[str, Any]:
        """Return config.json as Transformers and Transformers.js read it."""
        config: dict[str, Any] = {
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
                "full_attention" if self.is_global(i) else "sliding_attention"
                for i in range(self.layers)
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
        config["transformers.js_config"] = {
            "dtype": "fp32",
            "use_external_data_format": True,
            "kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"},
        }
        return config

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
