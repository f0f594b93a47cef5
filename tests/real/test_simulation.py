"""Simulated float16 says what WebGPU shows: build-gemma's files fail, ours do not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from real_model import Convert

TOKENS = "2 651 5279 529 7001 563 506 5279 529 506 3355 532 506"


def _verify(binary: Path, gemma: Path, candidate: Path, folder: Path) -> tuple[int, Any]:
    tokens = folder / "tokens.txt"
    tokens.write_text(TOKENS)
    options = ["--tokens", str(tokens), "--provider", "simulated", "--greedy", "0", "--json"]
    command = [str(binary), "verify", str(gemma), str(candidate), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)["results"][0]


@pytest.mark.parametrize("dtype", ["fp16", "q4f16"])
def test_a_residual_stream_in_float16_is_seen_to_overflow(
    dtype: str, binary: Path, gemma: Path, convert: Convert, tmp_path: Path
) -> None:
    candidate = convert("build-gemma") / f"model_{dtype}.onnx"
    status, result = _verify(binary, gemma, candidate, tmp_path)
    assert status == 5
    assert result["language"]["nan"] > 0


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web", "gemma-rescale"])
@pytest.mark.parametrize(("dtype", "bound"), [("fp16", 2e-5), ("q4f16", 0.5)])
def test_our_policies_do_not_overflow(
    policy: str,
    dtype: str,
    bound: float,
    binary: Path,
    gemma: Path,
    convert: Convert,
    tmp_path: Path,
) -> None:
    candidate = convert(policy) / f"model_{dtype}.onnx"
    status, result = _verify(binary, gemma, candidate, tmp_path)
    assert status == 0
    assert result["language"]["kl_mean"] < bound
