"""A plan of several data files, for the tests of parts and of clusters."""

from pathlib import Path

import onnxquant

POLICY = {
    "policy": 1,
    "name": "p",
    "outputs": {
        "fp16": {"compute": "float16", "weights": "float16", "io": "float32"},
        "q4": {"compute": "float32", "weights": {"format": "int4", "block": 32}, "io": "float32"},
    },
}
SHARD = 20_000


def manifest_of(model: Path) -> Path:
    """Return the manifest of a plan whose outputs come into parts/onnx, beside it."""
    path = model.parent / "plan.json"
    plan = onnxquant.plan(model, POLICY, output=model.parent / "parts" / "onnx", max_shard=SHARD)
    plan.save_manifest(path)
    return path


def one_run(model: Path) -> dict[str, bytes]:
    """Return the files of one ordinary run."""
    onnxquant.quantize(model, POLICY, output=model.parent / "one", max_shard=SHARD)
    return files_in(model.parent / "one")


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of a folder's files."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def made_in_parts(manifest: Path) -> dict[str, bytes]:
    """Return the files that were made by the manifest."""
    return files_in(manifest.parent / "parts" / "onnx")
