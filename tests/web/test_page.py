"""The demo page itself: what one sees before anything runs, and what it says when nothing can."""

import json
from pathlib import Path

import pytest
from browser import Scheme
from demo_page import DemoPage
from web_model import Convert

ELEMENTS = ("model", "dtype", "device", "count", "prompt", "start", "output", "speed", "size")


@pytest.mark.parametrize(("scheme", "lightest", "darkest"), [("light", 1, 0.85), ("dark", 0.3, 0)])
def test_the_page_is_drawn_in_the_readers_colours(
    scheme: Scheme, lightest: float, darkest: float, page: DemoPage, scratch: Path
) -> None:
    assert page.open(scheme, model="gemma-web").startswith("onnxquant")
    assert [name for name in ELEMENTS if not page.is_visible(name)] == []
    assert not page.is_visible("error")
    picture = page.browser.screenshot(scratch / f"{scheme}.png")
    # A blank page has one colour; edges of letters alone give dozens.
    assert picture.colours > 50
    assert darkest < picture.brightness < lightest


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_cut_off_in_a_window_of_any_width(
    width: int, page: DemoPage, scratch: Path
) -> None:
    page.open(model="gemma-web")
    page.browser.screenshot(scratch / f"{width}.png", width=width)
    assert page.browser.evaluate("innerWidth") == width
    assert page.browser.evaluate("document.documentElement.scrollWidth") <= width


def test_the_address_fills_the_form(page: DemoPage) -> None:
    page.open(model="mine", dtype="q4f16", device="wasm", count=7, prompt="Once <b>upon</b>")
    ids = ["model", "dtype", "device", "count", "prompt"]
    values = f"{json.dumps(ids)}.map((id) => document.getElementById(id).value)"
    assert page.browser.evaluate(values) == ["mine", "q4f16", "wasm", "7", "Once <b>upon</b>"]


def test_a_folder_that_is_not_there_is_named_with_what_a_folder_holds(page: DemoPage) -> None:
    page.open(model="nowhere")
    result = page.generate()
    assert result.state == "failed"
    assert "/models/nowhere/config.json: 404" in result.shown["error-text"]
    assert "tokenizer.json" in result.shown["error-hint"]
    assert page.is_visible("error")


def test_a_file_that_is_not_there_is_named_with_the_command_that_writes_it(
    page: DemoPage, models: Path
) -> None:
    folder = models / "empty"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    page.open(model="empty", dtype="q4f16")
    result = page.generate()
    assert "/models/empty/onnx/model_q4f16.onnx: 404" in result.shown["error-text"]
    assert "onnxquant --policy" in result.shown["error-hint"]


def test_a_missing_data_file_is_named(page: DemoPage, models: Path, convert: Convert) -> None:
    model = convert("gemma-web", "q4f16")
    folder = models / "torn"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_bytes((model.parents[1] / "config.json").read_bytes())
    (folder / "onnx" / model.name).write_bytes(model.read_bytes())
    page.open(model="torn", dtype="q4f16")
    assert f"onnx/{model.name}_data: 404" in page.generate().shown["error-text"]


def test_a_library_that_is_not_there_is_named(page: DemoPage, convert: Convert) -> None:
    convert("gemma-web", "q4f16")
    page.open(model="gemma-web", dtype="q4f16", library="/library/none.js")
    result = page.generate()
    assert "/library/none.js" in result.shown["error-text"]
    assert "?library=" in result.shown["error-hint"]
