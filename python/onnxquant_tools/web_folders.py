"""Folders of several small models of random weights, as Transformers.js loads them.

    python -m onnxquant_tools.web_folders [--kinds t5,llava,…] FOLDER

writes FOLDER/KIND/config.json and FOLDER/KIND/onnx/*.onnx in float32. Needs the environment of
scripts/test_exporters.sh.
"""

import argparse
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from onnxquant_tools.family_exports import EXPORTERS, write_tokenizer
from onnxquant_tools.family_models import make_model, on_a_grid
from onnxquant_tools.web_composites import COMPOSITES

# Kinds that optimum exports as Transformers.js wants them. Moonshine is none: its encoder asks for
# a mask, which Transformers.js does not pass on.
OPTIMUM = ("t5", "marian", "whisper", "sam")
Kind = Callable[[Path, Path], None]  # from a folder for what is needed on the way, and the kind's


def _optimum(family: str) -> Kind:
    def write(scratch: Path, folder: Path) -> None:
        on_a_grid(make_model(family)).save_pretrained(scratch)
        write_tokenizer(scratch)
        EXPORTERS["optimum"](family, scratch, folder)

    return write


KINDS: dict[str, Kind] = {family: _optimum(family) for family in OPTIMUM} | COMPOSITES


def write_folder(kind: str, folder: Path) -> None:
    """Write a kind's folder, which must not be there."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        KINDS[kind](Path(scratch), folder)
    (folder / "onnx").mkdir(exist_ok=True)
    for model in folder.glob("*.onnx*"):
        shutil.move(model, folder / "onnx")


def main() -> None:
    """Write the folders that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", default=",".join(KINDS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    for kind in arguments.kinds.split(","):
        write_folder(kind, arguments.folder / kind)


if __name__ == "__main__":
    main()
