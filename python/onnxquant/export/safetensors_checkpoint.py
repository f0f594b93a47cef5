"""A Gemma 3 checkpoint as save_pretrained writes it: config.json and one or more safetensors."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from onnxquant.export.checkpoint import EMBEDDING, HEAD, head_is_tied, same_rows
from onnxquant.export.checkpoint_file import read_json
from onnxquant.export.errors import CheckpointError
from onnxquant.export.hf_config import claims_tied, read_config
from onnxquant.export.row_chunks import FloatArray
from onnxquant.export.safetensors_file import SafetensorsFile

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
# Prefixes of the text decoder in multimodal checkpoints, old and new, and what they stand for.
_PREFIXES = (
    ("model.language_model.", "model."),
    ("language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
)
# The image side of multimodal checkpoints, which a text model does without.
_VISION = (
    "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
    "model.multi_modal_projector.",
)  # fmt: skip
# Buffers that old versions saved; the graph computes its own.
_BUFFERS = (".rotary_emb.inv_freq", ".rotary_emb_local.inv_freq")


class SafetensorsCheckpoint:
    """The weights of a folder; files are mapped, and tensors converted as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.notes: list[str] = []
        self._home: dict[str, tuple[SafetensorsFile, str]] = {}
        vision = 0
        for file, name in _all_tensors(folder):
            if is_vision(name):
                vision += 1
            elif not name.endswith(_BUFFERS):
                self._home[text_name(name)] = (file, name)
        if vision:
            self.notes.append(
                f"the image side is left out, {vision} tensors: this is the text model only"
            )
        shapes = {name: self.shape(name) for name in (EMBEDDING, HEAD) if name in self._home}
        if EMBEDDING not in shapes:
            self.shape(EMBEDDING)
        equal = (
            HEAD in shapes
            and shapes[HEAD] == shapes[EMBEDDING]
            and same_rows(self.row_chunks(HEAD), self.row_chunks(EMBEDDING))
        )
        path = folder / "config.json"
        tied = head_is_tied(
            self.place, claimed=claims_tied(path), shapes=shapes, equal=equal, notes=self.notes
        )
        self.config = read_config(path, vocab=shapes[EMBEDDING][0], tied=tied)

    @property
    def place(self) -> str:
        """The folder, for messages."""
        return str(self._folder)

    def names(self) -> list[str]:
        """Return the text model's weights."""
        return list(self._home)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape; a missing weight is a CheckpointError."""
        found = self._home.get(name)
        if found is None:
            raise CheckpointError(
                f"{self.place}: tensor '{name}' is missing; the checkpoint is incomplete: save or "
                "download it again"
            )
        file, stored = found
        return file.tensors[stored].shape

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a weight's rows in float32, a bounded number of bytes at a time."""
        self.shape(name)
        file, stored = self._home[name]
        yield from file.row_chunks(stored)

    def norm_gain(self, name: str) -> FloatArray:
        """Return 1 + w, added in float32 as transformers does."""
        gain: FloatArray = np.float32(1) + np.concatenate(list(self.row_chunks(name)))
        return gain


def text_name(name: str) -> str:
    """Return the name that the tensor has in a text-only checkpoint."""
    for prefix, replacement in _PREFIXES:
        if name.startswith(prefix):
            return replacement + name.removeprefix(prefix)
    return name


def is_vision(name: str) -> bool:
    """Whether a tensor belongs to the image side of a multimodal checkpoint."""
    return name.startswith(_VISION)


def _all_tensors(folder: Path) -> Iterator[tuple[SafetensorsFile, str]]:
    """Yield every tensor and its file: one file, or the shards that the index names."""
    index = folder / INDEX
    if not index.is_file():
        if not (folder / SINGLE).is_file():
            raise CheckpointError(
                f"{folder}: neither {SINGLE} nor {INDEX} nor a .gguf file is there; give the "
                "folder that save_pretrained wrote (with safe_serialization, its default)"
            )
        file = SafetensorsFile(folder / SINGLE)
        for name in file.tensors:
            yield file, name
        return
    weight_map = read_json(index, "download it again").get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(n, str) for n in weight_map.values()):
        raise CheckpointError(f"{index}: no 'weight_map' of tensors to files; download it again")
    shards: dict[str, SafetensorsFile] = {}
    for name, shard in weight_map.items():
        if Path(shard).name != shard:
            raise CheckpointError(
                f"{index}: tensor '{name}': file '{shard}' is a path, expected a name in the same "
                "folder: download the index again"
            )
        if shard not in shards:
            shards[shard] = SafetensorsFile(folder / shard)
        if name not in shards[shard].tensors:
            raise CheckpointError(
                f"{index}: tensor '{name}' is not in '{shard}', which the index names for it; the "
                "files are of different versions: download all of them again"
            )
        yield shards[shard], name
    for shard, file in shards.items():
        stray = sorted(set(file.tensors) - set(weight_map))
        if stray:
            raise CheckpointError(
                f"{folder / shard}: tensor '{stray[0]}' ({len(stray)} in all) is not in {INDEX}; "
                "the files are of different versions: download all of them again"
            )
