"""docs/formats.md names every key of the JSON that the program prints, and no others."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from blocks import ROOT
from onnxquant_tools.product import program
from safetensors.numpy import save_file

REFERENCE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
PLAN = "plan --json, and --report FILE.json on a conversion"
RANGES = "ranges -o, ranges --json"
CHECK = "check --json, and --report FILE.json on it"
VERIFY = "verify --json, and --report FILE.json on it"
MANIFEST = "plan --manifest"
RECORD = "apply --part, beside each data file"
DONE = "apply --finish, beside the manifest"
# Keys that stand only where something is wrong, or where there is something to tell.
SOMETIMES = {
    RANGES: {"nan", "inf"},
    CHECK: {"error", "first_bad"},
    VERIFY: {"error", "first_bad", "values_error", "scale", "bad"},
}


def _run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(program()), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 5}, done.stderr
    return done.stdout


def _small_model(path: Path, weight: float) -> Path:
    """Write a model without logits, with a hazard, and with one weight."""
    text = (
        '<ir_version: 10, opset_import: ["": 21]> g (float[n,4] x) => (float[n,4] y) <float w = {'
    )
    rest = "}> { z = Mul(x, w) y = Log(z) }"
    onnx.save(onnx.parser.parse_model(f"{text}{weight}{rest}"), path)
    return path


def _mixed_norm(path: Path) -> Path:
    """Write a model with a fault: a float16 norm with a float32 gain."""
    text = '<ir_version: 10, opset_import: ["": 21]> g (float16[n,4] x) => (float16[n,4] y) '
    norm = "<float[4] gain = {1,1,1,1}> { y = LayerNormalization(x, gain) }"
    onnx.save(onnx.parser.parse_model(text + norm), path)
    return path


def _shapes(folder: Path) -> list[Path]:
    """Write two models, of which one has another shape of its input, and a function."""
    text = '<ir_version: 10, opset_import: ["": 21, "l": 1]> g (float[n,4] x) => (float[n,4] y) '
    function = '<domain: "l", opset_import: ["": 21]> F (a) => (b) { b = Neg(a) }'
    for name, model in (
        ("one.onnx", text + "{ y = Neg(x) }"),
        ("two.onnx", text.replace("n,4] x", "m,4] x") + "{ y = Neg(x) }\n" + function),
    ):
        onnx.save(onnx.parser.parse_model(model), folder / name)
    return [folder / "one.onnx", folder / "two.onnx"]


def _coded(folder: Path) -> list[str | Path]:
    """Write a model whose weight was made of codes, and a checkpoint that has it."""
    weight = np.random.default_rng(1).integers(-1, 2, (32, 32)).astype(np.float32)
    text = '<ir_version: 10, opset_import: ["": 21]> g (float[n,32] x) => (float[n,32] y) '
    model = onnx.parser.parse_model(text + "{ y = MatMul(x, w) }")
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    onnx.save(model, folder / "coded.onnx")
    save_file({"w": weight}, folder / "coded.safetensors")
    return [folder / "coded.onnx", "--checkpoint", folder / "coded.safetensors"]


def _ambiguous(path: Path) -> Path:
    """Write an encoder whose last product may be a classifier or a pooler."""
    text = """<ir_version: 10, opset_import: ["": 21, "com.microsoft": 1]>
    g (int64[b, s] ids) => (float[b, 5] z) {
      x = Gather(table, ids)
      q = MatMul(x, wq)
      k = MatMul(x, wk)
      v = MatMul(x, wv)
      c = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v)
      y = Add(x, c)
      n = LayerNormalization(y, gain, gain)
      one = Gather<axis = 1>(n, first)
      z = MatMul(one, last)
    }"""
    model = onnx.parser.parse_model(text)
    shapes = {
        "table": (64, 8),
        "wq": (8, 8),
        "wk": (8, 8),
        "wv": (8, 8),
        "gain": (8,),
        "last": (8, 5),
    }
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    arrays["first"] = np.array(0)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in arrays.items())
    onnx.save(model, path)
    return path


def _parts(model: Path, folder: Path) -> dict[str, Any]:
    """Return a manifest, and a record that holds something of the .onnx file."""
    manifest = folder / "plan.json"
    _run("plan", "--policy", "q8", "-o", folder / "q8", "--manifest", manifest, model)
    _run("apply", "--manifest", manifest, "--part", "1/1")
    paths = (folder / "q8" / "plan.parts").glob("*.json")
    records = [json.loads(path.read_text()) for path in paths]
    _run("apply", "--manifest", manifest, "--finish")
    return {
        DONE: json.loads((folder / "plan.json.done").read_text()),
        MANIFEST: json.loads(manifest.read_text()),
        RECORD: next(record for record in records if record["inline"]),
    }


@pytest.fixture(scope="session")
def printed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what each command prints, by the heading of its section."""
    folder = tmp_path_factory.mktemp("formats")
    model = prepared / "model.onnx"
    tokens = ["--tokens", str(prepared / "text.npy")]
    for policy in ("gemma-web", "build-gemma"):
        _run("--policy", policy, model, "-o", folder / policy)
    half, other = (folder / name / "model_fp16.onnx" for name in ("gemma-web", "build-gemma"))
    texts = {
        PLAN: _run("plan", "--policy", "gemma-web", model, "--json"),
        RANGES: _run("ranges", model, *tokens, "--json"),
        VERIFY: _run("verify", model, half, *tokens, "--layers", "--json"),
        CHECK: _run("check", half, "--run", *tokens, "--json"),
        "inspect --json": _run("inspect", half, "--json"),
        "diff --json": _run("diff", half, other, "--json"),
    }
    found = {heading: json.loads(text) for heading, text in texts.items()}
    found |= _parts(model, folder)
    mixed = _mixed_norm(folder / "mixed.onnx")
    small, changed = _small_model(folder / "a.onnx", 2), _small_model(folder / "b.onnx", 3)
    shapes = _run("diff", *_shapes(folder), "--json")
    ambiguous = _run("inspect", _ambiguous(folder / "ambiguous.onnx"), "--json")
    for heading, key, text in (
        (VERIFY, "results", _run("verify", small, changed, "--json")),
        (CHECK, "findings", _run("check", mixed, "--json")),
        ("inspect --json", "findings", _run("inspect", mixed, "--json")),
        ("inspect --json", "hazards", _run("inspect", small, "--json")),
        ("inspect --json", "ambiguous_roles", ambiguous),
        ("diff --json", "weights", _run("diff", small, changed, "--json")),
        ("diff --json", "shapes", shapes),
        ("diff --json", "functions", shapes),
    ):
        found[heading][key] += json.loads(text)[key]
    coded = json.loads(_run("inspect", *_coded(folder), "--json"))
    found["inspect --json"]["weights"] += coded["weights"]
    found["inspect --json"]["checkpoint"] = coded["checkpoint"]
    return found


@cache
def _sections() -> dict[str, list[tuple[str, set[str]]]]:
    """Return the rows of each section's table: the object, and its keys."""
    sections = {}
    for section in REFERENCE.split("\n## JSON\n")[1].split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        rows = re.findall(r"^\| (?!object|---)(.*?) \| (.*) \|$", text.split("\n## ")[0], re.M)
        sections[heading] = [
            (place.strip("`"), set(re.findall(r"`([a-z]\w*)`", re.sub(r"\(.*?\)", "", keys))))
            for place, keys in rows
        ]
    return sections


def _at(whole: Any, place: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that a path such as `outputs[].files[]` stands for."""
    found = [whole]
    for word in [] if place == "the whole" else place.split("."):
        key = word.removesuffix("[]")
        if key == "NAME":
            found = [value for item in found for value in item.values()]
        else:
            found = [item[key] for item in found if item.get(key) is not None]
        if word.endswith("[]"):
            found = [value for items in found for value in items]
    yield from found


SECTIONS = [*_sections()]


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_keys_of_a_command_are_those_of_the_reference(
    heading: str, printed: dict[str, Any]
) -> None:
    for place, keys in _sections()[heading]:
        objects = list(_at(printed[heading], place))
        assert objects, place
        found = set().union(*objects)
        words = keys - {"outputs"} if place == "inputs[]" else keys
        assert found - words == set(), place
        assert words - found <= SOMETIMES.get(heading, set()), place


def test_every_object_has_its_row(printed: dict[str, Any]) -> None:
    for heading, whole in printed.items():
        places = {place for place, _ in _sections()[heading]}
        for place, keys in _sections()[heading]:
            for item in _at(whole, place):
                inner = (key for key in keys if isinstance(item.get(key), list))
                for key in inner:
                    if item[key] and isinstance(item[key][0], dict):
                        path = f"{key}[]" if place == "the whole" else f"{place}.{key}[]"
                        assert path in places | {"outputs[]"}, path


def test_the_reference_has_a_section_for_each_command(printed: dict[str, Any]) -> None:
    assert set(printed) == set(SECTIONS)
