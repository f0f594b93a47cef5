"""The Python package on the real model: the bytes that the program writes, from a file and memory.

The package is the wheel that scripts/test_wheel.sh installed.
"""

import subprocess
from pathlib import Path

from onnxquant_tools.cache import cache_folder
from real_model import Convert

FROM_FILE = """
import sys, onnxquant
onnxquant.quantize(sys.argv[1], "gemma-safe", output=sys.argv[2], update_config=False)
"""
FROM_MEMORY = """
import sys, onnx_ir, onnxquant
model = onnx_ir.load(sys.argv[1])
onnxquant.quantize(model, "gemma-safe", output=sys.argv[2], update_config=False)
"""


def _same(a: Path, b: Path) -> bool:
    return subprocess.run(["cmp", "-s", a, b], check=False).returncode == 0


def _convert(code: str, gemma: Path, folder: Path) -> None:
    python = cache_folder() / "venv-package" / "bin" / "python"
    assert python.exists(), "run scripts/test_wheel.sh first"
    # Isolated: the package of the checkout, which has no native part, must not come first.
    done = subprocess.run(
        [python, "-I", "-c", code, gemma, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_notebook_writes_the_bytes_that_the_program_writes(
    convert: Convert, gemma: Path, tmp_path: Path
) -> None:
    expected = convert("gemma-safe")
    names = sorted(path.name for path in expected.glob("*.onnx*"))
    assert len(names) == 6
    for code in (FROM_FILE, FROM_MEMORY):
        _convert(code, gemma, tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == names
        assert all(_same(expected / name, tmp_path / name) for name in names)
        for path in tmp_path.iterdir():
            path.unlink()
