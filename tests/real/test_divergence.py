"""Half-precision files stay within rounding of float32 over real text."""

from pathlib import Path

import pytest
from onnxquant_tools.compare_logits import compare, default_tokens
from real_model import Convert


@pytest.fixture(scope="module")
def tokens() -> list[int]:
    """Return over a thousand tokens of English text."""
    encoded = default_tokens()
    assert len(encoded) >= 1000
    return encoded


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web", "gemma-rescale"])
def test_float16_diverges_from_float32_by_less_than_a_hundred_thousandth_of_a_nat(
    policy: str, convert: Convert, gemma: Path, tokens: list[int]
) -> None:
    (result,) = compare(gemma, [convert(policy) / "model_fp16.onnx"], tokens)
    figures = result.summary()
    print(figures)
    assert (figures["nan"], figures["inf"]) == (0, 0)
    assert figures["positions"] >= 1000
    assert figures["kl_mean"] < 1e-5
    assert figures["top1"] > 0.99
    # The text is English and the model reads it as such; a broken tokenizer or cache gives 1e3.
    assert 5 < figures["reference_ppl"] < 60


def test_the_divergence_check_sees_the_loss_of_four_bit_weights(
    convert: Convert, gemma: Path, tokens: list[int]
) -> None:
    """Four-bit weights diverge by some 0.3 nats; were it near zero, the measure would be blind."""
    (result,) = compare(gemma, [convert("gemma-web") / "model_q4.onnx"], tokens[:256])
    figures = result.summary()
    print(figures)
    assert 0.05 < figures["kl_mean"] < 1.0
