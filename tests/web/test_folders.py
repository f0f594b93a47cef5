"""Folders of several models, converted in one call each: Transformers.js runs them in a browser.

Small models of random weights, exported by what scripts/test_exporters.sh installs. Their weights
lie on a grid that 4 and 8 bits hold: a right file loses little beside what a wrong one does.
"""

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, BrowserError
from folder_judge import errors
from folder_kinds import KINDS, Kind
from folder_page import Dtype, FolderPage
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import ROOT, program
from web_server import serve

FOLDERS = sorted({kind.folder for kind in KINDS.values()})
# What optimum exports beside the merged decoder, and Transformers.js does not load.
SUPERFLUOUS = ("decoder_model", "decoder_with_past_model")
ENDS = {
    "fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8",
    "q4": "_q4", "q4f16": "_q4f16", "bnb4": "_bnb4", "q2": "_q2", "q2f16": "_q2f16",
}  # fmt: skip
HALF = ("fp16", "q4f16", "q2f16")  # dtypes that compute in 16 bits
# The largest relative error of an output, or of a step's logits: what half precision costs, and
# activations in 8 bits. A session of zeros costs more than WRONG.
WRONG = 0.5
BOUNDS = {
    "fp32": 1e-5, "fp16": 0.06, "q8": 0.04, "int8": 0.04, "uint8": 0.04, "q4": 0.06,
    "q4f16": 0.09, "bnb4": 0.4,  # whose values do not lie on the grid of the weights
}  # fmt: skip
DEVICES = {"fp32": "wasm", "q8": "wasm", "q4": "wasm", "fp16": "webgpu", "q4f16": "webgpu"}
# Dtypes by session, as model cards recommend them.
MIXED: list[tuple[str, dict[str, str], str]] = [
    ("t5", {"encoder_model": "fp32", "decoder_model_merged": "q4"}, "wasm"),
    ("whisper", {"encoder_model": "fp32", "decoder_model_merged": "q4"}, "webgpu"),
    ("vit-gpt2", {"encoder_model": "q4", "decoder_model_merged": "q8"}, "wasm"),
    (
        "llava",
        {"embed_tokens": "fp16", "vision_encoder": "fp16", "decoder_model_merged": "q4f16"},
        "webgpu",
    ),
    (
        "voxtral",
        {"embed_tokens": "q8", "audio_encoder": "fp32", "decoder_model_merged": "q4"},
        "wasm",
    ),
    ("sam", {"vision_encoder": "q8", "prompt_encoder_mask_decoder": "fp32"}, "wasm"),
]


@dataclass(frozen=True)
class Conversion:
    """A converted folder, what the program printed, and config.json as it was."""

    folder: Path
    printed: str
    config: dict[str, Any]


Convert = Callable[[str], Conversion]


@pytest.fixture(scope="module")
def originals(scratch: Path) -> Path:
    """Return the folders in float32, as exporters write them."""
    python = cache_folder() / "venv-exporters" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing; run scripts/test_exporters.sh", pytrace=False)
    folder = scratch / "originals"
    done = subprocess.run(
        [str(python), "-m", "onnxquant_tools.web_folders", str(folder)],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "python"), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def _convert(folder: Path, *options: str) -> Conversion:
    config = json.loads((folder / "config.json").read_text())
    command = [str(program()), *options, str(folder)]
    for session in SUPERFLUOUS:
        if (folder / "onnx" / f"{session}.onnx").exists():
            command += ["--session", f"{session}=skip"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return Conversion(folder, done.stdout + done.stderr, config)


@pytest.fixture(scope="module")
def convert(originals: Path, models: Path) -> Convert:
    """Return a function that converts a folder to every dtype, once."""

    @functools.cache
    def run(name: str) -> Conversion:
        folder = shutil.copytree(originals / name, models / name)
        return _convert(folder, "--policy", "transformersjs")

    return run


@pytest.fixture(scope="module")
def page(browser: Browser, web: Path, models: Path) -> Iterator[FolderPage]:
    """Return the page that all folders are loaded in."""
    modules = web / "node_modules"
    mounts = {
        "/": Path(__file__).parent,
        "/library/": modules / "@huggingface" / "transformers" / "dist",
        "/wasm/": modules / "onnxruntime-web" / "dist",
        "/models/": models,
    }
    with serve(mounts) as address:
        page = FolderPage(browser, address)
        assert page.has_half_precision(), "no WebGPU with shader-f16 in this browser"
        yield page


def _data(model: Path) -> list[str]:
    return [path.name for path in model.parent.glob(f"{model.name}_data*")]


def _files(models: Path, kind: Kind, dtype: Dtype) -> set[str]:
    """Return the files that a kind is loaded from."""
    files = set()
    for session in kind.sessions:
        end = ENDS[dtype if isinstance(dtype, str) else dtype[session]]
        model = models / f"{session}{end}.onnx"
        files |= {model.name, *_data(model)}
    return files


def _errors(page: FolderPage, kind: Kind, right: Path, dtype: Dtype, device: str) -> Any:
    """Run a kind's folder, and return its errors; `right` holds the float32 originals."""
    result = page.run(kind, dtype, device)
    found = errors(kind, right / "onnx", result)
    print(f"{kind.folder} {dtype} on {device}: {found} {result.get('tokens', '')}")
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_has_every_session_in_every_dtype_and_its_config_says_so(
    name: str, convert: Convert, originals: Path
) -> None:
    done = convert(name)
    sessions = {path.stem for path in (originals / name / "onnx").glob("*.onnx")}
    sessions -= set(SUPERFLUOUS)
    outputs = [
        done.folder / "onnx" / f"{session}{end}.onnx"
        for session in sessions
        for end in ENDS.values()
        if end
    ]
    assert all(path.is_file() for path in outputs)
    data = {path.name: len(_data(path)) for path in outputs}
    said = re.search(r"done: (\d+) models of .*, (\d+) files", done.printed)
    assert said
    assert said.groups() == (str(len(sessions)), str(len(outputs) + sum(data.values())))
    config = json.loads((done.folder / "config.json").read_text())
    ours = config.pop("transformers.js_config")
    assert config == done.config
    assert ours.pop("use_external_data_format") == {k: n for k, n in data.items() if n}
    half = dict.fromkeys(HALF, "float16")
    with_cache = any(session.startswith("decoder") for session in sessions)
    assert ours == ({"kv_cache_dtype": half} if with_cache else {})


@pytest.mark.parametrize("dtype", DEVICES)
@pytest.mark.parametrize("name", KINDS)
def test_a_folder_computes_in_the_browser_what_float32_does(
    name: str, dtype: str, convert: Convert, originals: Path, page: FolderPage
) -> None:
    kind = KINDS[name]
    models = convert(kind.folder).folder / "onnx"
    found = _errors(page, kind, originals / kind.folder, dtype, DEVICES[dtype])
    assert page.files == _files(models, kind, dtype)
    assert page.console == []
    assert max(found.values()) < BOUNDS[dtype]


@pytest.mark.parametrize("name", ["whisper", "vit-gpt2", "llava", "voxtral"])
def test_a_folder_that_comes_without_a_policy_takes_what_transformers_js_gives_it(
    name: str, originals: Path, models: Path, page: FolderPage
) -> None:
    """Pictures, sound and rows of tables are float32, whatever the sessions compute in."""
    kind = replace(KINDS[name], folder=f"{name}-by-itself")
    folder = shutil.copytree(originals / name, models / kind.folder)
    assert "llm-web" in _convert(folder, "--dtype", "fp16").printed
    found = _errors(page, kind, originals / name, "fp16", "webgpu")
    assert max(found.values()) < BOUNDS["fp16"]


@pytest.mark.parametrize(("name", "dtype", "device"), MIXED, ids=[name for name, *_ in MIXED])
def test_each_session_may_have_a_dtype_of_its_own(
    name: str, dtype: dict[str, str], device: str, convert: Convert, originals: Path,
    page: FolderPage,
) -> None:  # fmt: skip
    kind = KINDS[name]
    models = convert(kind.folder).folder / "onnx"
    found = _errors(page, kind, originals / kind.folder, dtype, device)
    assert page.files == _files(models, kind, dtype)
    assert page.console == []
    assert max(found.values()) < max(BOUNDS[dtype[session]] for session in kind.sessions)


def test_sessions_load_from_several_data_files_each(
    originals: Path, models: Path, page: FolderPage
) -> None:
    kind = replace(KINDS["t5"], folder="t5-in-shards")
    folder = shutil.copytree(originals / "t5", models / kind.folder)
    options = ("--policy", "transformersjs", "--dtype", "q8", "--max-shard", "40000")
    _convert(folder, *options)
    counts = [len(_data(folder / "onnx" / f"{name}_quantized.onnx")) for name in kind.sessions]
    assert counts == [2, 3]
    found = _errors(page, kind, originals / "t5", "q8", "wasm")
    assert page.files == _files(folder / "onnx", kind, "q8")
    assert max(found.values()) < BOUNDS["q8"]


def test_a_session_does_not_load_without_what_config_says_of_it(
    convert: Convert, models: Path, page: FolderPage
) -> None:
    kind = replace(KINDS["t5"], folder="t5-without-config")
    folder = models / kind.folder
    shutil.copytree(convert("t5").folder, folder)
    config = json.loads((folder / "config.json").read_text())
    del config["transformers.js_config"]["use_external_data_format"]["encoder_model_q4.onnx"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BrowserError, match=r"encoder_model_q4.onnx_data"):
        page.run(kind, "q4", "wasm")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bnb4"])
def test_the_less_common_dtypes_load_from_a_folder_as_well(
    dtype: str, convert: Convert, originals: Path, page: FolderPage
) -> None:
    kind = KINDS["llava"]
    convert(kind.folder)
    found = _errors(page, kind, originals / kind.folder, dtype, "wasm")
    assert max(found.values()) < BOUNDS[dtype]


@pytest.mark.parametrize(
    ("name", "session"),
    [(name, session) for name, kind in KINDS.items() for session in kind.sessions],
)
def test_one_session_of_zeros_is_told_from_a_right_one(
    name: str, session: str, convert: Convert, originals: Path, models: Path, page: FolderPage
) -> None:
    """Were it not, the tests above would be blind."""
    kind = KINDS[name]
    source = convert(kind.folder).folder
    broken = replace(kind, folder=f"{name}-{session}")
    folder = models / broken.folder
    (folder / "onnx").mkdir(parents=True)
    for path in (*source.glob("*.json"), *source.glob("onnx/*_q4.onnx*")):
        shutil.copy(path, folder / path.relative_to(source))
    (data,) = folder.glob(f"onnx/{session}_q4.onnx_data")
    data.write_bytes(bytes(data.stat().st_size))
    found = _errors(page, broken, originals / kind.folder, "q4", "wasm")
    assert max(found.values()) > WRONG
