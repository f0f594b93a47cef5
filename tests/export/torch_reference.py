"""Write tiny Gemma 3 checkpoints with transformers and peft, and their own logits beside them.

    venv-torch/bin/python torch_reference.py OUT

Runs in the environment of scripts/setup_torch.sh, apart from the tests: no process holds both torch
and ONNX Runtime. Every case is a folder OUT/<name> with `model` (save_pretrained), perhaps
`adapter`, `logits.npy` [tokens, vocabulary] of the model as it was trained, and `wrong.npy`, the
logits of the base without what was trained.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

TOKENS = [2, 7, 41, 3, 9, 9, 30, 12, 5, 44, 17, 8, 23, 1, 36, 29, 11, 4, 19, 40, 6, 33, 27, 10]


def config(**changes: object) -> Gemma3TextConfig:
    """Return a small model's configuration: eight layers, a window that the tokens outgrow."""
    settings: dict[str, object] = {
        "vocab_size": 50, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 8,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
        "max_position_embeddings": 128, "sliding_window": 7, "query_pre_attn_scalar": 24,
        "rope_theta": 1e6, "rope_local_base_freq": 1e4, "attn_implementation": "eager",
    }  # fmt: skip
    return Gemma3TextConfig(**{**settings, **changes})


def make(seed: int, **changes: object) -> Gemma3ForCausalLM:
    """Return a model with weights large enough for every part to matter."""
    torch.manual_seed(seed)
    model = Gemma3ForCausalLM(config(**changes)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(-0.5, 0.5)
            else:
                weight.normal_(0, 2 * weight.shape[1] ** -0.5)
    return model


def logits(model: torch.nn.Module) -> np.ndarray:
    """Return the logits of every token."""
    with torch.no_grad():
        return np.asarray(model(input_ids=torch.tensor([TOKENS])).logits[0].float())


def save(folder: Path, model: Gemma3ForCausalLM, **options: object) -> None:
    """Save a plain model and its logits."""
    model.save_pretrained(folder / "model", **options)
    np.save(folder / "logits.npy", logits(model))


def say_tied(folder: Path) -> None:
    """Let config.json claim that the head is tied, as a fine-tune's often still does."""
    path = folder / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": True}))


def adapted(folder: Path, model: Gemma3ForCausalLM, seed: int, **settings: object) -> None:
    """Save a base, an adapter with random weights, and the logits of the two together."""
    model.save_pretrained(folder / "model")
    np.save(folder / "wrong.npy", logits(model))
    with_adapter = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in with_adapter.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.3)
    np.save(folder / "logits.npy", logits(with_adapter))
    with_adapter.save_pretrained(folder / "adapter")


def main(out: Path) -> None:
    """Write all cases."""
    np.save(out / "tokens.npy", np.array(TOKENS))
    save(out / "tied", make(1))
    save(out / "untied", make(2, tie_word_embeddings=False))
    save(out / "sharded", make(3), max_shard_size="60KB")
    # Weights rounded to bfloat16, computed with in float32: the rotary tables stay as they are.
    rounded = make(4)
    for weight in rounded.parameters():
        weight.data = weight.data.bfloat16().float()
    save(out / "bfloat16", rounded)
    rounded.bfloat16().save_pretrained(out / "bfloat16" / "model")
    linear = {"rope_type": "linear", "factor": 8.0}
    save(out / "scaled", make(5, rope_scaling=linear, rope_theta=1e4, rope_local_base_freq=100.0))
    kinds = ["sliding_attention", "full_attention"] * 4
    # As the 27B, whose heads together are not as wide as its stream.
    save(out / "kinds", make(6, layer_types=kinds, head_dim=24, num_key_value_heads=1))

    trained = make(7)
    folder = out / "trained_head"
    folder.mkdir()
    np.save(folder / "wrong.npy", logits(trained))
    trained.config.tie_word_embeddings = False
    trained.lm_head.weight = torch.nn.Parameter(torch.randn(50, 64) * 0.25)
    save(folder, trained)
    say_tied(folder)

    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    head = ["lm_head", "embed_tokens"]
    adapted(out / "lora", make(8), 1, r=4, lora_alpha=8, target_modules=linears)
    adapted(
        out / "lora_rslora", make(9), 2, r=4, lora_alpha=6, use_rslora=True,
        target_modules=["q_proj", "down_proj"],
    )  # fmt: skip
    adapted(
        out / "lora_patterns", make(10), 3, r=4, lora_alpha=8, target_modules=linears,
        rank_pattern={"q_proj": 2}, alpha_pattern={"layers.3.mlp.up_proj": 20},
    )  # fmt: skip
    adapted(
        out / "lora_head", make(11), 4, r=4, lora_alpha=8, target_modules=linears,
        modules_to_save=head,
    )  # fmt: skip
    adapted(
        out / "lora_saved_embedding", make(12), 5, r=4, lora_alpha=8, target_modules=["q_proj"],
        modules_to_save=["embed_tokens"],
    )  # fmt: skip
    adapted(
        out / "lora_on_embedding", make(13), 6, r=4, lora_alpha=8,
        target_modules=["embed_tokens", "v_proj"],
    )  # fmt: skip
    adapted(
        out / "lora_on_head", make(14), 7, r=4, lora_alpha=8, target_modules=["lm_head", "v_proj"]
    )
    adapted(
        out / "lora_tied", make(15), 8, r=4, lora_alpha=8, target_modules=["v_proj"],
        modules_to_save=["embed_tokens"], ensure_weight_tying=True,
    )  # fmt: skip
    adapted(
        out / "lora_norms", make(16), 9, r=4, lora_alpha=8, target_modules=["v_proj"],
        modules_to_save=["q_norm", "input_layernorm"],
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
