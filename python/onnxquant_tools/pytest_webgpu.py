"""For test suites that need WebGPU: they skip loudly without it, and fail when CI=true.

A conftest.py imports `require_webgpu` to call it, and `pytest_terminal_summary` for pytest to find.
"""

import functools
import os
import subprocess
from typing import Any

import pytest

from onnxquant_tools.product import ROOT

_reasons: list[str] = []


@functools.cache
def _fault() -> str | None:
    """Return why WebGPU does not work here in true half precision, or None when it does."""
    command = [str(ROOT / "scripts" / "python_webgpu.sh"), "-m", "onnxquant_tools.check_webgpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def require_webgpu() -> None:
    """Skip the test, or fail it when CI=true, where WebGPU does not work."""
    fault = _fault()
    if fault is None:
        return
    _reasons.append(fault)
    message = f"WebGPU does not work here; run scripts/setup_webgpu.sh.\n{fault}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly that WebGPU was not tested: the CPU provider hides exactly what it shows."""
    if _reasons:
        terminalreporter.section("WEBGPU WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(_reasons)} tests did not run; run scripts/setup_webgpu.sh. Reason: {_reasons[0]}"
        )
