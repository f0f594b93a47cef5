"""Runs the program as a user would."""

import subprocess
from pathlib import Path

from onnxquant_tools.product import program


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program; standard output and error are captured apart."""
    command = [str(program()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
