"""Fixtures of the browser tests: a Chromium with half precision, the demo page, model folders.

Converted models are made of the real Gemma 3 270M. The first run sets itself up
(scripts/setup_browser.sh). Environment: ONNXQUANT and ONNXQUANT_GEMMA as in tests/real. Run as

    scripts/python.sh -m pytest tests/web
"""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from browser import Browser
from demo_page import DemoPage
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import ROOT, gemma, program, scratch_folder
from web_model import Convert, Expected, Folder, file_of
from web_server import serve

PROMPT = "The capital of France is"
TOKENS = 6
_not_run: list[str] = []


def _give_up(reason: str) -> NoReturn:
    """Skip the test, remembered for the summary; where CI=true, fail."""
    _not_run.append(reason)
    message = f"no browser with WebGPU and half precision; run scripts/setup_browser.sh.\n{reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly that no browser was tested."""
    if _not_run:
        terminalreporter.section("THE BROWSER WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"Run scripts/setup_browser.sh. Reason: {_not_run[0]}")


@functools.cache
def _set_up() -> str | None:
    """Run the set-up once; return why it failed, or None."""
    command = [str(ROOT / "scripts" / "setup_browser.sh")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip()[-3000:]


@pytest.fixture(scope="session")
def web() -> Path:
    """Return the folder of what is installed for these tests."""
    fault = _set_up()
    if fault is not None:
        _give_up(fault)
    return cache_folder() / "web"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the session."""
    with scratch_folder("web") as folder:
        yield folder


@pytest.fixture(scope="session", name="gemma")
def _gemma() -> Path:
    """Return the float32 Gemma 3 270M."""
    return gemma()


@pytest.fixture(scope="session")
def models(scratch: Path) -> Path:
    """Return the folder of model folders; `convert` fills it."""
    folder = scratch / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def model_folder(gemma: Path, models: Path, web: Path) -> Folder:
    """Return a function that lays a model folder out as Transformers.js wants it.

    The tokenizer is not among the weights' files: a package brings it.
    """
    tokenizer = web / "node_modules" / "@lenml" / "tokenizer-gemma3" / "models"

    @functools.cache
    def run(name: str) -> Path:
        folder = models / name
        (folder / "onnx").mkdir(parents=True)
        for file in (*gemma.parents[1].glob("*.json"), *tokenizer.glob("*.json")):
            shutil.copy(file, folder)
        return folder

    return run


def _convert(policy: str, source: Path, folder: Path, *options: str) -> None:
    command = [str(program()), "--policy", policy, *options, "-o", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}", False)


@pytest.fixture(scope="session")
def convert(gemma: Path, model_folder: Folder) -> Convert:
    """Return a function that writes one dtype of a policy into a folder named after the policy."""

    @functools.cache
    def run(policy: str, dtype: str) -> Path:
        folder = model_folder(policy) / "onnx"
        _convert(policy, gemma, folder, "--dtype", dtype)
        return folder / file_of(dtype)

    return run


@pytest.fixture(scope="session")
def repaired(gemma: Path, scratch: Path, model_folder: Folder) -> Path:
    """Return what gemma-safe makes of build_gemma.py's float16 file, whose stream overflows."""
    script = str(ROOT / "scripts" / "python.sh")
    command = [script, "-m", "onnxquant_tools.broken_models", "build-gemma"]
    subprocess.run([*command, str(gemma), str(scratch / "broken")], check=True)
    folder = model_folder("repaired") / "onnx"
    _convert("gemma-safe", scratch / "broken" / "model_fp16.onnx", folder)
    return folder / "model_fp16.onnx"


@pytest.fixture(scope="session")
def browser(web: Path, scratch: Path) -> Iterator[Browser]:
    """Return the browser that all tests share: it has compiled the shaders of those before."""
    browser = Browser(web, scratch / "browser")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def page(browser: Browser, web: Path, models: Path) -> Iterator[DemoPage]:
    """Return the demo page, seen to have WebGPU with half precision."""
    modules = web / "node_modules"
    mounts = {
        "/": ROOT / "examples" / "web",
        "/library/": modules / "@huggingface" / "transformers" / "dist",
        "/wasm/": modules / "onnxruntime-web" / "dist",
        "/models/": models,
    }
    with serve(mounts) as address:
        page = DemoPage(browser, address)
        page.open()
        if page.text_of("gpu") != "WebGPU with half precision (shader-f16)":
            _give_up(f"the page says: {page.text_of('gpu')}")
        yield page


@pytest.fixture(scope="session")
def run_of_float32(gemma: Path) -> dict[str, Any]:
    """Return how the float32 model continues the prompt on the CPU."""
    command = [
        *(str(ROOT / "scripts" / "python.sh"), "-m", "onnxquant_tools.run_model", str(gemma)),
        *("--prompt", PROMPT, "--count", str(TOKENS), "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    run: dict[str, Any] = json.loads(done.stdout)
    assert run["text"] == " the capital of the country of"
    return run


@pytest.fixture(scope="session")
def prompt(run_of_float32: dict[str, Any]) -> list[int]:
    """Return the tokens of the page's first prompt."""
    tokens: list[int] = run_of_float32["prompt"]
    return tokens


@pytest.fixture(scope="session")
def expected(run_of_float32: dict[str, Any]) -> Expected:
    """Return the tokens and the text with which the float32 model continues the prompt."""
    return run_of_float32["tokens"], run_of_float32["text"]
