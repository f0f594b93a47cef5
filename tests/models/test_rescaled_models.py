"""The residual stream of a real encoder, rescaled: LayerNorms that are spelt out."""

import subprocess
from pathlib import Path

import numpy as np
from agreement import worst_error
from onnxquant_tools.model_packages import model_path
from packaged import Provider, RunFile

PROVIDERS: tuple[Provider, ...] = ("cpu", "webgpu")
POLICY = """policy: 1
name: rescaled
outputs:
  fp32: {compute: float32, weights: float32, io: float32, residual: {rescale: 6}}
  fp16:
    compute: float16
    weights: float16
    io: float32
    residual: {rescale: 6}
    constants: {overflow: clamp}
rules:
  - match: {hazard: any}
    compute: float32
    when: fp16
"""


def test_a_rescaled_encoder_answers_as_before(
    binary: Path, run_file: RunFile, scratch: Path
) -> None:
    source = model_path("minilm-l3")
    policy = scratch / "rescaled.yaml"
    policy.write_text(POLICY)
    folder = scratch / "rescaled"
    command: list[str | Path] = [binary, "--policy", policy, "--force", "-o", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    before = run_file("minilm-l3", "cpu", source)
    exact = run_file("minilm-l3", "cpu", folder / source.name)
    assert all(np.array_equal(a, b) for a, b in zip(before, exact, strict=True))
    half = folder / f"{source.stem}_fp16.onnx"
    errors = {name: worst_error(before, run_file("minilm-l3", name, half)) for name in PROVIDERS}
    print("rescaled MiniLM:", errors)
    assert 0 < errors["cpu"] < 2e-3
    assert 0 < errors["webgpu"] < 1e-2
