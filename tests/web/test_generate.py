"""The real Gemma 3 270M in a real browser: Transformers.js on WebGPU and wasm, in the demo page."""

from pathlib import Path

import pytest
from demo_page import DemoPage, Generation
from onnxquant_tools.near_ties import NEAR_TIE, distances
from web_model import Convert, Expected, file_of


def _generate(page: DemoPage, model: Path, device: str, count: int) -> Generation:
    """Let the page continue its own first prompt, and print its figures."""
    (dtype,) = (d for d in ("fp16", "q4", "q4f16", "q8") if file_of(d) == model.name)
    policy = model.parents[1].name
    page.open(model=policy, dtype=dtype, device=device, count=count)
    result = page.generate()
    print(f"{policy} {dtype} on {device}: {result}")
    return result


def _megabytes(model: Path) -> str:
    files = model.parent.glob(f"{model.name}*")
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web", "gemma-rescale"])
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


def test_build_gemmas_float16_on_webgpu_gives_the_text_of_float32_once_it_is_repaired(
    page: DemoPage, repaired: Path, expected: Expected
) -> None:
    """As it came it writes nothing but padding: see the last test."""
    result = _generate(page, repaired, "webgpu", len(expected[0]))
    assert (result.shown["error-text"], result.state) == ("", "done")
    assert (result.tokens, result.text) == expected
    assert result.shown["size"] == _megabytes(repaired)


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web"])
def test_four_bits_on_webgpu_begin_with_the_four_tokens_of_float32(
    policy: str, page: DemoPage, convert: Convert, expected: Expected
) -> None:
    """Greedy text of four-bit weights may turn at a near tie; the first tokens are none."""
    result = _generate(page, convert(policy, "q4f16"), "webgpu", 4)
    assert (result.shown["error-text"], result.state) == ("", "done")
    assert result.tokens == expected[0][:4]


def test_the_smallest_file_on_webgpu_writes_the_text_of_the_cpu_up_to_near_ties(
    page: DemoPage, convert: Convert, prompt: list[int]
) -> None:
    """Table and head in 4 bits: the first choices lie near each other, as the logits show."""
    model = convert("gemma-small", "q4f16")
    result = _generate(page, model, "webgpu", 4)
    assert (result.shown["error-text"], result.state) == ("", "done")
    found = distances(model, prompt, result.tokens)
    print(found)
    assert len(found) == 4
    assert max(found) < NEAR_TIE


@pytest.fixture(scope="module")
def answer_of_the_cpu(page: DemoPage, convert: Convert) -> Generation:
    """Return what a four-bit file says on the CPU, and leave the page with that model loaded."""
    return _generate(page, convert("gemma-web", "q4"), "wasm", 4)


def test_four_bits_on_the_cpu_begin_with_the_four_tokens_of_float32(
    answer_of_the_cpu: Generation, expected: Expected
) -> None:
    assert (answer_of_the_cpu.shown["error-text"], answer_of_the_cpu.state) == ("", "done")
    assert answer_of_the_cpu.tokens == expected[0][:4]


def test_a_loaded_model_answers_again_as_a_chat_until_it_is_stopped(
    answer_of_the_cpu: Generation, page: DemoPage
) -> None:
    """The other way to use the page, on the device that is quick here."""
    page.browser.evaluate(
        "{ for (const [id, key, value] of [['chat', 'checked', true], ['count', 'value', 500],"
        " ['prompt', 'value', 'Count from one to a hundred.']])"
        " document.getElementById(id)[key] = value;"
        " document.getElementById('start').click(); }"
    )
    page.browser.wait("document.getElementById('tokens').textContent.split(' ').length > 3", 60)
    page.browser.evaluate("document.getElementById('stop').click()")
    page.browser.wait("document.body.dataset.state !== 'generating'", 60)
    assert page.text_of("error-text") == ""
    assert page.text_of("status").endswith(" tokens")
    assert 3 < len(page.text_of("tokens").split()) < 100
    assert page.text_of("text").strip() != ""
    assert page.text_of("echo") == ""
    # It was not loaded again.
    assert page.text_of("loading") == answer_of_the_cpu.shown["loading"]


def test_eight_bits_on_the_cpu_give_the_text_of_float32(
    page: DemoPage, convert: Convert, expected: Expected
) -> None:
    """The dtype that Transformers.js takes on the CPU where none is asked for."""
    result = _generate(page, convert("gemma-web", "q8"), "wasm", len(expected[0]))
    assert (result.shown["error-text"], result.state) == ("", "done")
    assert (result.tokens, result.text) == expected


def test_build_gemmas_float16_writes_nothing_but_padding_on_webgpu_and_the_page_says_why(
    page: DemoPage, convert: Convert
) -> None:
    """Its residual stream passes 65504. Were this file right, the tests above would be blind."""
    result = _generate(page, convert("build-gemma", "fp16"), "webgpu", 3)
    assert (result.state, result.tokens, result.text) == ("failed", [0, 0, 0], "")
    assert result.shown["error-text"].startswith("The model wrote nothing but padding")
    assert "65504" in result.shown["error-hint"]
    assert page.is_visible("error")
