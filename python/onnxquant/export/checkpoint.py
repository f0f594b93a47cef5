"""What the graph needs of a checkpoint, whatever file it comes from.

Weights go by the names that transformers gives them in a text model:
`model.layers.0.self_attn.q_proj.weight`, shaped [out, in], and `lm_head.weight`.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from onnxquant.export.config import GemmaConfig
from onnxquant.export.errors import CheckpointError
from onnxquant.export.row_chunks import FloatArray

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


class Checkpoint(Protocol):
    """A Gemma 3 text model's weights, given out in float32 some rows at a time."""

    @property
    def place(self) -> str:
        """The file or folder, for messages."""

    @property
    def config(self) -> GemmaConfig:
        """The model's numbers."""

    @property
    def notes(self) -> list[str]:
        """What was found that the user should know: one sentence each."""

    def names(self) -> list[str]:
        """Return the weights that the text model has here."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape; a missing weight is a CheckpointError."""

    def row_chunks(self, name: str) -> Iterator[FloatArray]:
        """Yield a weight's rows in float32, a bounded number of bytes at a time."""

    def norm_gain(self, name: str) -> FloatArray:
        """Return 1 + w of a norm's weight w, added in float32."""


def tensor(checkpoint: Checkpoint, name: str) -> FloatArray:
    """Return a whole weight in float32."""
    return np.concatenate(list(checkpoint.row_chunks(name)))


def same_rows(first: Iterator[FloatArray], second: Iterator[FloatArray]) -> bool:
    """Whether two weights of one shape hold the same numbers; reads until they part."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def head_is_tied(
    place: str, *, claimed: bool, shapes: dict[str, tuple[int, ...]], equal: bool, notes: list[str]
) -> bool:
    """Decide from the weights whether the head is the embedding, and note what the file claims.

    A fine-tune that trained its head often still says `tie_word_embeddings: true`, because its base
    said so: trusting that would drop the trained head without a word. `equal` counts only where
    `shapes` has a head.
    """
    if HEAD not in shapes:
        if not claimed:
            raise CheckpointError(
                f"{place}: no tensor '{HEAD}', though config.json says tie_word_embeddings: false; "
                "the head is missing: save the checkpoint again, or set tie_word_embeddings to "
                "true if the model was tied"
            )
        return True
    if shapes[HEAD] != shapes[EMBEDDING]:
        raise CheckpointError(
            f"{place}: '{HEAD}' has shape {list(shapes[HEAD])}, expected that of '{EMBEDDING}', "
            f"{list(shapes[EMBEDDING])}: resize both to one vocabulary and save again"
        )
    if equal:
        if not claimed:
            notes.append(
                f"'{HEAD}' equals '{EMBEDDING}', though config.json says tie_word_embeddings: "
                "false; the exported model stores it once"
            )
        return True
    if claimed:
        notes.append(
            f"'{HEAD}' differs from '{EMBEDDING}', though config.json says tie_word_embeddings: "
            "true; the checkpoint's own head is exported, and the new config.json says false"
        )
    return False
