"""Fixtures of the real-model tests: the binary, the float32 Gemma 3 270M, its conversions, WebGPU.

Environment: ONNXQUANT names the binary (default build/release/bin/onnxquant), ONNXQUANT_GEMMA the
float32 model (default: the one in the cache folder, exported there when missing). Run as

    scripts/python.sh -m pytest tests/real
"""

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.product import ROOT, gemma, program, scratch_folder
from real_model import PROMPT, Convert, Generate, Provider

_without_webgpu: list[str] = []


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


@pytest.fixture(scope="session")
def convert(binary: Path, gemma: Path, scratch: Path) -> Convert:
    """Return a function that converts the model once for each policy and gives the folder."""

    @functools.cache
    def run(policy: str) -> Path:
        folder = scratch / policy
        folder.mkdir()
        command = [str(binary), "--policy", policy, "-o", str(folder), "--force", str(gemma)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}", False)
        return folder

    return run


@functools.cache
def _webgpu_fault() -> str | None:
    """Return why WebGPU does not work here in true half precision, or None when it does."""
    command = [str(ROOT / "scripts" / "python_webgpu.sh"), "-m", "onnxquant_tools.check_webgpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def _require_webgpu() -> None:
    fault = _webgpu_fault()
    if fault is None:
        return
    _without_webgpu.append(fault)
    message = f"WebGPU does not work here; run scripts/setup_webgpu.sh.\n{fault}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly that WebGPU was not tested: the CPU provider hides exactly what it shows."""
    if _without_webgpu:
        terminalreporter.section("WEBGPU WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(_without_webgpu)} tests did not run; run scripts/setup_webgpu.sh. "
            f"Reason: {_without_webgpu[0]}"
        )


@pytest.fixture(scope="session")
def generate() -> Generate:
    """Return a function that continues the prompt by four tokens in a process of its own."""

    def run(model: Path, provider: Provider) -> dict[str, Any]:
        if provider == "webgpu":
            _require_webgpu()
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
