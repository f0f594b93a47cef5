"""How far true float16 on WebGPU is from float32, where nothing else is in the way."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.compare_logits import default_tokens
from onnxquant_tools.product import ROOT
from onnxquant_tools.pytest_webgpu import require_webgpu
from real_model import FIRST_BEYOND, Convert

# ONNX Runtime 1.27's attention kernel is right up to as many keys as a subgroup has lanes. The
# software driver makes 16 lanes of vectors of 512 bits, on processors without such vectors, too.
LANES = 16
POLICIES = {"gemma-safe": 1e-3, "gemma-web": 5e-3, "gemma-rescale": 5e-3}


def _runtime(python: str) -> Path:
    where = "import onnxruntime; print(onnxruntime.__path__[0])"
    done = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    (library,) = (Path(done.stdout.splitlines()[-1]) / "capi").glob("libonnxruntime.so.*")
    return library


@pytest.fixture(scope="module")
def results(binary: Path, gemma: Path, convert: Convert, scratch: Path) -> dict[str, Any]:
    """Return what `verify` finds on WebGPU, by policy; the float32 file itself is "float32"."""
    require_webgpu()
    tokens = scratch / "few.jsonl"
    encoded = default_tokens()
    tokens.write_text(json.dumps(encoded[:LANES]))
    policies = [*POLICIES, "build-gemma"]
    files = [gemma, *(convert(policy) / "model_fp16.onnx" for policy in policies)]
    python = str(ROOT / "scripts" / "python_webgpu.sh")
    command = [str(binary), "verify", str(gemma), *map(str, files), "--tokens", str(tokens)]
    command += ["--greedy", "0", "--provider", "webgpu", "--json"]
    command += ["--onnxruntime", str(_runtime(python))]
    # The script sets the driver up for what it starts.
    start = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [python, "-c", start, *command],
        env={**os.environ, "LP_NATIVE_VECTOR_WIDTH": str(32 * LANES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr  # for build-gemma's file
    found = json.loads(done.stdout)["results"]
    return dict(zip(["float32", *policies], found, strict=True))


def test_the_float32_file_is_exact(results: dict[str, Any]) -> None:
    """So what the others are off by is float16's doing."""
    language = results["float32"]["language"]
    print("float32 on WebGPU:", language["kl_mean"])
    assert 0 < language["kl_max"] < 1e-9


@pytest.mark.parametrize("policy", POLICIES)
def test_true_float16_costs_thousandths_of_a_nat(policy: str, results: dict[str, Any]) -> None:
    language = results[policy]["language"]
    print(f"{policy} on WebGPU:", language["kl_mean"])
    assert results[policy]["passed"]
    assert 1e-5 < language["kl_mean"] < POLICIES[policy]
    assert language["top1"] == 1


def test_verify_names_the_value_where_webgpu_overflows(results: dict[str, Any]) -> None:
    result = results["build-gemma"]
    print(result["first_bad"])
    assert not result["passed"]
    assert f"the first value with NaN or Inf is '{FIRST_BEYOND}'" in result["first_bad"]
