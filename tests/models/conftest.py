"""Fixtures of the tests on packaged models: the binary, conversions, outputs of both files.

Environment: ONNXQUANT names the binary (default build/release/bin/onnxquant). Run as

    scripts/python.sh -m pytest tests/models
"""

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from agreement import Array
from onnxquant_tools.model_packages import PackageError, model_path
from onnxquant_tools.product import ROOT, program, scratch_folder
from onnxquant_tools.pytest_webgpu import pytest_terminal_summary, require_webgpu
from packaged import Conversion, Convert, Provider, RunFile

RUNNER = Path(__file__).with_name("run_packaged.py")

__all__ = ["pytest_terminal_summary"]  # for pytest to find


@pytest.fixture(scope="session")
def binary() -> Path:
    """Return the program under test."""
    return program()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the session."""
    with scratch_folder("models") as folder:
        yield folder


@pytest.fixture(scope="session")
def convert(binary: Path, scratch: Path) -> Convert:
    """Return a function that converts a packaged model with the policy `fp16`, once."""

    @functools.cache
    def run(name: str) -> Conversion:
        try:
            source = model_path(name)
        except PackageError as error:
            pytest.fail(str(error), pytrace=False)
        folder = scratch / name
        command = [str(binary), "--policy", "fp16", "-o", str(folder), "--force", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        (output,) = folder.glob("*_fp16.onnx") if done.returncode == 0 else [folder]
        return Conversion(source, output, done.returncode, done.stderr)

    return run


@pytest.fixture(scope="session")
def run_file(scratch: Path) -> RunFile:
    """Return a function that runs a file of a packaged model, once for each provider."""

    @functools.cache
    def run(name: str, provider: Provider, path: Path) -> list[Array]:
        if provider == "webgpu":
            require_webgpu()
        script = ROOT / "scripts" / ("python_webgpu.sh" if provider == "webgpu" else "python.sh")
        results = scratch / f"{path.stem}-{provider}.npz"
        command = [str(script), str(RUNNER), name, provider, str(results), str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        if ran.returncode != 0:
            pytest.fail(
                f"{path.name} does not run on {provider}: exit status {ran.returncode}\n"
                f"{ran.stderr[-2000:]}",
                pytrace=False,
            )
        with np.load(results) as saved:
            return [saved[str(number)] for number in range(len(saved.files) - 1)]

    return run
