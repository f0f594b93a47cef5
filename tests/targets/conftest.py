"""What the runtimes of this machine say to the models that show facts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fact_models import cases
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import ROOT
from onnxquant_tools.pytest_webgpu import pytest_terminal_summary, require_webgpu

__all__ = ["pytest_terminal_summary"]

TOOLS = ROOT / "python" / "onnxquant_tools"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all models, as the probes read it."""
    path = tmp_path_factory.mktemp("facts")
    index = []
    for case in cases():
        file = f"{case.name}.onnx"
        (path / file).write_bytes(case.model.SerializeToString())
        index.append({"file": file, "feeds": case.feeds})
    (path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return path


def _said(command: list[str], result: Path, environment: dict[str, str]) -> dict[str, str]:
    done = subprocess.run(
        [*command, str(result)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))["results"]
    return found


@pytest.fixture(scope="session")
def runtimes(folder: Path) -> dict[str, dict[str, str]]:
    """Return by runtime and file what is wrong; runtimes that are not set up here are missing."""
    require_webgpu()
    probe = ["-m", "onnxquant_tools.probe_runtime", str(folder)]
    webgpu = str(ROOT / "scripts" / "python_webgpu.sh")
    path = {"PYTHONPATH": str(ROOT / "python")}
    said = {
        "cpu": _said([sys.executable, *probe, "cpu"], folder / "cpu.json", path),
        "webgpu": _said([webgpu, *probe, "webgpu"], folder / "webgpu.json", {}),
    }
    # A minute of compiling for one bundle: only with ONNXQUANT_WEB_FACTS=1.
    modules = cache_folder() / "web" / "node_modules"
    asked = os.environ.get("ONNXQUANT_WEB_FACTS") == "1"
    if asked and (modules / "onnxruntime-web").is_dir():
        command = ["node", str(TOOLS / "probe_runtime.mjs"), str(folder), "asyncify"]
        said["asyncify"] = _said(command, folder / "web.json", {"NODE_MODULES": str(modules)})
    return said
