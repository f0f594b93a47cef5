"""A PEFT LoRA adapter merged into a checkpoint as its weights are read.

The mathematics is peft's: W + s·B·A with s = lora_alpha/r, or lora_alpha/√r with use_rslora, and
whole modules of `modules_to_save` in place of the base's, all in float32. Nothing of an adapter is
left out: a tensor or setting that cannot be merged is refused.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnxquant.export.checkpoint import EMBEDDING, HEAD, Checkpoint, same_rows
from onnxquant.export.checkpoint_file import read_json
from onnxquant.export.config import GemmaConfig
from onnxquant.export.errors import CheckpointError
from onnxquant.export.row_chunks import FloatArray
from onnxquant.export.safetensors_checkpoint import is_vision, text_name
from onnxquant.export.safetensors_file import SafetensorsFile

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

# Settings that change the mathematics in ways that a merge cannot follow; unset in a plain LoRA.
_REFUSED = (
    "use_dora", "fan_in_fan_out", "lora_bias", "trainable_token_indices", "layer_replication",
    "alora_invocation_tokens", "arrow_config", "target_parameters", "use_qalora", "use_bdlora",
)  # fmt: skip
_REPETITIONS = 3
_LOW_RANK = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.default)?(\.weight)?")
_WHOLE = re.compile(r"(.+?)(?:\.base_layer|\.modules_to_save(?:\.default)?)?\.weight")


@dataclass
class _LowRank:
    """Keys of A and B in the adapter's file, and the factor of their product."""

    a: str = ""
    b: str = ""
    scale: float = 1.0
    embedding: bool = False


class AdaptedCheckpoint:
    """A base checkpoint with an adapter's folder merged into it."""

    def __init__(self, base: Checkpoint, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self.notes = list(base.notes)
        self._settings = _read_settings(folder, self.notes)
        if not (folder / WEIGHTS).is_file():
            raise CheckpointError(
                f"{folder}: {WEIGHTS} is missing; save the adapter again with safe_serialization "
                "(peft's default)"
            )
        self._file = SafetensorsFile(folder / WEIGHTS)
        self._whole: dict[str, str] = {}
        self._low: dict[str, _LowRank] = {}
        for key in self._file.tensors:
            self._place_tensor(key)
        for name, pair in self._low.items():
            self._check_pair(name, pair)
        self.config = self._decide_config()

    @property
    def place(self) -> str:
        """The adapter's folder, for messages."""
        return str(self._folder)

    def names(self) -> list[str]:
        """Return the text model's weights."""
        return list(dict.fromkeys([*self._base.names(), *self._whole, *self._low]))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape; a missing weight is a CheckpointError."""
        if name in self._whole:
            return self._file.tensors[self._whole[name]].shape
        return self._base.shape(self._base_name(name))

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a weight's rows in float32, a bounded number of bytes at a time."""
        if name == HEAD and self._head_follows():
            name = EMBEDDING
        if name in self._whole:
            rows = self._file.row_chunks(self._whole[name])
        else:
            rows = self._base.row_chunks(self._base_name(name))
        pair = self._low.get(name)
        return rows if pair is None else self._merged(rows, pair)

    def norm_gain(self, name: str) -> FloatArray:
        """Return 1 + w of a norm's weight w, added in float32."""
        if name not in self._whole:
            return self._base.norm_gain(name)
        gain: FloatArray = np.float32(1) + self._read(self._whole[name])
        return gain

    def _merged(self, rows: Iterator[FloatArray], pair: _LowRank) -> Iterator[FloatArray]:
        a, b = self._read(pair.a), self._read(pair.b)
        if pair.embedding:
            # An embedding's A is [r, vocabulary] and B [hidden, r]: its rows are A's columns.
            a, b = b.T, a.T
        first = 0
        for chunk in rows:
            last = first + chunk.shape[0]
            yield chunk + np.float32(pair.scale) * (b[first:last] @ a)
            first = last

    def _read(self, key: str) -> FloatArray:
        return np.concatenate(list(self._file.row_chunks(key)))

    def _base_name(self, name: str) -> str:
        """Return what the base has for a weight: a tied base's head is its embedding."""
        tied_head = name == HEAD and self._base.config.tied and HEAD not in self._base.names()
        return EMBEDDING if tied_head else name

    def _head_follows(self) -> bool:
        """Whether the head is the adapted embedding, as ensure_weight_tying asks for."""
        apart = HEAD in self._whole or HEAD in self._low
        tying = bool(self._settings.get("ensure_weight_tying"))
        return tying and self._base.config.tied and not apart

    def _place_tensor(self, key: str) -> None:
        """Find which weight a tensor of the adapter belongs to."""
        inner = key.removeprefix("base_model.model.")
        if is_vision(inner):
            self.notes.append(f"adapter tensor '{key}' of the image side is left out")
            return
        low, whole = _LOW_RANK.fullmatch(inner), _WHOLE.fullmatch(inner)
        if low:
            name = text_name(f"{low[1]}.weight")
            pair = self._low.setdefault(name, _LowRank(embedding=bool(low[2])))
            if low[3] == "A":
                pair.a = key
            else:
                pair.b = key
        elif whole:
            name = text_name(f"{whole[1]}.weight")
            self._whole[name] = key
        else:
            raise CheckpointError(
                f"{self._file.path}: tensor '{key}' is neither a LoRA matrix nor a whole module; "
                "merge the adapter with peft's merge_and_unload and export the result"
            )
        if self._base_name(name) not in self._base.names():
            raise CheckpointError(
                f"{self._file.path}: tensor '{key}' belongs to '{name}', which "
                f"{self._base.place} does not have; adapter and base do not belong together"
            )

    def _check_pair(self, name: str, pair: _LowRank) -> None:
        """Check one weight's A and B against the base and the settings; fill in the scale."""
        if not pair.a or not pair.b:
            raise CheckpointError(
                f"{self._file.path}: '{name}' has lora_{'B' if pair.b else 'A'} only, expected A "
                "and B; the adapter is incomplete: save it again"
            )
        module = name.removesuffix(".weight")
        rank = self._pattern("rank_pattern", module, self._settings.get("r"))
        alpha = self._pattern("alpha_pattern", module, self._settings.get("lora_alpha"))
        rows, columns = self.shape(name)
        found = self._file.tensors[pair.a].shape, self._file.tensors[pair.b].shape
        if pair.embedding:
            expected = (rank, rows), (columns, rank)
        else:
            expected = (rank, columns), (rows, rank)
        if found != expected:
            raise CheckpointError(
                f"{self._file.path}: '{name}': A {list(found[0])} and B {list(found[1])}, expected "
                f"{list(expected[0])} and {list(expected[1])} for rank {rank}; adapter, "
                f"{CONFIG} and base do not belong together"
            )
        pair.scale = alpha / (math.sqrt(rank) if self._settings.get("use_rslora") else rank)

    def _pattern(self, key: str, module: str, default: Any) -> Any:
        """Return a module's own rank or alpha, found as peft does: the first pattern that fits."""
        patterns = self._settings.get(key) or {}
        if not isinstance(patterns, dict):
            raise CheckpointError(f"{self._folder / CONFIG}: '{key}' is no JSON object")
        for pattern, value in patterns.items():
            if self._fits(key, pattern, module):
                default = value
                break
        if isinstance(default, bool) or not isinstance(default, (int, float)):
            raise CheckpointError(
                f"{self._folder / CONFIG}: 'r' or 'lora_alpha' is {default!r}, expected a number: "
                "save the adapter again"
            )
        if not 0 < default < math.inf:
            raise CheckpointError(
                f"{self._folder / CONFIG}: 'r' or 'lora_alpha' is {default!r}, expected a number "
                "above 0: save the adapter again"
            )
        return default

    def _fits(self, key: str, pattern: str, module: str) -> bool:
        place = f"{self._folder / CONFIG}: '{key}': pattern '{pattern[:100]}'"
        # Patterns are names of modules, or almost. Repeated groups, or many repetitions, can keep
        # Python's matcher busy for ever.
        if len(re.findall(r"[*+{]", pattern)) > _REPETITIONS or re.search(r"\)[*+{]", pattern):
            raise CheckpointError(
                f"{place} has a repeated group, or more than {_REPETITIONS} repetitions; merge the "
                "adapter with peft's merge_and_unload and export the result"
            )
        try:
            return re.match(rf"(.*\.)?({pattern})$", module) is not None
        except (re.error, RecursionError, OverflowError) as error:
            raise CheckpointError(f"{place} is no regular expression ({error})") from error

    def _decide_config(self) -> GemmaConfig:
        base = self._base.config
        vocab = self.shape(EMBEDDING)[0]
        if not {EMBEDDING, HEAD} & (self._whole.keys() | self._low.keys()):
            return base
        if not self._head_follows() and self.shape(HEAD) != self.shape(EMBEDDING):
            raise CheckpointError(
                f"{self.place}: embedding {list(self.shape(EMBEDDING))} and head "
                f"{list(self.shape(HEAD))} differ in shape; save the adapter with both "
                "(save_embedding_layers=True)"
            )
        tied = same_rows(self.row_chunks(HEAD), self.row_chunks(EMBEDDING))
        if base.tied and not tied:
            self.notes.append(
                "the adapter trained the head apart from the embedding, which the base ties: both "
                "are exported"
            )
        return dataclasses.replace(base, tied=tied, vocab=vocab)


def _read_settings(folder: Path, notes: list[str]) -> dict[str, Any]:
    path = folder / CONFIG
    settings = read_json(path, "give the folder that peft's save_pretrained wrote, saved again")
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(
            f"{path}: peft_type is {kind!r}, expected 'LORA'; merge the adapter with peft and "
            "export the result"
        )
    for key in _REFUSED:
        if settings.get(key):
            raise CheckpointError(
                f"{path}: '{key}' is {settings[key]!r}, which is not merged here; merge the "
                "adapter with peft's merge_and_unload and export the result"
            )
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and start not in ("gaussian", "eva", "orthogonal"):
        notes.append(
            f"the adapter began from init_lora_weights='{start}', which changes the base's "
            "weights: the checkpoint must be the base as it was changed"
        )
    return dict(settings)
