"""`onnxquant.check`: findings as data, as a table, and mended."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import onnx.parser
import onnxquant
import pytest

TEXT = """<ir_version: 10, opset_import: ["" : 21]>
g (float16[n,4] x) => (float16[n,4] y) <float[4] gain = {1, 1, 1, 1}> {
  [norm] y = LayerNormalization(x, gain)
}"""


@pytest.fixture(name="mixed")
def _mixed(tmp_path: Path) -> Path:
    """Return a float16 norm with a float32 gain, which WebGPU cannot run."""
    path = tmp_path / "model_fp16.onnx"
    onnx.save(onnx.parser.parse_model(TEXT), path)
    return path


def test_a_check_says_what_the_command_line_says(mixed: Path) -> None:
    command = [sys.executable, "-m", "onnxquant", "check", "--json", str(mixed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    found = onnxquant.check(mixed)
    assert found.to_dict() == json.loads(done.stdout)
    assert not found.ok
    [finding] = found.findings
    assert (finding["kind"], finding["place"]) == ("mixed_norm", "norm")
    assert "--policy repair" in found.command


def test_a_check_shows_itself(mixed: Path, tmp_path: Path) -> None:
    found = onnxquant.check(mixed)
    assert "error mixed_norm" in repr(found)
    assert "Invalid ShaderModule" in found._repr_html_()
    found.to_html(tmp_path / "r.html")
    assert 'id="check-data"' in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_cpu_provider_accepts_it(mixed: Path) -> None:
    assert onnxquant.check(mixed, target="cpu").ok
    with pytest.raises(onnxquant.UsageError, match="a target is one of cpu, webgpu"):
        onnxquant.check(mixed, target="tpu")


def test_a_model_in_memory_is_checked(mixed: Path) -> None:
    found = onnxquant.check(onnx.load(mixed), model_path=mixed)
    assert [finding["kind"] for finding in found.findings] == ["mixed_norm"]


def test_fix_writes_a_file_that_is_right(mixed: Path) -> None:
    report = onnxquant.check(mixed).fix()
    assert report.directory == mixed.parent / "fixed"
    [written] = report.paths.values()
    assert onnxquant.check(written).findings == []
    other = onnxquant.check(mixed).fix(directory=mixed.parent / "other")
    assert other.directory.name == "other"


def test_there_is_nothing_to_fix_in_a_right_file(mlp: Path) -> None:
    found = onnxquant.check(mlp)
    assert (found.ok, found.findings, found.command) == (True, [], "")
    with pytest.raises(onnxquant.UsageError, match="nothing that a conversion mends"):
        found.fix()
    assert "nothing wrong was found" in repr(found)


def test_missing_data_are_findings(mlp: Path, tmp_path: Path) -> None:
    model = onnx.load(mlp)
    path = tmp_path / "apart.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="w", size_threshold=0)
    (tmp_path / "w").unlink()
    kinds = [finding["kind"] for finding in onnxquant.check(path).findings]
    assert kinds == ["damaged_data"]
