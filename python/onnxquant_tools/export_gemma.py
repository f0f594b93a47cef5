"""Export a Gemma 3 text checkpoint (GGUF) to a float32 ONNX model folder.

    python -m onnxquant_tools.export_gemma --gguf FILE|PACKAGE --out DIR [--logits all|last]

writes DIR/config.json, DIR/generation_config.json, DIR/onnx/model.onnx and its model.onnx_data.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from onnxquant_tools.external_data import ExternalDataWriter
from onnxquant_tools.gemma_graph import GemmaGraph, LogitPositions
from onnxquant_tools.gguf_checkpoint import (
    DEFAULT_PACKAGE,
    CheckpointError,
    GgufCheckpoint,
    locate_checkpoint,
)

_MODEL = "model.onnx"
_DATA = "model.onnx_data"


def export(checkpoint: GgufCheckpoint, folder: Path, logits: LogitPositions) -> int:
    """Write the model folder and return the data file's bytes; the folder appears whole or not."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft.chmod(0o755)
        (draft / "onnx").mkdir()
        data = ExternalDataWriter(draft / "onnx", _DATA)
        try:
            model = GemmaGraph(checkpoint, data).build(logits)
        finally:
            data.close()
        onnx.save_model(ir.to_proto(model), draft / "onnx" / _MODEL)
        _write_json(draft / "config.json", checkpoint.config.to_json())
        _write_json(draft / "generation_config.json", checkpoint.config.generation_json())
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            folder.rename(old / "replaced")
            draft.rename(folder)
            shutil.rmtree(old)
        else:
            draft.rename(folder)
        return data.size
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + os.linesep, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 done, 1 usage, 2 bad checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--gguf", default=DEFAULT_PACKAGE,
        help=f"a .gguf file, or an installed package of weights (default {DEFAULT_PACKAGE})",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--logits", choices=("all", "last"), default="all",
        help="positions that the model gives logits for (default all)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    options = parser.parse_args(arguments)
    if options.out.exists() and not options.force:
        print(f"{options.out}: exists already; pass --force to replace it", file=sys.stderr)
        return 1
    start = time.monotonic()
    try:
        checkpoint = GgufCheckpoint(locate_checkpoint(options.gguf))
        size = export(checkpoint, options.out, options.logits)
    except CheckpointError as error:
        print(f"export_gemma: {error}", file=sys.stderr)
        return 2
    seconds = time.monotonic() - start
    print(f"{options.out / 'onnx' / _MODEL}: {size} bytes of weights in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
