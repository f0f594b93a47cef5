"""Reading a Gemma 3 checkpoint from a GGUF file: configuration, vocabulary, float32 weights."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onnxquant.export.checkpoint import EMBEDDING, HEAD, head_is_tied, same_rows
from onnxquant.export.config import GLOBAL_LAYER_PERIOD, MOST_LAYERS, GemmaConfig, check_sizes
from onnxquant.export.errors import CheckpointError
from onnxquant.export.gguf_file import GgufFile
from onnxquant.export.row_chunks import FloatArray

_NAMES = {
    EMBEDDING: "token_embd.weight",
    HEAD: "output.weight",
    "model.norm.weight": "output_norm.weight",
}
# Within a layer: transformers' name, then the file's.
_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_TEXT_NAMES = {theirs: ours for ours, theirs in _LAYER_NAMES.items()}
# llama.cpp's own frequencies for scaled rotary embeddings; Gemma 3 scales linearly.
_ROPE_TENSORS = ("rope_freqs.weight",)


class GgufCheckpoint:
    """A GGUF file; weights are read and dequantized on demand.

    Follows llama.cpp's conversion of Gemma 3: a norm's stored weight is 1 + w, matrices are
    [out, in]. Needs the `gguf` package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._file = GgufFile(path)
        self._tensors = self._file.tensors
        architecture = self.field("general.architecture")
        if architecture != "gemma3":
            raise CheckpointError(
                f"{path}: architecture is '{str(architecture)[:100]}', expected 'gemma3': this "
                "exporter writes Gemma 3 text models only"
            )
        if self.field("split.count", 1) not in (0, 1):
            raise CheckpointError(
                f"{path}: one part of {self.field('split.count')}, expected a whole file: merge "
                "the parts with llama-gguf-split --merge"
            )
        self._text_names = [_text_name(name) for name in self._tensors if name not in _ROPE_TENSORS]
        shapes = {n: self.shape(n) for n in (EMBEDDING, HEAD) if n in self._text_names}
        if EMBEDDING not in shapes:
            self.shape(EMBEDDING)
        equal = (
            HEAD in shapes
            and shapes[HEAD] == shapes[EMBEDDING]
            and same_rows(self.row_chunks(HEAD), self.row_chunks(EMBEDDING))
        )
        # The format has no word on ties: what is stored decides.
        tied = head_is_tied(
            self.place, claimed=HEAD not in shapes, shapes=shapes, equal=equal, notes=[]
        )
        self.config = self._read_config(shapes[EMBEDDING][0], tied)

    @property
    def place(self) -> str:
        """The file, for messages."""
        return str(self.path)

    def field(self, name: str, default: Any = None) -> Any:
        """Return a metadata field's value; without a default a missing one is an error."""
        found = self._file.fields.get(name)
        if found is not None:
            return found
        if default is None:
            raise CheckpointError(
                f"{self.path}: metadata field '{name}' is missing; convert the checkpoint again"
            )
        return default

    def names(self) -> list[str]:
        """Return the text model's weights."""
        return list(self._text_names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape; a missing weight is a CheckpointError."""
        return self._tensors[self._find(name)].shape

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a weight's rows in float32, a bounded number of bytes at a time."""
        yield from self._file.row_chunks(self._find(name))

    def norm_gain(self, name: str) -> FloatArray:
        """Return 1 + w, which is what the file stores."""
        return np.concatenate(list(self.row_chunks(name)))

    def vocabulary(self) -> tuple[list[str], list[float], list[int]]:
        """Return the tokens' texts, scores and GGUF token types, by token number."""
        return (
            self.field("tokenizer.ggml.tokens"),
            self.field("tokenizer.ggml.scores"),
            self.field("tokenizer.ggml.token_type"),
        )

    def _token(self, name: str, default: Any = None) -> int:
        value = self.field(f"tokenizer.ggml.{name}_token_id", default)
        if type(value) is not int:
            raise CheckpointError(
                f"{self.path}: metadata field 'tokenizer.ggml.{name}_token_id' is "
                f"{str(value)[:100]}, expected a token's number: convert the checkpoint again"
            )
        return value

    def _find(self, name: str) -> str:
        """Return what the file calls a weight; a missing one is a CheckpointError."""
        stored = _gguf_name(name)
        if stored not in self._tensors:
            raise CheckpointError(
                f"{self.path}: tensor '{stored}' ({name}) is missing; the file is incomplete: "
                "convert the checkpoint again"
            )
        return stored

    def _read_config(self, vocab: int, tied: bool) -> GemmaConfig:
        def number(key: str, default: Any = None) -> Any:
            value = self.field(f"gemma3.{key}", default)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise CheckpointError(
                    f"{self.path}: metadata field 'gemma3.{key}' is {str(value)[:100]}, expected a "
                    "number above 0: convert the checkpoint again"
                )
            return value

        layers, hidden = number("block_count"), number("embedding_length")
        heads, head_dim = number("attention.head_count"), number("attention.key_length")
        if layers > MOST_LAYERS:
            raise CheckpointError(f"{self.path}: {layers} layers, at most {MOST_LAYERS}")
        config = GemmaConfig(
            layers=layers,
            hidden=hidden,
            feed_forward=number("feed_forward_length"),
            heads=heads,
            kv_heads=number("attention.head_count_kv"),
            head_dim=head_dim,
            vocab=vocab,
            max_positions=number("context_length"),
            sliding_window=number("attention.sliding_window"),
            # Stored in float32 in the file; the decimal that was meant has few digits.
            rms_eps=float(f"{number('attention.layer_norm_rms_epsilon'):.6g}"),
            rope_base=number("rope.freq_base", 1000000.0),
            rope_linear_factor=number("rope.scaling.factor", 1.0),
            # The 27B model alone (62 layers) scales its queries by hidden/heads, not by head_dim.
            query_scalar=hidden / heads if layers == 62 else head_dim,
            tied=tied,
            bos=self._token("bos"),
            eos=self._token("eos"),
            pad=self._token("padding", 0),
            # The format has no field for these two: the architecture fixes them.
            layer_is_global=tuple((i + 1) % GLOBAL_LAYER_PERIOD == 0 for i in range(int(layers))),
        )
        check_sizes(self.place, config)
        return config


def _gguf_name(name: str) -> str:
    """Return the file's name of a weight: model.layers.3.mlp.up_proj.weight is blk.3.ffn_up."""
    layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name)
    if layer and layer[2] in _LAYER_NAMES:
        return f"blk.{layer[1]}.{_LAYER_NAMES[layer[2]]}.weight"
    return _NAMES.get(name, name)


def _text_name(stored: str) -> str:
    """Return transformers' name of a weight of the file; an unknown one stays as it is."""
    block = re.fullmatch(r"blk\.(\d+)\.(.+)\.weight", stored)
    if block and block[2] in _TEXT_NAMES:
        return f"model.layers.{block[1]}.{_TEXT_NAMES[block[2]]}.weight"
    return next((ours for ours, theirs in _NAMES.items() if theirs == stored), stored)
