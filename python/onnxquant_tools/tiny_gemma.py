"""A tiny Gemma 3 checkpoint with random weights, for tests."""

from pathlib import Path

import gguf
import numpy as np

LAYERS, HIDDEN, HEADS, HEAD_DIM, FEED, VOCAB = 7, 64, 2, 32, 96, 50


def write_tiny_gguf(path: Path, *, tied: bool = True, architecture: str = "gemma3") -> None:
    """Write seven small layers, the sixth of them global, as a GGUF file."""
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_sliding_window(16)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        weight = random.normal(0, columns**-0.5, (rows, columns))
        writer.add_tensor(f"{name}.weight", weight.astype(np.float32))

    def gain(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.weight", random.uniform(0.5, 1.5, size).astype(np.float32))

    matrix("token_embd", VOCAB, HIDDEN)
    gain("output_norm", HIDDEN)
    if not tied:
        matrix("output", VOCAB, HIDDEN)
    for block in (f"blk.{i}" for i in range(LAYERS)):
        matrix(f"{block}.attn_q", HEADS * HEAD_DIM, HIDDEN)
        matrix(f"{block}.attn_k", HEAD_DIM, HIDDEN)
        matrix(f"{block}.attn_v", HEAD_DIM, HIDDEN)
        matrix(f"{block}.attn_output", HIDDEN, HEADS * HEAD_DIM)
        matrix(f"{block}.ffn_gate", FEED, HIDDEN)
        matrix(f"{block}.ffn_up", FEED, HIDDEN)
        matrix(f"{block}.ffn_down", HIDDEN, FEED)
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            gain(f"{block}.{name}", HIDDEN)
        gain(f"{block}.attn_q_norm", HEAD_DIM)
        gain(f"{block}.attn_k_norm", HEAD_DIM)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
