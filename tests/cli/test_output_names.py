"""How outputs are named: by dtype, in place of what a source's name ends with, or as asked for."""

import json
from pathlib import Path

import onnx
import pytest
from program import FP16, THREE, listing, policy, run, save, small_model


def _saved(folder: Path, name: str = "model.onnx") -> Path:
    return save(small_model(), folder).rename(folder / name)


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("model_q4.onnx", "model"),
        ("decoder_quantized.onnx", "decoder"),
        ("model-fp16.onnx", "model"),
        ("model.int8.onnx", "model"),
        ("model_float16.onnx", "model"),
        ("Model-FP32.onnx", "Model"),
        ("model_fp32.onnx", "model"),
        ("my-model_float32.onnx", "my-model"),
        ("fp16.onnx", "fp16"),
        ("modelfp16.onnx", "modelfp16"),
        ("fp16_model.onnx", "fp16_model"),
        ("model_q4f16_fp16.onnx", "model_q4f16"),
    ],
)
def test_a_dtype_in_the_sources_name_is_replaced(tmp_path: Path, source: str, base: str) -> None:
    path = _saved(tmp_path, source)
    done = run("--policy", "q4f16", "-o", tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{base}_q4f16.onnx",
        f"{base}_q4f16.onnx_data",
    }


def test_a_source_named_for_float32_has_all_outputs_one_for_another_dtype_its_own(
    tmp_path: Path,
) -> None:
    text = policy(tmp_path, THREE)
    for source, outputs in [
        ("model_fp32.onnx", ["fp16", "q4", "q4f16"]),
        ("model-fp16.onnx", ["fp16"]),
        ("model_int4.onnx", ["q4"]),
    ]:
        done = run("plan", "--policy", text, "--json", _saved(tmp_path, source))
        assert [o["dtype"] for o in json.loads(done.stdout)["outputs"]] == outputs


@pytest.mark.parametrize("where", ["here.onnx", "a/new/folder/web.onnx", "./model_q4.onnx"])
def test_one_output_can_be_named(tmp_path: Path, where: str) -> None:
    _saved(tmp_path)
    policy(tmp_path, FP16)
    arguments = ("--policy", "p.yaml", "-o", where, "model.onnx")
    plan = json.loads(run("plan", "--json", *arguments, cwd=tmp_path).stdout)
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert where in done.stderr
    path = tmp_path / where
    data = path.with_name(path.name + "_data")
    sizes = [(f["name"], f["bytes"]) for f in plan["outputs"][0]["files"]]
    assert sizes == [(p.name, p.stat().st_size) for p in (path, data)]
    locations = {
        entry.value
        for tensor in onnx.load(path, load_external_data=False).graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    assert locations == {data.name}
    onnx.checker.check_model(path)
    assert not (tmp_path / "model_fp16.onnx").exists()
    again = run(*arguments, cwd=tmp_path)
    assert again.returncode == 4
    assert run("--force", *arguments, cwd=tmp_path).returncode == 0


def test_a_folder_stays_a_folder_whatever_its_name(tmp_path: Path) -> None:
    path, text = _saved(tmp_path), policy(tmp_path, FP16)
    (tmp_path / "old.onnx").mkdir()
    for folder in ("old.onnx", "new.onnx/", "plain"):
        done = run("--policy", text, "-o", f"{tmp_path}/{folder}", path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / folder / "model_fp16.onnx").is_file()


def test_one_name_for_several_outputs_is_refused(tmp_path: Path) -> None:
    path, text = _saved(tmp_path), policy(tmp_path, THREE)
    before = listing(tmp_path)
    for command in ([], ["plan"]):
        done = run(*command, "--policy", text, "-o", tmp_path / "web.onnx", path)
        assert done.returncode == 1
        assert "-o web.onnx names one file, and there are 3 outputs (fp16, q4, q" in done.stderr
        assert "choose one of them with --dtype, or name a folder" in done.stderr
    assert listing(tmp_path) == before
    done = run("--policy", text, "--dtype", "q4", "-o", tmp_path / "web.onnx", path)
    assert done.returncode == 0, done.stderr


def test_the_source_is_never_the_output(tmp_path: Path) -> None:
    path, text = _saved(tmp_path), policy(tmp_path, FP16)
    before = listing(tmp_path)
    done = run("--force", "--policy", text, "-o", path, path)
    assert done.returncode == 4
    assert "model.onnx" in done.stderr
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["decoder_q4f16.onnx", "decoder.onnx"])
def test_config_json_knows_a_named_output_by_its_name(
    exported: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    source = exported / "onnx" / "model.onnx"
    done = run("--policy", "q4f16", "-o", tmp_path / "onnx" / name, source)
    assert done.returncode == 0, done.stderr
    section = json.loads((tmp_path / "config.json").read_text())["transformers.js_config"]
    assert section == {
        "use_external_data_format": {name: 1},
        "kv_cache_dtype": {"q4f16": "float16"},
    }
