"""What a folder's float32 models say in ONNX Runtime on the CPU, and how far off another run is.

Tokens are read all at once, from an empty cache: Transformers.js, which writes them one by one with
a cache, has to come to the same logits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from folder_kinds import Array, Arrays, Kind
from onnxquant_tools.family_sizes import PLACE

Floats = npt.NDArray[np.float64]


def _run(path: Path, offered: Arrays) -> Arrays:
    """Run a model on those of the offered arrays that it asks for; all caches are empty."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = dict(offered, use_cache_branch=np.zeros(1, np.bool_))
    for value in session.get_inputs():
        if value.name.startswith("past_key_values."):
            shape = [dim if isinstance(dim, int) else 0 for dim in value.shape]
            feeds[value.name] = np.zeros([1, *shape[1:]], np.float32)
    asked = {value.name: feeds[value.name] for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, asked), strict=True))


def _embedded(models: Path, inputs: Arrays, ids: Array) -> Arrays:
    """Return embeddings of a text in which pictures or sounds take the places kept for them."""
    embeddings = _run(models / "embed_tokens.onnx", {"input_ids": ids})["inputs_embeds"]
    (encoder,) = models.glob("*_encoder.onnx")
    (features,) = _run(encoder, inputs).values()
    embeddings[ids == PLACE] = features.reshape(-1, features.shape[-1])
    return {"inputs_embeds": embeddings, "attention_mask": np.ones_like(ids)}


def _logits(kind: Kind, models: Path, tokens: Sequence[int]) -> Array:
    """Return the logits by which each of the tokens is to be chosen."""
    inputs = kind.inputs()
    if "embed_tokens" in kind.sessions:
        ids = np.concatenate([inputs["input_ids"], [tokens[:-1]]], axis=1)
        feeds = _embedded(models, inputs, ids)
    else:
        encoded = _run(models / "encoder_model.onnx", inputs)["last_hidden_state"]
        feeds = {
            "input_ids": np.array([[kind.start, *tokens[:-1]]]),
            "encoder_hidden_states": encoded,
        }
        if "attention_mask" in inputs:
            feeds["encoder_attention_mask"] = inputs["attention_mask"]
    logits = _run(models / "decoder_model_merged.onnx", feeds)["logits"]
    return logits[0, -len(tokens) :]


def _outputs(kind: Kind, models: Path) -> Arrays:
    """Return what the sessions compute, each from the input and what those before it gave."""
    known = kind.inputs()
    if "input_points" in known:
        known["input_labels"] = np.ones(known["input_points"].shape[:-1], np.int64)
    for session in kind.sessions:
        found = _run(models / f"{session}.onnx", known)
        known |= found
    return found


def _distance(found: Any, right: Array) -> float:
    """Return the Euclidean norm of the error as a share of that of what is right."""
    # JSON has null for NaN.
    ours = np.array(found, np.float64).ravel()
    theirs = right.astype(np.float64).ravel()
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    return error if np.isfinite(error) else np.inf


def errors(kind: Kind, models: Path, result: dict[str, Any]) -> dict[str, float]:
    """Return the relative error of each step's logits, or else of each output.

    With `tie N` for the N-th token: how far below the likeliest one it lies, as a share of the
    spread of the logits.
    """
    if not kind.count:
        right = _outputs(kind, models)
        assert set(result) == set(right)
        return {name: _distance(result[name], right[name]) for name in right}
    tokens = result["tokens"]
    assert len(tokens) == len(result["logits"]) == kind.count
    found = {}
    for i, logits in enumerate(_logits(kind, models, tokens)):
        found[f"step {i}"] = _distance(result["logits"][i], logits)
        found[f"tie {i}"] = float((logits.max() - logits[tokens[i]]) / np.ptp(logits))
    return found
