"""`check` and `inspect` of a folder look at each of its models."""

import json
from pathlib import Path

import onnx
import onnx.parser
import pytest
from program import run, small_model

MIXED = """<ir_version: 10, opset_import: ["" : 21]>
g (float16[n,4] x) => (float16[n,4] y) <float[4] gain = {1, 1, 1, 1}> {
  [norm] y = LayerNormalization(x, gain)
}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a right model, and one in float16 that WebGPU refuses."""
    (tmp_path / "onnx").mkdir()
    onnx.save(small_model(), tmp_path / "onnx" / "encoder.onnx")
    onnx.save(small_model(), tmp_path / "onnx" / "decoder.onnx")
    onnx.save(onnx.parser.parse_model(MIXED), tmp_path / "onnx" / "decoder_fp16.onnx")
    return tmp_path


def test_each_file_is_checked_whatever_its_dtype(folder: Path) -> None:
    done = run("check", folder)
    assert done.returncode == 5
    for name in ("decoder", "decoder_fp16", "encoder"):
        assert f"{folder / 'onnx' / name}.onnx (" in done.stdout
    assert done.stderr.endswith(f"{folder}: 1 of 3 models has errors: decoder_fp16.onnx\n")
    assert run("check", "--target", "cpu", folder).returncode == 0


def test_what_is_wrong_in_a_folder_is_mended(folder: Path) -> None:
    done = run("check", "--fix", folder)
    assert done.returncode == 0, done.stderr
    made = folder / "onnx" / "fixed"
    assert [path.name for path in made.glob("*.onnx")] == ["decoder_fp16.onnx"]
    assert run("check", made).returncode == 0


def test_each_model_is_inspected_by_its_source(folder: Path) -> None:
    done = run("inspect", folder)
    assert done.returncode == 0, done.stderr
    heads = [line for line in done.stdout.splitlines() if ", IR version " in line]
    assert [head.split(": ")[0] for head in heads] == [
        str(folder / "onnx" / f"{name}.onnx") for name in ("decoder", "encoder")
    ]


def test_json_of_a_folder_is_a_list_of_its_models(folder: Path) -> None:
    done = run("check", "--json", "--run", folder)
    assert done.returncode == 5
    models = json.loads(done.stdout)
    names = ["decoder.onnx", "decoder_fp16.onnx", "encoder.onnx"]
    assert [Path(model["path"]).name for model in models] == names
    assert [bool(model["findings"]) for model in models] == [False, True, False]
    assert all(model["runs"] for model in models)
    for command in ("inspect", "plan"):
        done = run(command, "--json", folder)
        assert done.returncode == 0, done.stderr
        key = "path" if command == "inspect" else "input"
        found = [Path(model[key]).name for model in json.loads(done.stdout)]
        assert found == ["decoder.onnx", "encoder.onnx"]


def test_a_model_of_a_folder_that_does_not_run_is_named(folder: Path) -> None:
    (folder / "onnx" / "decoder_fp16.onnx").unlink()
    broken = onnx.load(folder / "onnx" / "encoder.onnx")
    broken.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(broken, folder / "onnx" / "encoder.onnx")
    done = run("check", "--run", "--target", "cpu", folder)
    assert done.returncode == 5
    assert "1 of 2 models has errors: encoder.onnx" in done.stderr
    assert "on cpu: " in done.stdout


OF_ONE = [("check", "--report", "r.json"), ("check", "--ranges", "r.json")]


@pytest.mark.parametrize("arguments", [*OF_ONE, ("inspect", "--checkpoint", "c")], ids=" ".join)
def test_what_is_of_one_model_is_refused(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, folder)
    assert done.returncode == 1
    assert f"onnxquant: {arguments[1]} is of one model, and {folder} is a folder of " in done.stderr
