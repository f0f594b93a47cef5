"""The real Gemma 3 270M in Node.js, on ONNX Runtime's WebGPU provider with true half precision."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.cache import cache_folder
from web_model import Convert, Expected

PROMPT = "2,818,5279,529,7001,563"  # <bos>The capital of France is


@pytest.fixture(scope="module")
def logits(web: Path) -> Callable[[Path], dict[str, Any]]:
    """Return a function that gives what node_logits.mjs prints of a model."""
    mesa = cache_folder() / "mesa"
    environment = os.environ | {
        "NODE_MODULES": str(web),
        "MESA_SHADER_CACHE_DIR": str(web / "shaders"),
        "VK_DRIVER_FILES": str(mesa / "lvp_icd.json"),
        "LD_LIBRARY_PATH": (mesa / "library_path").read_text(),
    }

    def run(model: Path) -> dict[str, Any]:
        command = ["node", str(Path(__file__).with_name("node_logits.mjs")), str(model), PROMPT]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=600
        )
        assert done.returncode == 0, f"{model} does not run in Node.js:\n{done.stderr[-3000:]}"
        result: dict[str, Any] = json.loads(done.stdout)
        print(f"{model.parents[1].name}: {result}")
        return result

    return run


def test_float16_of_gemma_safe_is_finite_and_right_in_node(
    logits: Callable[[Path], dict[str, Any]], convert: Convert, expected: Expected
) -> None:
    found = logits(convert("gemma-safe", "fp16"))
    assert (found["nan"], found["infinite"]) == (0, 0)
    assert found["next"] == expected[0][0]


def test_every_logit_of_build_gemmas_float16_is_nan_in_node(
    logits: Callable[[Path], dict[str, Any]], convert: Convert
) -> None:
    """So it was WebGPU that ran: the CPU provider gives finite logits."""
    found = logits(convert("build-gemma", "fp16"))
    assert found["nan"] == found["logits"] > 0
