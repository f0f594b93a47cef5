"""Folders of models that belong together, as the command line takes them."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import onnx.parser
import onnxquant
import pytest
from conftest import make_mlp, make_text_model

MIXED = """<ir_version: 10, opset_import: ["" : 21]>
g (float16[n,4] x) => (float16[n,4] y) <float[4] gain = {1, 1, 1, 1}> {
  [norm] y = LayerNormalization(x, gain)
}"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Return a folder as Transformers.js lays it out: two models, and a file of one in float16."""
    home = tmp_path / "home"
    (home / "onnx").mkdir(parents=True)
    onnx.save(make_mlp(), home / "onnx" / "encoder.onnx")
    onnx.save(make_text_model(), home / "onnx" / "decoder.onnx")
    return home


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*_*.onnx*"))}


def test_a_folder_gives_the_command_lines_bytes(folder: Path, tmp_path: Path) -> None:
    report = onnxquant.quantize(folder, "q4f16", output=tmp_path / "python")
    command = [sys.executable, "-m", "onnxquant", "--policy", "q4f16", "-o", str(tmp_path / "cli")]
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    assert _files(tmp_path / "python") == _files(tmp_path / "cli")
    assert isinstance(report, onnxquant.FolderReport)
    assert set(report.models) == {"encoder", "decoder"}
    assert set(report.paths) == {"encoder_q4f16", "decoder_q4f16"}
    assert all(path.is_file() for path in report.paths.values())
    assert {output["model"] for output in report.outputs} == {"encoder", "decoder"}
    assert "q4f16" in repr(report)
    assert "encoder" in repr(report.models)
    assert set(report.to_pandas()["model"]) == {"encoder", "decoder"}


def test_outputs_go_beside_the_models_where_no_place_is_said(folder: Path) -> None:
    onnxquant.quantize(folder, "fp16")
    assert {path.name for path in (folder / "onnx").glob("*_fp16.onnx")} == {
        "decoder_fp16.onnx",
        "encoder_fp16.onnx",
    }


def test_some_models_may_get_another_policy_or_none(folder: Path) -> None:
    plan = onnxquant.plan(folder, "fp16", sessions={"enc*": "transformersjs:q8", "decoder": "skip"})
    assert isinstance(plan, onnxquant.FolderPlan)
    assert {name: [o.dtype for o in one.outputs] for name, one in plan.models.items()} == {
        "encoder": ["q8"]
    }
    with pytest.raises(onnxquant.UsageError, match=r"sessions audio\*=fp16 fits none"):
        onnxquant.plan(folder, "fp16", sessions=["audio*=fp16"])
    with pytest.raises(onnxquant.UsageError, match="sessions are of the models in a folder"):
        onnxquant.plan(folder / "onnx" / "encoder.onnx", "fp16", sessions=["*=fp16"])


def test_models_of_different_families_get_one_policy(folder: Path) -> None:
    plan = onnxquant.plan(folder)
    policies = {output["policy"] for output in plan.outputs}
    assert len(policies) == 1
    assert (plan.policy_choice != "") == (policies == {"llm-web"})


def test_nothing_is_written_before_all_models_are_planned(folder: Path) -> None:
    (folder / "onnx" / "encoder.onnx").write_bytes(b"no model")
    with pytest.raises(onnxquant.ModelError, match=r"encoder\.onnx"):
        onnxquant.quantize(folder, "fp16")
    assert not list((folder / "onnx").glob("*_fp16*"))


def test_what_was_converted_before_a_failure_is_said(folder: Path) -> None:
    (folder / "onnx" / "encoder_fp16.onnx").write_bytes(b"")
    with pytest.raises(onnxquant.WriteError, match="1 of 2 models had been converted before this"):
        onnxquant.quantize(folder, "fp16")


def test_what_is_of_one_model_is_refused(folder: Path, tmp_path: Path) -> None:
    plan = onnxquant.plan(folder, "fp16")
    with pytest.raises(onnxquant.UsageError, match="a manifest is of one model"):
        plan.save_manifest(tmp_path / "plan.json")
    with pytest.raises(onnxquant.UsageError, match="a page is of one model"):
        plan.to_html(tmp_path / "r.html")
    with pytest.raises(onnxquant.UsageError, match="checkpoint= is of one model"):
        onnxquant.inspect(folder, checkpoint="c.safetensors")


def test_every_file_of_a_folder_is_checked_and_mended(folder: Path) -> None:
    assert onnxquant.check(folder, target="cpu").ok
    onnx.save(onnx.parser.parse_model(MIXED), folder / "onnx" / "decoder_fp16.onnx")
    found = onnxquant.check(folder)
    assert isinstance(found, onnxquant.FolderCheck)
    assert not found.ok
    assert set(found.models) == {"decoder.onnx", "decoder_fp16.onnx", "encoder.onnx"}
    assert [(row["model"], row["kind"]) for row in found.findings] == [
        ("decoder_fp16.onnx", "mixed_norm")
    ]
    assert found.command == found.models["decoder_fp16.onnx"].command
    fixed = found.fix()
    assert onnxquant.check(fixed.directory).ok
    assert "mixed_norm" in repr(found)
    json.dumps(found.to_dict())


def test_the_models_of_a_folder_are_inspected(folder: Path) -> None:
    found = onnxquant.inspect(folder)
    assert isinstance(found, onnxquant.FolderInspection)
    assert set(found.models) == {"encoder", "decoder"}
    assert found["models"]["encoder"]["nodes"] == found.models["encoder"]["nodes"]
    assert set(found.to_pandas()["model"]) == {"encoder", "decoder"}
    assert "encoder" in repr(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("io", ["float32", "float16", "keep"])
def test_io_is_the_command_lines(folder: Path, io: str) -> None:
    plan = onnxquant.plan(folder / "onnx" / "encoder.onnx", "fp16", io=io)
    expected = "float16" if io == "float16" else "float32"
    assert {row["type"] for row in plan.outputs[0].values} == {expected}
    with pytest.raises(onnxquant.UsageError, match="io: found 'half'; expected float32"):
        onnxquant.plan(folder / "onnx" / "encoder.onnx", "fp16", io="half")
