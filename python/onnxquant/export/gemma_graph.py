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

from onnxquant.export.checkpoint import EMBEDDING, HEAD, Checkpoint
from onnxquant.export.errors import CheckpointError
from onnxquant.export.external_data import ExternalDataWriter
from onnxquant.export.graph_builder import Dims, GraphBuilder, typed_value
from onnxquant.export.row_chunks import FloatArray

# Logits for all positions, for the last alone, or for as many as the input num_logits_to_keep says.
LogitPositions = Literal["all", "last", "input"]

_F32 = ir.DataType.FLOAT
_I64 = ir.DataType.INT64
_I32 = ir.DataType.INT32
_MS = "com.microsoft"
_BATCH, _SEQUENCE, _PAST, _TOTAL = (
    "batch_size", "sequence_length", "past_sequence_length", "total_sequence_length",
)  # fmt: skip


class GemmaGraph:
    """Builds one model; weights go to `data` as they are met, in the order of the graph."""

    def __init__(self, checkpoint: Checkpoint, data: ExternalDataWriter) -> None:
        self._source = checkpoint
        self._config = checkpoint.config
        self._data = data
        self._used: set[str] = set()
        self._b = GraphBuilder({"": 21, _MS: 1}, "onnxquant", ir_version=10)
        self._rope: dict[bool, tuple[ir.Value, ir.Value]] = {}

    def build(self, logits: LogitPositions) -> ir.Model:
        """Write all weights and return the model that refers to them."""
        c, b = self._config, self._b
        ids = b.add_input("input_ids", _I64, (_BATCH, _SEQUENCE))
        mask = b.add_input("attention_mask", _I64, (_BATCH, _TOTAL))
        positions = b.add_input("position_ids", _I64, (_BATCH, _SEQUENCE))
        kept = b.add_input("num_logits_to_keep", _I64, ()) if logits == "input" else None
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
            EMBEDDING, (c.vocab, c.hidden), self._rows(EMBEDDING, (c.vocab, c.hidden))
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
        stream = self._norm("/model/final_norm", "model.norm", stream, self._hidden_dims())
        b.add_output(self._head(stream, embedding, logits, kept))
        for value in present:
            b.add_output(value)
        b.graph.sort()
        self._refuse_unused()
        return b.model

    def _refuse_unused(self) -> None:
        """Refuse weights that the graph has no place for: leaving them out changes the answers."""
        unused = sorted(set(self._source.names()) - self._used - {HEAD, EMBEDDING})
        if unused:
            raise CheckpointError(
                f"{self._source.place}: tensor '{unused[0]}' ({len(unused)} in all) has no place "
                "in Gemma 3's text graph and would be lost; merge it into the weights, or export "
                "with another tool"
            )

    def _rows(self, name: str, shape: tuple[int, ...]) -> Iterable[FloatArray]:
        """Check a weight's shape against the configuration and return its rows."""
        found = self._source.shape(name)
        if found != shape:
            raise CheckpointError(
                f"{self._source.place}: tensor '{name}' has shape {list(found)}, expected "
                f"{list(shape)} from the configuration; the two do not belong together"
            )
        self._used.add(name)
        return self._source.row_chunks(name)

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
        self._rows(f"{tensor}.weight", (int(dims[-1] or 0),))
        gain = self._source.norm_gain(f"{tensor}.weight")
        weight = self._weight(f"{name[1:].replace('/', '.')}.weight", gain.shape, [gain])
        return self._b.node(
            "SimplifiedLayerNormalization", name, [value, weight], _F32, dims,
            axis=-1, epsilon=self._config.rms_eps, stash_type=1,
        )  # fmt: skip

    def _projection(self, name: str, tensor: str, value: ir.Value, columns: int) -> ir.Value:
        """Multiply by the checkpoint's [out, in] matrix, stored transposed as MatMul's B."""
        weight = self._transposed(name, f"{tensor}.weight", _last_dim(value), columns)
        return self._b.node("MatMul", name, [value, weight], _F32, (_BATCH, _SEQUENCE, columns))

    def _transposed(self, name: str, tensor: str, rows: int, columns: int) -> ir.Value:
        chunks = self._rows(tensor, (columns, rows))
        return self._b.add_initializer(
            self._data.add_transposed(
                f"{name[1:].replace('/', '.')}.weight", (rows, columns), chunks, _F32
            )
        )

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
            factor = c.rope_linear_factor if is_global else c.local_rope_linear_factor
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
        c, base, block = (
            self._config,
            f"/model/layers.{layer}/attn",
            f"model.layers.{layer}.self_attn",
        )
        width, kv_width = c.heads * c.head_dim, c.kv_heads * c.head_dim
        query = self._projection(f"{base}/q_proj/MatMul", f"{block}.q_proj", value, width)
        key = self._projection(f"{base}/k_proj/MatMul", f"{block}.k_proj", value, kv_width)
        content = self._projection(f"{base}/v_proj/MatMul", f"{block}.v_proj", value, kv_width)
        query = self._head_norm(f"{base}/q_norm", f"{block}.q_norm", query, c.heads)
        key = self._head_norm(f"{base}/k_norm", f"{block}.k_norm", key, c.kv_heads)
        query = self._rotate(f"{base}/q_rotary", query, positions, layer)
        key = self._rotate(f"{base}/k_rotary", key, positions, layer)
        name = f"{base}/GroupQueryAttention"
        out = typed_value(f"{name}/output_0", _F32, (_BATCH, _SEQUENCE, width))
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
        value = self._projection(f"{base}/o_proj/MatMul", f"{block}.o_proj", out, c.hidden)
        return value, present

    def _mlp(self, layer: int, value: ir.Value) -> ir.Value:
        b, base, block = self._b, f"/model/layers.{layer}/mlp", f"model.layers.{layer}.mlp"
        inner = self._config.feed_forward
        dims: Dims = (_BATCH, _SEQUENCE, inner)
        gate = self._projection(f"{base}/gate_proj/MatMul", f"{block}.gate_proj", value, inner)
        up = self._projection(f"{base}/up_proj/MatMul", f"{block}.up_proj", value, inner)
        gate = b.node("Gelu", f"{base}/act_fn/FastGelu", [gate], _F32, dims, approximate="tanh")
        product = b.node("Mul", f"{base}/Mul", [gate, up], _F32, dims)
        return self._projection(
            f"{base}/down_proj/MatMul", f"{block}.down_proj", product, self._config.hidden
        )

    def _layer(
        self,
        layer: int,
        stream: ir.Value,
        past: tuple[ir.Value, ir.Value],
        lengths: tuple[ir.Value, ir.Value],
        positions: ir.Value,
    ) -> tuple[ir.Value, list[ir.Value]]:
        b, base, block, dims = (
            self._b, f"/model/layers.{layer}", f"model.layers.{layer}", self._hidden_dims(),
        )  # fmt: skip
        value = self._norm(f"{base}/input_layernorm", f"{block}.input_layernorm", stream, dims)
        value, present = self._attention(layer, value, past, lengths, positions)
        value = self._norm(
            f"{base}/post_attention_layernorm", f"{block}.post_attention_layernorm", value, dims
        )
        stream = b.node("Add", f"{base}/Add_1", [stream, value], _F32, dims)
        value = self._norm(
            f"{base}/pre_feedforward_layernorm", f"{block}.pre_feedforward_layernorm", stream, dims
        )
        value = self._mlp(layer, value)
        value = self._norm(
            f"{base}/post_feedforward_layernorm", f"{block}.post_feedforward_layernorm", value, dims
        )
        return b.node("Add", f"{base}/Add_2", [stream, value], _F32, dims), present

    def _head(
        self, stream: ir.Value, embedding: ir.Value, logits: LogitPositions, kept: ir.Value | None
    ) -> ir.Value:
        b, c = self._b, self._config
        if c.tied:
            weight = b.node(
                "Transpose", "/lm_head/Transpose", [embedding], _F32, (c.hidden, c.vocab),
                perm=[1, 0],
            )  # fmt: skip
        else:
            weight = self._transposed("/lm_head/MatMul", HEAD, c.hidden, c.vocab)
        all_dims: Dims = (_BATCH, _SEQUENCE, c.vocab)
        if logits == "last":
            last_dims: Dims = (_BATCH, 1, c.vocab)
            value = b.node("MatMul", "/lm_head/MatMul", [stream, weight], _F32, all_dims)
            value = b.node(
                "Gather", "/lm_head/Gather", [value, b.constant([-1], np.int64)], _F32, last_dims,
                axis=1,
            )  # fmt: skip
            return b.node(
                "Identity", "/lm_head/Identity", [value], _F32, last_dims, output="logits"
            )
        if kept is not None:
            stream, all_dims = self._last_positions(stream, kept), (_BATCH, "num_logits", c.vocab)
        return b.node(
            "MatMul", "/lm_head/MatMul", [stream, weight], _F32, all_dims, output="logits"
        )

    def _last_positions(self, stream: ir.Value, kept: ir.Value) -> ir.Value:
        """Keep the last `kept` positions; none or 0 keeps all, as transformers' slice does."""
        b, base = self._b, "/lm_head/num_logits_to_keep"
        # -0 is 0, the first position: the slice from there has them all.
        first = b.node("Neg", f"{base}/Neg", [kept], _I64, ())
        axis = b.constant([0], np.int64)
        first = b.node("Unsqueeze", f"{base}/Unsqueeze", [first, axis], _I64, (1,))
        end = b.constant([np.iinfo(np.int64).max], np.int64)
        return b.node(
            "Slice", f"{base}/Slice", [stream, first, end, b.constant([1], np.int64)], _F32,
            (_BATCH, "num_logits", self._config.hidden),
        )  # fmt: skip


def _last_dim(value: ir.Value) -> int:
    assert value.shape is not None
    return int(value.shape[-1])  # type: ignore[arg-type]


def rotary_angles(
    positions: int, head_dim: int, base: float, linear_factor: float
) -> npt.NDArray[np.float32]:
    """Return the rotation angles [positions, head_dim/2], in float32 as the model was trained.

    The order of operations is transformers': the reciprocal, then the linear factor.
    """
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequencies = np.float32(1.0) / np.float32(base) ** exponents / np.float32(linear_factor)
    return np.outer(np.arange(positions, dtype=np.float32), frequencies).astype(np.float32)
