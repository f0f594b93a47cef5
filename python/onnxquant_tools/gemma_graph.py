"""The community's Gemma 3 text graph in float32, written from a checkpoint.

The graph's operators, names, inputs and outputs are those that web runtimes and field reports
know from the community exporter: com.microsoft GroupQueryAttention and RotaryEmbedding,
SimplifiedLayerNormalization of the default domain, separate projections, two plain residual Adds
per layer, and a head that transposes the embedding when the two are tied.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from onnxquant_tools.external_data import ExternalDataWriter
from onnxquant_tools.gguf_checkpoint import FloatArray, GgufCheckpoint
from onnxquant_tools.graph_builder import Dims, GraphBuilder, typed_value

LogitPositions = Literal["all", "last"]

_F32 = ir.DataType.FLOAT
_I64 = ir.DataType.INT64
_I32 = ir.DataType.INT32
_MS = "com.microsoft"
_BATCH, _SEQUENCE, _PAST, _TOTAL = (
    "batch_size", "sequence_length", "past_sequence_length", "total_sequence_length",
)  # fmt: skip


class GemmaGraph:
    """Builds one model; weights go to `data` as they are met, in the order of the graph."""

    def __init__(self, checkpoint: GgufCheckpoint, data: ExternalDataWriter) -> None:
        self._source = checkpoint
        self._config = checkpoint.config
        self._data = data
        self._b = GraphBuilder({"": 21, _MS: 1}, "onnxquant-tools", ir_version=10)
        self._rope: dict[bool, tuple[ir.Value, ir.Value]] = {}

    def build(self, logits: LogitPositions) -> ir.Model:
        """Write all weights and return the model that refers to them."""
        c, b = self._config, self._b
        ids = b.add_input("input_ids", _I64, (_BATCH, _SEQUENCE))
        mask = b.add_input("attention_mask", _I64, (_BATCH, _TOTAL))
        positions = b.add_input("position_ids", _I64, (_BATCH, _SEQUENCE))
        cache_dims: Dims = (_BATCH, c.kv_heads, _PAST, c.head_dim)
        past = [
            (
                b.add_input(f"past_key_values.{i}.key", _F32, cache_dims),
                b.add_input(f"past_key_values.{i}.value", _F32, cache_dims),
            )
            for i in range(c.layers)
        ]
        lengths = self._mask_lengths(mask)
        positions = self._flat_positions(ids, positions)

        embedding = self._weight(
            "model.embed_tokens.weight", (c.vocab, c.hidden),
            self._source.row_chunks("token_embd.weight"),
        )  # fmt: skip
        stream = b.node(
            "Gather", "/model/embed_tokens/Gather", [embedding, ids], _F32, self._hidden_dims()
        )
        stream = b.node(
            "Mul", "/model/embed_tokens/Mul",
            [stream, b.constant(float(np.sqrt(c.hidden)), np.float32)], _F32, self._hidden_dims(),
        )  # fmt: skip
        present: list[ir.Value] = []
        for layer in range(c.layers):
            stream, new_cache = self._layer(layer, stream, past[layer], lengths, positions)
            present += new_cache
        stream = self._norm("/model/final_norm", "output_norm", stream, self._hidden_dims())
        b.add_output(self._head(stream, embedding, logits))
        for value in present:
            b.add_output(value)
        b.graph.sort()
        return b.model

    def _hidden_dims(self) -> Dims:
        return (_BATCH, _SEQUENCE, self._config.hidden)

    def _weight(self, name: str, shape: tuple[int, ...], chunks: Iterable[FloatArray]) -> ir.Value:
        return self._b.add_initializer(self._data.add(name, shape, chunks, _F32))

    def _mask_lengths(self, mask: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return GroupQueryAttention's seqlens_k (int32 [batch, 1], less one) and total length."""
        b, base = self._b, "/model/preprocessing/attn_mask"
        one = b.constant([1], np.int64)
        total = b.node("ReduceSum", f"{base}/ReduceSum", [mask, one], _I64, (_BATCH, 1))
        last = b.node("Sub", f"{base}/Sub", [total, one], _I64, (_BATCH, 1))
        seqlens = b.node(
            "Cast", f"{base}/seqlens_k_cast/Cast", [last], _I32, (_BATCH, 1), to=int(_I32)
        )
        shape = b.node("Shape", f"{base}/Shape", [mask], _I64, (2,))
        width = b.node(
            "Gather", f"{base}/Gather", [shape, b.constant(1, np.int64)], _I64, (), axis=0
        )
        length = b.node("Cast", f"{base}/total_seq_len_cast/Cast", [width], _I32, (), to=int(_I32))
        return seqlens, length

    def _flat_positions(self, ids: ir.Value, positions: ir.Value) -> ir.Value:
        """Reshape position_ids to [-1, sequence], which RotaryEmbedding asks for."""
        b, base = self._b, "/model/preprocessing/pos_ids"
        shape = b.node("Shape", f"{base}/Shape", [ids], _I64, (2,))
        width = b.node(
            "Gather", f"{base}/Gather", [shape, b.constant(1, np.int64)], _I64, (), axis=0
        )
        width = b.node(
            "Unsqueeze", f"{base}/Unsqueeze", [width, b.constant([0], np.int64)], _I64, (1,)
        )
        target = b.node(
            "Concat", f"{base}/Concat", [b.constant([-1], np.int64), width], _I64, (2,), axis=0
        )
        return b.node("Reshape", f"{base}/Reshape", [positions, target], _I64, (None, _SEQUENCE))

    def _norm(self, name: str, tensor: str, value: ir.Value, dims: Dims) -> ir.Value:
        # GGUF stores Gemma's norm gains as 1 + w already.
        gain = self._source.tensor(f"{tensor}.weight")
        weight = self._weight(f"{name[1:].replace('/', '.')}.weight", gain.shape, [gain])
        return self._b.node(
            "SimplifiedLayerNormalization", name, [value, weight], _F32, dims,
            axis=-1, epsilon=self._config.rms_eps, stash_type=1,
        )  # fmt: skip

    def _projection(self, name: str, tensor: str, value: ir.Value) -> ir.Value:
        """Multiply by the checkpoint's [out, in] matrix, stored transposed as MatMul's B."""
        matrix = self._source.tensor(f"{tensor}.weight").T
        rows, columns = matrix.shape
        weight = self._weight(f"{name[1:].replace('/', '.')}.weight", (rows, columns), [matrix])
        return self._b.node("MatMul", name, [value, weight], _F32, (_BATCH, _SEQUENCE, columns))

    def _head_norm(self, name: str, tensor: str, value: ir.Value, heads: int) -> ir.Value:
        """Normalize each head's vector: [B,S,N*H] -> [B,S*N,H] -> norm -> [B,S,N*H]."""
        b, size = self._b, self._config.head_dim
        split: Dims = (_BATCH, None, size)
        value = b.node(
            "Reshape", f"{name}/Reshape1", [value, b.constant([0, -1, size], np.int64)], _F32, split
        )
        value = self._norm(f"{name}/LayerNorm", tensor, value, split)
        return b.node(
            "Reshape", f"{name}/Reshape2", [value, b.constant([0, -1, heads * size], np.int64)],
            _F32, (_BATCH, _SEQUENCE, heads * size),
        )  # fmt: skip

    def _rope_caches(self, layer: int) -> tuple[ir.Value, ir.Value]:
        """Return the cosine and sine tables [positions, head_dim/2] for the layer's reach."""
        c, is_global = self._config, self._config.is_global(layer)
        if is_global not in self._rope:
            base = c.rope_base if is_global else c.local_rope_base
            factor = c.rope_linear_factor if is_global else 1.0
            kind = "global" if is_global else "local"
            angles = rotary_angles(c.max_positions, c.head_dim, base, factor)
            self._rope[is_global] = (
                self._weight(f"cos_cache_{kind}", angles.shape, [np.cos(angles)]),
                self._weight(f"sin_cache_{kind}", angles.shape, [np.sin(angles)]),
            )
        return self._rope[is_global]

    def _rotate(self, name: str, value: ir.Value, positions: ir.Value, layer: int) -> ir.Value:
        cosines, sines = self._rope_caches(layer)
        dims = tuple(value.shape or ())
        return self._b.node(
            "RotaryEmbedding", name, [value, positions, cosines, sines], _F32, dims,  # type: ignore[arg-type]
            domain=_MS, interleaved=0, num_heads=0, rotary_embedding_dim=0,
        )  # fmt: skip

    def _attention(
        self,
        layer: int,
        value: ir.Value,
        past: tuple[ir.Value, ir.Value],
        lengths: tuple[ir.Value, ir.Value],
        positions: ir.Value,
    ) -> tuple[ir.Value, list[ir.Value]]:
        c, base, block = self._config, f"/model/layers.{layer}/attn", f"blk.{layer}"
        query = self._projection(f"{base}/q_proj/MatMul", f"{block}.attn_q", value)
        key = self._projection(f"{base}/k_proj/MatMul", f"{block}.attn_k", value)
        content = self._projection(f"{base}/v_proj/MatMul", f"{block}.attn_v", value)
        query = self._head_norm(f"{base}/q_norm", f"{block}.attn_q_norm", query, c.heads)
        key = self._head_norm(f"{base}/k_norm", f"{block}.attn_k_norm", key, c.kv_heads)
        query = self._rotate(f"{base}/q_rotary", query, positions, layer)
        key = self._rotate(f"{base}/k_rotary", key, positions, layer)
        name = f"{base}/GroupQueryAttention"
        out = typed_value(f"{name}/output_0", _F32, (_BATCH, _SEQUENCE, c.heads * c.head_dim))
        cache_dims: Dims = (_BATCH, c.kv_heads, _TOTAL, c.head_dim)
        present = [
            typed_value(f"present.{layer}.{part}", _F32, cache_dims) for part in ("key", "value")
        ]
        # The four absent inputs are rotary caches, position ids and attention bias: the exporter
        # that this graph follows writes them as empty names.
        self._b.node_with(
            "GroupQueryAttention", name,
            [query, key, content, *past, *lengths, None, None, None, None], [out, *present],
            domain=_MS, do_rotary=0, kv_num_heads=c.kv_heads, num_heads=c.heads,
            local_window_size=-1 if c.is_global(layer) else c.sliding_window,
            rotary_interleaved=0, scale=float(c.query_scalar) ** -0.5, softcap=0.0,
        )  # fmt: skip
        return self._projection(f"{base}/o_proj/MatMul", f"{block}.attn_output", out), present

    def _mlp(self, layer: int, value: ir.Value) -> ir.Value:
        b, base, block = self._b, f"/model/layers.{layer}/mlp", f"blk.{layer}"
        dims: Dims = (_BATCH, _SEQUENCE, self._config.feed_forward)
        gate = self._projection(f"{base}/gate_proj/MatMul", f"{block}.ffn_gate", value)
        up = self._projection(f"{base}/up_proj/MatMul", f"{block}.ffn_up", value)
        gate = b.node("Gelu", f"{base}/act_fn/FastGelu", [gate], _F32, dims, approximate="tanh")
        product = b.node("Mul", f"{base}/Mul", [gate, up], _F32, dims)
        return self._projection(f"{base}/down_proj/MatMul", f"{block}.ffn_down", product)

    def _layer(
        self,
        layer: int,
        stream: ir.Value,
        past: tuple[ir.Value, ir.Value],
        lengths: tuple[ir.Value, ir.Value],
        positions: ir.Value,
    ) -> tuple[ir.Value, list[ir.Value]]:
        b, base, block, dims = (
            self._b, f"/model/layers.{layer}", f"blk.{layer}", self._hidden_dims(),
        )  # fmt: skip
        value = self._norm(f"{base}/input_layernorm", f"{block}.attn_norm", stream, dims)
        value, present = self._attention(layer, value, past, lengths, positions)
        value = self._norm(
            f"{base}/post_attention_layernorm", f"{block}.post_attention_norm", value, dims
        )
        stream = b.node("Add", f"{base}/Add_1", [stream, value], _F32, dims)
        value = self._norm(f"{base}/pre_feedforward_layernorm", f"{block}.ffn_norm", stream, dims)
        value = self._mlp(layer, value)
        value = self._norm(
            f"{base}/post_feedforward_layernorm", f"{block}.post_ffw_norm", value, dims
        )
        return b.node("Add", f"{base}/Add_2", [stream, value], _F32, dims), present

    def _head(self, stream: ir.Value, embedding: ir.Value, logits: LogitPositions) -> ir.Value:
        b, c = self._b, self._config
        if c.tied:
            weight = b.node(
                "Transpose", "/lm_head/Transpose", [embedding], _F32, (c.hidden, c.vocab),
                perm=[1, 0],
            )  # fmt: skip
        else:
            matrix = np.ascontiguousarray(self._source.tensor("output.weight").T)
            weight = self._weight("lm_head.MatMul.weight", (c.hidden, c.vocab), [matrix])
        all_dims: Dims = (_BATCH, _SEQUENCE, c.vocab)
        if logits == "all":
            return b.node(
                "MatMul", "/lm_head/MatMul", [stream, weight], _F32, all_dims, output="logits"
            )
        last_dims: Dims = (_BATCH, 1, c.vocab)
        value = b.node("MatMul", "/lm_head/MatMul", [stream, weight], _F32, all_dims)
        value = b.node(
            "Gather", "/lm_head/Gather", [value, b.constant([-1], np.int64)], _F32, last_dims,
            axis=1,
        )  # fmt: skip
        return b.node("Identity", "/lm_head/Identity", [value], _F32, last_dims, output="logits")


def rotary_angles(
    positions: int, head_dim: int, base: float, linear_factor: float
) -> npt.NDArray[np.float32]:
    """Return the rotation angles [positions, head_dim/2], in float32 as the model was trained."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequencies = np.float32(1.0) / (np.float32(linear_factor) * np.float32(base) ** exponents)
    return np.outer(np.arange(positions, dtype=np.float32), frequencies).astype(np.float32)
