"""Writing the model folder: it appears whole, with everything beside the graph, or not at all."""

import contextlib
import fnmatch
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from onnxquant.export.checkpoint import Checkpoint
from onnxquant.export.errors import CheckpointError
from onnxquant.export.external_data import ExternalDataWriter
from onnxquant.export.gemma_graph import GemmaGraph, LogitPositions

MODEL = "model.onnx"
DATA = "model.onnx_data"
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
    "added_tokens.json", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_GENERATION = "generation_config.json"
# What lies in a folder that was exported, and converted since.
_WRITTEN = (
    "config.json", _GENERATION, *_TOKENIZER_FILES, "onnx", "onnx/*.onnx", "onnx/*.onnx_data*"
)  # fmt: skip


def check_replaceable(folder: Path, *, force: bool, needed: Iterable[Path]) -> None:
    """Raise FileExistsError unless nothing but an earlier export can be lost with `folder`.

    `needed`: files and folders that must not lie in it.
    """
    if not folder.exists():
        return
    if not force:
        raise FileExistsError(f"{folder}: exists already; pass force=True to replace it")
    if not folder.is_dir():
        raise FileExistsError(f"{folder}: is a file; name a folder to write")
    whole = folder.resolve()
    for path in (*needed, Path.cwd()):
        if path.resolve().is_relative_to(whole):
            raise FileExistsError(
                f"{folder}: holds {path}, which would be lost; name a folder of its own"
            )
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in _WRITTEN):
            raise FileExistsError(
                f"{folder}: holds {name}, which no export has written; remove the folder "
                "yourself, or name another"
            )


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, and put it there when the work went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft.chmod(0o755)
        yield draft
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            folder.rename(old / "replaced")
            draft.rename(folder)
            shutil.rmtree(old)
        else:
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_model(
    checkpoint: Checkpoint, folder: Path, logits: LogitPositions, shard_bytes: int
) -> list[str]:
    """Write onnx/model.onnx and its data below `folder`; return the data files' names."""
    (folder / "onnx").mkdir()
    data = ExternalDataWriter(folder / "onnx", DATA, shard_bytes)
    try:
        model = GemmaGraph(checkpoint, data).build(logits)
    finally:
        data.close()
    onnx.save_model(ir.to_proto(model), folder / "onnx" / MODEL)
    return data.locations


def write_companions(
    checkpoint: Checkpoint, folder: Path, sources: Iterable[Path], data_files: int
) -> list[str]:
    """Write config.json and copy tokenizer and generation files; return what should be said.

    Each file comes from the first of `sources` (folders) that has it: an adapter's tokenizer goes
    before its base's.
    """
    _write_json(folder / "config.json", checkpoint.config.to_json(data_files))
    found: dict[str, Path] = {}
    for source in sources:
        for name in (*_TOKENIZER_FILES, _GENERATION):
            if (source / name).is_file():
                found.setdefault(name, source / name)
    for name, path in found.items():
        shutil.copyfile(path, folder / name)
    if _GENERATION not in found:
        _write_json(folder / _GENERATION, checkpoint.config.generation_json())
    if "tokenizer.json" in found:
        return []
    return ["no tokenizer.json beside the weights: Transformers.js needs the original model's"]


def check_data_files(folder: Path, names: Iterable[str]) -> list[str]:
    """Return a note for each data file that browsers cannot take in one piece."""
    limit = 2_147_418_112
    return [
        f"onnx/{name} has {size} bytes, beyond the {limit} that browsers take in one file: its one "
        "tensor cannot be split in float32; fp16 and q4f16 files are smaller"
        for name in names
        if (size := (folder / "onnx" / name).stat().st_size) > limit
    ]


def open_folder(path: Path) -> Path:
    """Return the one .gguf file of a folder, or the folder itself."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(
            f"{path}: no such file or folder; give a folder of safetensors or a .gguf file"
        )
    files = sorted(f for f in path.glob("*.gguf") if not f.name.startswith("mmproj"))
    if any(path.glob("*.safetensors")) or not files:
        return path
    if len(files) > 1:
        raise CheckpointError(
            f"{path}: {len(files)} .gguf files, {files[0].name} the first of them: name the one "
            "to export"
        )
    return files[0]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
