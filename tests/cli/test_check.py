"""`onnxquant check` finds what is wrong with a file, says what mends it, and mends it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import BINARY, listing, run

LAYERS = 7  # of the small Gemma
HALF = TensorProto.FLOAT16


def _check(*arguments: str | Path) -> dict[str, Any]:
    done = run("check", "--json", *arguments)
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if result["ok"] else 5), done.stderr
    return result


def _kinds(result: dict[str, Any]) -> list[str]:
    return [finding["kind"] for finding in result["findings"]]


@pytest.fixture(scope="module")
def large(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small Gemma with a stream beyond float16: its post-norms' gains are huge."""
    folder = tmp_path_factory.mktemp("large")
    model = onnx.load(exported / "onnx" / "model.onnx")
    found = 0
    for tensor in model.graph.initializer:
        if re.search(r"post_(attention|feedforward)_layernorm", tensor.name):
            gain = numpy_helper.to_array(tensor) * np.float32(20000)
            tensor.CopyFrom(numpy_helper.from_array(gain, tensor.name))
            found += 1
    assert found == 2 * LAYERS
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def broken(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with model_fp16.onnx as build_gemma.py writes it, its fault included."""
    folder = tmp_path_factory.mktemp("broken")
    done = run("--policy", "build-gemma", "--dtype", "fp16", large, "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web", "gemma-rescale"])
def test_what_the_gemma_policies_write_is_right(policy: str, large: Path, tmp_path: Path) -> None:
    assert run("--policy", policy, large, "-o", tmp_path).returncode == 0
    written = sorted(tmp_path.glob("*.onnx"))
    assert len(written) > 1
    for path in [large, *written]:
        assert _check(path)["findings"] == [], path.name


@pytest.mark.parametrize("policy", ["fp16", "bf16", "q4", "q4f16", "build-gemma"])
def test_a_stream_that_fits_is_right_in_any_type(
    policy: str, exported: Path, tmp_path: Path
) -> None:
    model = exported / "onnx" / "model.onnx"
    assert run("--policy", policy, model, "-o", tmp_path).returncode == 0
    for path in tmp_path.glob("*.onnx"):
        assert _check(path)["findings"] == [], path.name


def test_a_stream_beyond_float16_is_an_error(broken: Path) -> None:
    result = _check(broken / "model_fp16.onnx")
    assert _kinds(result) == ["residual_in_half"]
    [finding] = result["findings"]
    assert (finding["severity"], finding["count"]) == ("error", 2 * LAYERS)
    assert finding["place"] == finding["places"][0] == "/model/layers.0/Add_1"
    assert finding["layer"] == 0
    assert "bound from the weights" in finding["evidence"]
    assert result["policy"] == "gemma-web"
    assert (result["layers"], result["half_type"]) == (LAYERS, "float16")


def test_the_cpu_provider_gets_it_right(broken: Path) -> None:
    assert _check("--target", "cpu", broken / "model_fp16.onnx")["findings"] == []


def test_the_text_says_place_evidence_remedy_and_command(broken: Path) -> None:
    done = run("check", broken / "model_fp16.onnx")
    assert done.returncode == 5
    blocks = done.stdout.split("\n\n")
    assert blocks[0].startswith("error: residual_in_half in 14 places, the first is /model/layers")
    assert "(layer 0)" in blocks[0] and "\n  remedy: " in blocks[0]
    assert "(7 layers, float16), on webgpu: 1 error, 0 warnings\n" in blocks[1]
    assert re.search(
        r"^to mend it: onnxquant --policy gemma-web --dtype fp16 -o \S+/fixed \S+_fp16\.onnx$",
        blocks[1],
        re.M,
    )
    assert done.stderr.endswith("model_fp16.onnx: 1 error, 0 warnings\n")
    assert "/model/layers.6/Add_2" in run("check", "-v", broken / "model_fp16.onnx").stdout
    assert run("check", "-q", broken / "model_fp16.onnx").stdout == ""


def test_a_right_file_is_said_to_be_right(large: Path) -> None:
    done = run("check", large)
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 layers, nothing in 16 bits" in done.stdout
    assert "nothing wrong was found" in done.stdout


def _without_final_cast(path: Path) -> None:
    """Take away the Cast before the final norm, which build_gemma.py forgets."""
    model = onnx.load(path)
    norm = next(node for node in model.graph.node if node.name == "/model/final_norm")
    cast = next(node for node in model.graph.node if norm.input[0] in node.output)
    assert cast.op_type == "Cast"
    norm.input[0] = cast.input[0]
    model.graph.node.remove(cast)
    onnx.save(model, path)


def test_the_cast_that_the_community_script_forgets_is_missed(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    _without_final_cast(folder / "model_fp16.onnx")
    result = _check(folder / "model_fp16.onnx")
    assert _kinds(result) == ["residual_in_half", "mixed_norm"]
    assert result["findings"][1]["place"] == "/model/final_norm"


def test_measured_ranges_decide(broken: Path, tmp_path: Path) -> None:
    names = _check(broken / "model_fp16.onnx")["findings"][0]["places"]
    model = onnx.load(broken / "model_fp16.onnx", load_external_data=False)
    outputs = [node.output[0] for node in model.graph.node if node.name in names]
    ranges = tmp_path / "r.json"
    for peak, count in ((1e3, 0), (1e5, 2 * LAYERS)):
        ranges.write_text(json.dumps({"values": {name: {"peak": peak} for name in outputs}}))
        found = _check("--ranges", ranges, broken / "model_fp16.onnx")["findings"]
        assert sum(finding["count"] for finding in found) == count
    ranges.write_text('{"values": {"other": {"peak": 1}}}')
    done = run("check", "--ranges", ranges, broken / "model_fp16.onnx")
    assert done.returncode == 1
    assert "measure the ranges of this model" in done.stderr


def _unbounded(path: Path) -> Path:
    """Write a float16 stream that the weights do not bound."""
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float16), name)
        for name, shape in (("gain", (8,)), ("w", (8, 8)))
    ]
    graph = helper.make_graph(
        [
            helper.make_node("LayerNormalization", ["x", "gain"], ["n"], "norm"),
            helper.make_node("MatMul", ["n", "w"], ["p"], "proj"),
            helper.make_node("Relu", ["p"], ["r"], "relu"),
            helper.make_node("Add", ["x", "r"], ["h"], "sum"),
            helper.make_node("LayerNormalization", ["h", "gain"], ["y"], "last"),
        ],
        "g",
        [helper.make_tensor_value_info("x", HALF, ["n", 8])],
        [helper.make_tensor_value_info("y", HALF, ["n", 8])],
        weights,
    )
    opsets = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def test_warnings_count_where_that_is_asked_for(tmp_path: Path) -> None:
    model = _unbounded(tmp_path / "model.onnx")
    done = run("check", model)
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: residual_in_half in sum\n" in done.stdout
    assert "0 errors, 1 warning\n" in done.stdout
    assert run("check", "--strict", model).returncode == 5


def test_all_missing_data_files_are_findings(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    model = onnx.load(folder / "model_fp16.onnx", load_external_data=False)
    moved = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    for entry in moved[0].external_data:
        if entry.key == "location":
            entry.value = "other.data"
    (folder / "model_fp16.onnx").write_bytes(model.SerializeToString())
    (folder / "model_fp16.onnx_data").unlink()
    found = _check(folder / "model_fp16.onnx")["findings"]
    damaged = [finding for finding in found if finding["kind"] == "damaged_data"]
    assert {Path(finding["place"]).name for finding in damaged} == {
        "other.data",
        "model_fp16.onnx_data",
    }
    assert sum(finding["count"] for finding in damaged) == len(moved)


def test_a_truncated_data_file_is_a_finding(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    data = folder / "model_fp16.onnx_data"
    data.write_bytes(data.read_bytes()[:-100])
    result = _check(folder / "model_fp16.onnx")
    assert result["findings"][0]["kind"] == "damaged_data"
    assert "truncated" in result["findings"][0]["evidence"]


def test_what_is_no_model_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"GGUF....")
    assert run("check", tmp_path / "a.onnx").returncode == 2
    assert run("check", tmp_path / "none.onnx").returncode == 2
    assert run("check", "--target", "tpu", tmp_path / "a.onnx").returncode == 1


def test_a_config_that_contradicts_is_an_error(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    settings = {"kv_cache_dtype": "float32", "use_external_data_format": 2, "dtype": "q4"}
    (folder / "config.json").write_text(json.dumps({"transformers.js_config": settings}))
    found = _check(folder / "model_fp16.onnx")["findings"]
    said = [row["evidence"] for row in found if row["kind"] == "config_contradicts"]
    assert len(said) == 3
    assert "says float32 for fp16" in said[0]
    assert "no 'model_fp16.onnx_data_1'" in said[1]
    assert "no 'model_q4.onnx'" in said[2]


def test_fix_writes_a_file_that_is_right(large: Path, tmp_path: Path) -> None:
    """Beside the broken file, which stays as it is."""
    folder = tmp_path / "copy"
    done = run("--policy", "build-gemma", "--dtype", "fp16", large, "-o", folder)
    assert done.returncode == 0, done.stderr
    before = listing(folder)
    done = run("check", "--fix", folder / "model_fp16.onnx")
    assert done.returncode == 0, done.stderr
    assert "mending" in done.stderr and "wrote" in done.stderr
    assert _check(folder / "fixed" / "model_fp16.onnx")["findings"] == []
    assert {name: listing(folder)[name] for name in before} == before
    # What is there is not replaced unasked.
    assert run("check", "--fix", folder / "model_fp16.onnx").returncode == 4
    assert run("check", "--fix", "-f", folder / "model_fp16.onnx").returncode == 0
    again = run("check", "--fix", "-o", tmp_path / "out", folder / "model_fp16.onnx")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "model_fp16.onnx").is_file()


def test_fix_says_what_it_leaves_to_the_reader(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    settings = {"kv_cache_dtype": "float32", "use_external_data_format": 1}
    (folder / "config.json").write_text(json.dumps({"transformers.js_config": settings}))
    done = run("check", folder / "model_fp16.onnx")
    assert "1 of 2 findings it does not mend" in done.stdout
    done = run("check", "--fix", folder / "model_fp16.onnx")
    assert done.returncode == 5
    assert "1 of 2 findings remains: config_contradicts" in done.stderr


def test_nothing_is_recommended_while_data_are_damaged(broken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken, tmp_path / "copy"))
    (folder / "model_fp16.onnx_data").unlink()
    done = run("check", "--fix", folder / "model_fp16.onnx")
    assert done.returncode == 5
    assert "to mend it" not in done.stdout
    assert "no conversion mends damaged data" in done.stdout


def test_fix_of_a_right_file_does_nothing(large: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(large, path)
    before = listing(tmp_path)
    done = run("check", "--fix", path)
    assert (done.returncode, listing(tmp_path)) == (0, before)
    assert "there is nothing to mend" in done.stderr


def test_reports_are_pages_or_json(broken: Path, tmp_path: Path) -> None:
    model = broken / "model_fp16.onnx"
    for name in ("r.json", "r.html"):
        assert run("check", "-q", "--report", tmp_path / name, model).returncode == 5
    written = json.loads((tmp_path / "r.json").read_text())
    assert written == _check(model)
    page = re.search(r'id="check-data">(.*?)</script>', (tmp_path / "r.html").read_text())
    assert page and json.loads(page[1]) == written
    assert run("check", "--report", tmp_path / "r.json", model).returncode == 4
    assert run("check", "--report", tmp_path / "r.json", "-f", model).returncode == 5
    assert run("check", "--report", model, "-f", model).returncode == 4


def test_a_second_run_says_the_same_and_changes_nothing(broken: Path) -> None:
    before = listing(broken)
    first, second = (run("check", broken / "model_fp16.onnx").stdout for _ in range(2))
    assert first == second
    assert listing(broken) == before


def test_a_reader_that_leaves_does_no_harm(broken: Path) -> None:
    command = f"'{BINARY}' check -v '{broken / 'model_fp16.onnx'}' | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("error: residual_in_half")


def test_help_lists_every_kind_that_is_looked_for(broken: Path) -> None:
    words = run("check", "--help").stdout
    for kind in ("damaged_data", "residual_in_half", "mixed_norm", "small_eps"):
        assert f"  {kind}: " in words


def test_inspect_shows_findings_in_short(broken: Path, large: Path) -> None:
    model = broken / "model_fp16.onnx"
    text = run("inspect", model).stdout
    assert "error: residual_in_half in /model/layers.0/Add_1 and 13 more\n" in text
    [finding] = json.loads(run("inspect", "--json", model).stdout)["findings"]
    assert (finding["kind"], finding["count"]) == ("residual_in_half", 2 * LAYERS)
    assert json.loads(run("inspect", "--json", large).stdout)["findings"] == []


def test_run_shows_what_a_broken_stream_does_to_the_output(broken: Path, large: Path) -> None:
    """The simulated provider rounds as a GPU does, the CPU provider hides it."""
    done = run("check", "--run", "--provider", "cpu,simulated", large)
    assert done.returncode == 0, done.stderr
    assert "on cpu: runs" in done.stdout and "on simulated: runs" in done.stdout
    done = run(
        *("check", "--run", "--provider", "cpu,simulated", "--json", "--target", "cpu"),
        broken / "model_fp16.onnx",
    )
    assert done.returncode == 5
    runs = {row["provider"]: row for row in json.loads(done.stdout)["runs"]}
    assert runs["cpu"]["passed"] and not runs["simulated"]["passed"]
    assert runs["simulated"]["nan"] > 0
    assert "on simulated: " in done.stderr
