"""One call from a checkpoint to a model folder."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from onnxquant.export import adapter as lora
from onnxquant.export.checkpoint import Checkpoint
from onnxquant.export.checkpoint_file import read_json
from onnxquant.export.conversion import convert, find_program
from onnxquant.export.errors import CheckpointError
from onnxquant.export.external_data import DEFAULT_SHARD_BYTES
from onnxquant.export.folder import (
    MODEL,
    check_data_files,
    check_replaceable,
    open_folder,
    replaced_folder,
    write_companions,
    write_model,
)
from onnxquant.export.gemma_graph import LogitPositions
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant.export.safetensors_checkpoint import INDEX, SINGLE, SafetensorsCheckpoint

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    `models` has the ONNX file of each dtype ("fp32" first); `notes` what the user should know of
    the checkpoint, which are also given as warnings.
    """

    folder: Path
    models: dict[str, Path]
    tied: bool
    data_bytes: int
    notes: list[str] = field(default_factory=list)


def gemma3(
    checkpoint: PathLike,
    out: PathLike,
    *,
    adapter: PathLike | None = None,
    logits: LogitPositions = "all",
    quantize: str | Iterable[str] = (),
    policy: str = "gemma-web",
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    force: bool = False,
) -> Exported:
    """Export a Gemma 3 text checkpoint as float32 ONNX to a folder that Transformers.js loads.

    Args:
        checkpoint: a folder with config.json and model.safetensors (one file, or shards and their
            index), a .gguf file or a folder with one, or the folder of a PEFT adapter whose
            adapter_config.json names its base by a path.
        out: the folder to write: config.json, generation_config.json, the tokenizer's files as far
            as the checkpoint has them, onnx/model.onnx and its external data. It appears whole or
            not at all.
        adapter: the folder of a PEFT LoRA adapter to merge, `modules_to_save` included.
        logits: "all" positions, the "last" alone (written with the community exporter's nodes), or
            "input": the graph has an int64 scalar input num_logits_to_keep, 0 for all.
        quantize: output types of the policy to write too, such as ["fp16", "q4f16"].
        policy: the policy for them: a built-in one's name, or a YAML file.
        shard_bytes: external data goes to a new file before it exceeds this.
        force: replace the folder of an earlier export; another folder is never removed.

    The head is exported as the weights have it, whatever tie_word_embeddings says. Memory stays
    within a few hundred MB at any size: weights go through it some rows at a time.

    Raises:
        CheckpointError: the checkpoint or adapter is missing, damaged or unsupported.
        FileExistsError: `out` is there and force is not set, or it holds other things.
        ConversionError: quantize, and the program onnxquant is missing or failed.
    """
    if logits not in ("all", "last", "input"):
        raise ValueError(f"logits is {logits!r}, expected 'all', 'last' or 'input'")
    dtypes = [quantize] if isinstance(quantize, str) else list(quantize)
    folder = Path(out).absolute()
    program = find_program() if dtypes else []
    source, origins = open_checkpoint(Path(checkpoint), None if adapter is None else Path(adapter))
    check_replaceable(folder, force=force, needed=[Path(checkpoint), *origins])
    with replaced_folder(folder) as draft:
        data_files = write_model(source, draft, logits, shard_bytes)
        notes = [*source.notes, *write_companions(source, draft, origins, len(data_files))]
        notes += check_data_files(draft, data_files)
        if dtypes:
            convert(program, draft / "onnx" / MODEL, policy, dtypes)
        size = sum((draft / "onnx" / name).stat().st_size for name in data_files)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    onnx = folder / "onnx"
    models = {"fp32": onnx / MODEL} | {d: onnx / f"model_{d}.onnx" for d in dtypes}
    return Exported(folder, models, source.config.tied, size, notes)


def open_checkpoint(path: Path, adapter: Path | None) -> tuple[Checkpoint, list[Path]]:
    """Open a checkpoint, its adapter merged; also return the folders to look for companions in."""
    weights = any((path / name).is_file() for name in (SINGLE, INDEX))
    if adapter is None and (path / lora.CONFIG).is_file():
        if weights:
            raise CheckpointError(
                f"{path}: both a whole model and an adapter ({lora.CONFIG}) are there; name the "
                "adapter's folder as adapter=… to merge it, or move it away"
            )
        adapter, path = path, _base_of(path)
    where = open_folder(path)
    base: Checkpoint
    if where.is_file():
        base, origins = GgufCheckpoint(where), [where.parent]
    else:
        base, origins = SafetensorsCheckpoint(where), [where]
    if adapter is None:
        return base, origins
    return lora.AdaptedCheckpoint(base, adapter), [adapter, *origins]


def _base_of(adapter: Path) -> Path:
    """Return the base that an adapter names, when that is a path here."""
    path = adapter / lora.CONFIG
    name = read_json(path, "save it again").get("base_model_name_or_path")
    for base in (Path(str(name)), adapter / str(name)):
        if name and "\0" not in str(name) and base.exists():
            return base
    raise CheckpointError(
        f"{path}: the base model {name!r} is not a path here; give the base's folder as the "
        "checkpoint and this folder as adapter=…"
    )
