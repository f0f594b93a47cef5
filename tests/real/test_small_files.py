"""The small files of the real Gemma 3 270M: what they weigh, and what they lose."""

from pathlib import Path

import pytest
from onnxquant_tools.compare_logits import compare, default_tokens
from real_model import Convert

# Bytes of data, and nats of mean KL divergence to float32 over the first 256 tokens of the text.
BOUNDS = {
    ("gemma-web", "model_q4"): (254e6, 0.35),
    ("gemma-web", "model_q4f16"): (238e6, 0.35),
    ("gemma-web", "model_quantized"): (284e6, 0.02),
    ("gemma-small", "model_q4f16"): (156e6, 0.45),
}


@pytest.mark.parametrize(("policy", "stem"), BOUNDS)
def test_a_small_file_keeps_its_size(policy: str, stem: str, convert: Convert) -> None:
    data = convert(policy) / f"{stem}.onnx_data"
    assert 0 < data.stat().st_size <= BOUNDS[policy, stem][0]


@pytest.mark.parametrize(("policy", "stem"), BOUNDS)
def test_a_small_file_diverges_no_further_than_its_codes_explain(
    policy: str, stem: str, convert: Convert, gemma: Path
) -> None:
    (result,) = compare(gemma, [convert(policy) / f"{stem}.onnx"], default_tokens()[:256])
    figures = result.summary()
    print(policy, stem, figures)
    assert (figures["nan"], figures["inf"]) == (0, 0)
    assert figures["kl_mean"] < BOUNDS[policy, stem][1]


def test_eight_bits_of_all_activations_lose_ten_times_what_those_of_the_table_do(
    convert: Convert, gemma: Path
) -> None:
    """Why gemma-web's q8 has blocks in the layers: what quantize_dynamic writes is far off."""
    policies = ("quantize-dynamic", "gemma-web")
    files = [convert(policy) / "model_quantized.onnx" for policy in policies]
    theirs, ours = (r.summary()["kl_mean"] for r in compare(gemma, files, default_tokens()[:256]))
    print("quantize-dynamic", theirs, "gemma-web", ours)
    assert theirs > 10 * ours
