"""What tests and tools work with: the program, the real model, and room on the cache's disk."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from onnxquant_tools.cache import cache_folder

ROOT = Path(__file__).resolve().parents[2]


def program() -> Path:
    """Return the program: $ONNXQUANT, else that of the release build."""
    path = Path(os.environ.get("ONNXQUANT", ROOT / "build" / "release" / "bin" / "onnxquant"))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: run scripts/build.sh release, or set ONNXQUANT")
    return path


def gemma() -> Path:
    """Return the float32 Gemma 3 270M: $ONNXQUANT_GEMMA, else the cache's, exported at first."""
    given = os.environ.get("ONNXQUANT_GEMMA")
    if given:
        return Path(given)
    command = [str(ROOT / "scripts" / "fetch_gemma.sh")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Give a folder on the cache's disk (there may be little room elsewhere), for a while."""
    parent = cache_folder() / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
