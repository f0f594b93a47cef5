"""Fixtures of the real-model tests: the binary, the float32 Gemma 3 270M, its conversions, WebGPU.

Environment: ONNXQUANT names the binary (default build/release/bin/onnxquant), ONNXQUANT_GEMMA the
float32 model (default: the one in the cache folder, exported there when missing). Run as

    scripts/python.sh -m pytest tests/real
"""

import functools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.product import ROOT, gemma, program, scratch_folder
from onnxquant_tools.pytest_webgpu import pytest_terminal_summary, require_webgpu
from real_model import PROMPT, Breaking, Convert, Generate, Provider

__all__ = ["pytest_terminal_summary"]  # for pytest to find


@pytest.fixture(scope="session")
def binary() -> Path:
    """Return the program under test."""
    return program()


@pytest.fixture(scope="session", name="gemma")
def _gemma() -> Path:
    """Return the float32 Gemma 3 270M with logits for all positions."""
    return gemma()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the session."""
    with scratch_folder("real") as folder:
        yield folder


@pytest.fixture(scope="module")
def convert(binary: Path, gemma: Path) -> Iterator[Convert]:
    """Return a function that converts the model once for each policy and gives the folder.

    A conversion takes a second and two gigabytes of disk: those of a file's tests go away with it.
    """

    @functools.cache
    def run(policy: str) -> Path:
        folder = own / policy
        folder.mkdir()
        command = [str(binary), "--policy", policy, "-o", str(folder), "--force", str(gemma)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}", False)
        return folder

    with scratch_folder("converted") as own:
        yield run


@pytest.fixture(scope="session")
def broken(gemma: Path, scratch: Path) -> Breaking:
    """Return a function that gives the broken file of a kind, which it writes if need be.

    Each in a process of its own, since it needs gigabytes of memory. Who needs one last may remove
    its folder.
    """
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        if kind in made and made[kind].exists():
            return made[kind]
        folder = scratch / "broken" / kind
        command = [str(ROOT / "scripts" / "python.sh"), "-m", "onnxquant_tools.broken_models"]
        command += [kind, str(gemma), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{kind} cannot be written:\n{done.stderr[-2000:]}", False)
        made[kind] = Path(done.stdout.splitlines()[-1])
        return made[kind]

    return run


@pytest.fixture(scope="session")
def generate() -> Generate:
    """Return a function that continues the prompt by four tokens in a process of its own."""

    def run(model: Path, provider: Provider) -> dict[str, Any]:
        if provider == "webgpu":
            require_webgpu()
        script = "python_webgpu.sh" if provider == "webgpu" else "python.sh"
        command = [
            str(ROOT / "scripts" / script),
            *("-m", "onnxquant_tools.run_model", str(model), "--provider", provider, "--json"),
            *("--tokens", ",".join(map(str, PROMPT))),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 5):
            pytest.fail(f"{model.name} does not run on {provider}:\n{done.stderr[-2000:]}", False)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return run
