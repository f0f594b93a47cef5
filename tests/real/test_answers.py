"""The real Gemma 3 270M answers as float32 does from every converted file, where users run it."""

from pathlib import Path

import pytest
from real_model import CONTINUATION, DTYPES, Convert, Generate, Provider

RIGHT_FILES = [(policy, dtype) for policy in ("gemma-safe", "gemma-web") for dtype in DTYPES] + [
    ("gemma-rescale", "fp16"),
    ("gemma-rescale", "q4f16"),
]


def test_the_float32_model_gives_the_expected_answer(gemma: Path, generate: Generate) -> None:
    run = generate(gemma, "cpu")
    assert (run["nan"], run["inf"], run["text"]) == (0, 0, CONTINUATION)


@pytest.mark.parametrize("provider", ["cpu", "webgpu"])
@pytest.mark.parametrize(("policy", "dtype"), RIGHT_FILES)
def test_a_converted_file_answers_as_float32_does(
    policy: str, dtype: str, provider: Provider, convert: Convert, generate: Generate
) -> None:
    run = generate(convert(policy) / f"model_{dtype}.onnx", provider)
    assert (run["nan"], run["inf"]) == (0, 0)
    assert run["text"] == CONTINUATION


def test_the_answer_check_sees_the_fault_of_a_float16_residual_stream_on_webgpu(
    convert: Convert, generate: Generate
) -> None:
    """The residual stream passes 65504, so these files must fail where arithmetic is real."""
    run = generate(convert("build-gemma") / "model_fp16.onnx", "webgpu")
    assert run["nan"] > 0
    assert run["text"] != CONTINUATION


def test_the_cpu_provider_hides_the_fault_of_a_float16_residual_stream(
    convert: Convert, generate: Generate
) -> None:
    """Why the tests above need WebGPU: the CPU provider computes the same sums in float32."""
    run = generate(convert("build-gemma") / "model_fp16.onnx", "cpu")
    assert (run["nan"], run["text"]) == (0, CONTINUATION)
