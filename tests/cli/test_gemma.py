"""A small Gemma in its model folder, converted by the built-in policies."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxquant_tools.session import CausalModel
from program import listing, run

TOKENS = [2, 7, 41, 3, 9, 9, 30]
FILES = ["model_fp16.onnx", "model_q4.onnx", "model_q4f16.onnx"]
FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture
def gemma(exported: Path, tmp_path: Path) -> Path:
    """Return a fresh copy of the model folder."""
    return Path(shutil.copytree(exported, tmp_path / "gemma"))


def _convert(folder: Path, name: str = "gemma-safe", *arguments: str | Path) -> Path:
    done = run("--policy", name, *arguments, folder / "onnx" / "model.onnx")
    assert done.returncode == 0, done.stderr
    return folder / "onnx"


def _tensors(path: Path) -> Iterator[tuple[onnx.TensorProto, dict[str, str]]]:
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        yield tensor, {entry.key: entry.value for entry in tensor.external_data}


@pytest.mark.parametrize("name", ["gemma-safe", "gemma-web"])
def test_every_output_loads_and_agrees_with_the_input(gemma: Path, name: str) -> None:
    folder = _convert(gemma, name)
    expected = CausalModel(folder / "model.onnx", "cpu").step(TOKENS)
    errors = [
        np.abs(CausalModel(folder / file, "cpu").step(TOKENS) - expected).max()
        / np.abs(expected).max()
        for file in FILES
    ]
    assert 0 < errors[0] < 0.01
    assert errors[0] < errors[1] < 0.5
    assert errors[0] < errors[2] < 0.5


@pytest.mark.parametrize(
    "name",
    ["gemma-safe", "gemma-web", "gemma-rescale", "build-gemma", "fp16", "q4", "q4f16"],
)
def test_the_plan_predicts_every_file_to_the_byte(gemma: Path, name: str) -> None:
    before = listing(gemma)
    done = run("plan", "--json", "--policy", name, gemma / "onnx" / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert listing(gemma) == before
    planned = {
        f["name"]: f["bytes"] for o in json.loads(done.stdout)["outputs"] for f in o["files"]
    }
    folder = _convert(gemma, name)
    written = {f.name: f.stat().st_size for f in folder.iterdir() if f.stem != "model"}
    assert written == planned


def test_the_report_agrees_with_the_plan_and_each_byte_is_read_once(gemma: Path) -> None:
    path = gemma / "onnx" / "model.onnx"
    plan = json.loads(run("plan", "--json", "--policy", "gemma-safe", path).stdout)
    _convert(gemma, "gemma-safe", "--report", gemma / "report.json")
    report = json.loads((gemma / "report.json").read_text())
    floats = sum(4 * int(np.prod(t.dims)) for t, _ in _tensors(path) if t.data_type == FLOAT)
    assert len(report["outputs"]) == 3
    assert report["bytes_read"] == floats
    for planned, done in zip(plan["outputs"], report["outputs"], strict=True):
        assert planned["files"] == done["files"]
        assert planned["tensors"] == done["tensors"]
        assert done["bytes"] == sum(file["bytes"] for file in done["files"])


def test_config_json_above_the_onnx_folder_is_updated_in_place(gemma: Path) -> None:
    path = gemma / "config.json"
    before: dict[str, Any] = json.loads(path.read_text())
    before["transformers.js_config"] = {"dtype": "q8", "own": [1], "use_external_data_format": True}
    path.write_text(json.dumps(before))
    _convert(gemma)
    after: dict[str, Any] = json.loads(path.read_text())
    assert list(after) == list(before)
    web = after.pop("transformers.js_config")
    before.pop("transformers.js_config")
    assert after == before
    assert web == {
        "dtype": "q8",
        "own": [1],
        "use_external_data_format": {"model.onnx": 1} | dict.fromkeys(FILES, 1),
        "kv_cache_dtype": {"fp16": "float16", "q4f16": "float16"},
    }


def test_a_second_run_leaves_config_json_as_the_first_left_it(gemma: Path) -> None:
    _convert(gemma)
    first = listing(gemma)
    _convert(gemma, "gemma-safe", "--force")
    assert listing(gemma) == first


def test_no_config_leaves_config_json_alone(gemma: Path) -> None:
    before = (gemma / "config.json").read_bytes()
    _convert(gemma, "gemma-safe", "--no-config")
    assert (gemma / "config.json").read_bytes() == before


def test_another_folder_leaves_the_models_config_json_alone(gemma: Path, tmp_path: Path) -> None:
    before = listing(gemma)
    _convert(gemma, "gemma-safe", "-o", tmp_path / "out")
    assert listing(gemma) == before
    assert "config.json" not in listing(tmp_path / "out")


def test_the_config_json_of_a_folder_to_be_made_is_updated(gemma: Path, tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    shutil.copy(gemma / "config.json", web)
    before = listing(gemma)
    _convert(gemma, "gemma-safe", "-o", web / "onnx")
    assert listing(gemma) == before
    external = json.loads((web / "config.json").read_text())["transformers.js_config"]
    assert external["use_external_data_format"] == {"model.onnx": 1} | dict.fromkeys(FILES, 1)


@pytest.mark.parametrize("arguments", [("-j", "1"), ("-j", "4"), ("--memory", "1M", "-j", "2")])
def test_the_same_bytes_for_any_threads_and_memory(gemma: Path, arguments: tuple[str, ...]) -> None:
    expected = listing(_convert(gemma, "gemma-web"))
    assert listing(_convert(gemma, "gemma-web", "--force", *arguments)) == expected


def test_every_tensor_lies_in_the_shard_that_it_names(gemma: Path) -> None:
    folder = _convert(gemma, "gemma-safe", "--max-shard", "50K")
    config = json.loads((gemma / "config.json").read_text())["transformers.js_config"]
    for file in FILES:
        shards = sorted(folder.glob(f"{file}_data*"), key=lambda p: (len(p.name), p.name))
        assert len(shards) > 2
        assert config["use_external_data_format"][file] == len(shards)
        wanted = [f"{file}_data"] + [f"{file}_data_{i}" for i in range(1, len(shards))]
        assert [shard.name for shard in shards] == wanted
        assert all(shard.stat().st_size <= 50_000 for shard in shards)
        locations = set()
        for _, entry in _tensors(folder / file):
            if entry:
                locations.add(entry["location"])
                assert int(entry["offset"]) % 64 == 0
        assert locations == set(wanted)
    CausalModel(folder / FILES[2], "cpu").step(TOKENS)
    _convert(gemma, "gemma-safe", "--force")
    left = sorted(path.name for path in folder.glob("*_data*"))
    assert left == sorted(["model.onnx_data", *(f"{file}_data" for file in FILES)])


def test_a_part_of_the_outputs_can_be_asked_for(gemma: Path) -> None:
    folder = _convert(gemma, "gemma-safe", "--dtype", "q4,fp16")
    names = sorted(path.name for path in folder.glob("*.onnx"))
    assert names == ["model.onnx", "model_fp16.onnx", "model_q4.onnx"]


def test_a_rule_on_the_command_line_wins(gemma: Path) -> None:
    path = gemma / "onnx" / "model.onnx"
    weight = "model.layers.0.mlp.down_proj.MatMul.weight"
    arguments = ("plan", "--policy", "q4", "--why", weight)
    assert "is stored as int4 block 32" in run(*arguments, path).stdout
    rule = "match: {role: down_proj, layer: [0, -1]}, weights: float16"
    done = run(*arguments, "--set", rule, path)
    assert "is stored as float16" in done.stdout
    assert "--set" in done.stdout


def test_why_shows_the_role_and_what_it_was_found_by(gemma: Path) -> None:
    path = gemma / "onnx" / "model.onnx"
    name = _nodes(path, "residual")[0]["name"]
    done = run("plan", "--policy", "gemma-safe", "--why", name, path)
    assert "role residual" in done.stdout
    assert "gemma-safe.yaml:12" in done.stdout


def _nodes(path: Path, role: str) -> list[dict[str, Any]]:
    plan = json.loads(run("plan", "--json", "--policy", "gemma-safe", path).stdout)
    return [node for node in plan["outputs"][0]["nodes"] if node["role"] == role]


def test_every_role_of_the_gemma_is_found(gemma: Path) -> None:
    path = gemma / "onnx" / "model.onnx"
    assert len(_nodes(path, "residual")) == 2 * 7
    for role in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
        assert [node["layer"] for node in _nodes(path, role)] == list(range(7)), role
    text = run("inspect", path).stdout
    for word in ("embedding", "lm_head", "norm", "residual", "input_ids", "com.microsoft"):
        assert word in text


def test_diff_tells_the_outputs_apart(gemma: Path) -> None:
    folder = _convert(gemma)
    same = run("diff", folder / "model.onnx", folder / "model.onnx")
    other = run("diff", "--json", folder / "model.onnx", folder / "model_fp16.onnx")
    assert (same.returncode, other.returncode) == (0, 0)
    assert not json.loads(other.stdout)["equal"]


@pytest.mark.parametrize("dtype", ["q4", "q4f16", "q8"])
def test_an_output_converted_again_stores_the_same_bytes(gemma: Path, dtype: str) -> None:
    """A table of codes and a head that share scales still do."""
    folder = _convert(gemma, "gemma-web", "--dtype", dtype)
    file = f"model_{'quantized' if dtype == 'q8' else dtype}.onnx"
    done = run(
        "--policy",
        "gemma-web",
        "--dtype",
        dtype,
        "-o",
        gemma / "again",
        "--no-config",
        folder / file,
    )
    assert done.returncode == 0, done.stderr
    first, second = (
        {t.name: (t.data_type, list(t.dims)) for t, _ in _tensors(place / file)}
        for place in (folder, gemma / "again")
    )
    assert first == second
    data = f"{file}_data"
    assert (folder / data).read_bytes() == (gemma / "again" / data).read_bytes()
