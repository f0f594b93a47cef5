"""Converting the exported model to fewer bits with the onnxquant program."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from onnxquant.errors import OnnxquantError


class ConversionError(OnnxquantError):
    """The program is missing or refused the model; the message holds what it said."""


def find_program() -> list[str]:
    """Return the command that starts onnxquant.

    $ONNXQUANT, else the installed package's own (`python -m onnxquant`), else what PATH has.
    """
    given = os.environ.get("ONNXQUANT")
    if given:
        return [given]
    if importlib.util.find_spec("onnxquant._native") is not None:
        return [sys.executable, "-m", "onnxquant"]
    found = shutil.which("onnxquant")
    if found:
        return [found]
    raise ConversionError(
        "quantize: the program 'onnxquant' is neither in this Python environment nor on PATH; "
        "install it, name it in the environment variable ONNXQUANT, or export without quantize"
    )


def convert(program: Sequence[str], model: Path, policy: str, dtypes: Sequence[str]) -> None:
    """Write the policy's outputs beside the model; config.json learns of them."""
    command = [*program, "--quiet", "--policy", policy, "--dtype", ",".join(dtypes), str(model)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConversionError(
            f"quantize: {program[0]}: cannot be started: {error.strerror}; correct ONNXQUANT"
        ) from error
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise ConversionError(f"quantize: onnxquant ended with status {done.returncode}: {said}")
