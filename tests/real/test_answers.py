"""The real Gemma 3 270M answers as float32 does from every converted file, where users run it."""

from pathlib import Path

import pytest
from onnxquant_tools.near_ties import NEAR_TIE, distances
from real_model import CONTINUATION, DTYPES, PROMPT, Convert, Generate, Provider

RIGHT_FILES = [("gemma-safe", dtype) for dtype in DTYPES] + [
    ("gemma-web", "fp16"),
    ("gemma-rescale", "fp16"),
    ("gemma-rescale", "q4f16"),
]
NEAR_TIE_FILES = [("gemma-web", "q4"), ("gemma-web", "q4f16"), ("gemma-small", "q4f16")]


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


def test_eight_bits_answer_as_float32_does_on_the_cpu(convert: Convert, generate: Generate) -> None:
    run = generate(convert("gemma-web") / "model_quantized.onnx", "cpu")
    assert (run["nan"], run["inf"], run["text"]) == (0, 0, CONTINUATION)


@pytest.mark.parametrize(("policy", "dtype"), NEAR_TIE_FILES)
def test_four_bits_with_zero_points_answer_on_webgpu_as_on_the_cpu_up_to_near_ties(
    policy: str, dtype: str, convert: Convert, generate: Generate
) -> None:
    model = convert(policy) / f"model_{dtype}.onnx"
    run = generate(model, "webgpu")
    assert (run["nan"], run["inf"]) == (0, 0)
    found = distances(model, PROMPT, run["tokens"])
    print(policy, dtype, run["text"], found)
    assert max(found) < NEAR_TIE


def test_the_distances_see_a_token_that_is_no_near_tie(convert: Convert) -> None:
    model = convert("gemma-web") / "model_q4f16.onnx"
    assert max(distances(model, PROMPT, [506, 2364])) > 2 * NEAR_TIE


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
