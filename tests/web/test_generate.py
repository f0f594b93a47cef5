"""The real Gemma 3 270M in a real browser: Transformers.js on WebGPU and wasm, in the demo page."""

from pathlib import Path

import pytest
from demo_page import DemoPage, Generation
from web_model import Convert, Expected


def _generate(page: DemoPage, model: Path, device: str, count: int) -> Generation:
    """Let the page continue its own first prompt, and print its figures."""
    dtype = model.stem.removeprefix("model_")
    policy = model.parents[1].name
    page.open(model=policy, dtype=dtype, device=device, count=count)
    result = page.generate()
    print(f"{policy} {dtype} on {device}: {result}")
    return result


def _megabytes(model: Path) -> str:
    files = model.parent.glob(f"{model.name}*")
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web"])
def test_float16_on_webgpu_gives_the_text_of_float32(
    policy: str, page: DemoPage, convert: Convert, expected: Expected
) -> None:
    model = convert(policy, "fp16")
    result = _generate(page, model, "webgpu", len(expected[0]))
    assert (result.shown["error-text"], result.state) == ("", "done")
    assert (result.tokens, result.text) == expected
    assert result.shown["size"] == _megabytes(model)
    assert result.shown["speed"].endswith(" tokens/s")
    assert float(result.shown["speed"].split()[0]) > 0


@pytest.mark.parametrize(
    ("policy", "dtype", "device"),
    [
        ("gemma-safe", "q4f16", "webgpu"),
        ("gemma-web", "q4f16", "webgpu"),
        ("gemma-web", "q4", "wasm"),
    ],
)
def test_four_bits_begin_with_the_four_tokens_of_float32(
    policy: str,
    dtype: str,
    device: str,
    page: DemoPage,
    convert: Convert,
    expected: Expected,
) -> None:
    """Greedy text of four-bit weights may turn at a near tie; the first tokens are none."""
    result = _generate(page, convert(policy, dtype), device, 4)
    assert (result.shown["error-text"], result.state) == ("", "done")
    assert result.tokens == expected[0][:4]


def test_build_gemmas_float16_writes_nothing_but_padding_on_webgpu_and_the_page_says_why(
    page: DemoPage, convert: Convert
) -> None:
    """Its residual stream passes 65504. Were this file right, the tests above would be blind."""
    result = _generate(page, convert("build-gemma", "fp16"), "webgpu", 3)
    assert (result.state, result.tokens, result.text) == ("failed", [0, 0, 0], "")
    assert result.shown["error-text"].startswith("The model wrote nothing but padding")
    assert "65504" in result.shown["error-hint"]
    assert page.is_visible("error")
