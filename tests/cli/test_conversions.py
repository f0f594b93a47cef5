"""What a good run gives: files that load and agree, sizes as planned, the same bytes every time."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from program import FP16, THREE, listing, policy, run, save, small_model

NAMES = ("model_fp16", "model_q4", "model_q4f16")


def _convert(folder: Path, *arguments: str | Path, text: str = THREE) -> Path:
    out = folder / "out"
    done = run("--policy", policy(folder, text), "-o", out, *arguments, folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    return out


def _answer(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rows = session.get_inputs()[0].shape[1]
    x = np.random.default_rng(1).normal(0, 1, (5, rows)).astype(np.float32)
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


@pytest.mark.parametrize("external", [False, True])
def test_every_output_loads_and_agrees_with_the_input(tmp_path: Path, external: bool) -> None:
    path = save(small_model(), tmp_path, external)
    out = _convert(tmp_path)
    expected = _answer(path)
    for name, tolerance in zip(NAMES, (2e-3, 0.15, 0.15), strict=True):
        found = _answer(out / f"{name}.onnx")
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert 0 < error < tolerance, name


def test_the_plan_predicts_every_size_to_the_byte_and_writes_nothing(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    text = policy(tmp_path, THREE)
    before = listing(tmp_path)
    done = run("plan", "--json", "--policy", text, path)
    assert done.returncode == 0, done.stderr
    assert listing(tmp_path) == before
    dry = run("--dry-run", "--policy", text, path)
    assert listing(tmp_path) == before
    planned = {
        file["name"]: file["bytes"]
        for output in json.loads(done.stdout)["outputs"]
        for file in output["files"]
    }
    out = _convert(tmp_path)
    assert {file.name: file.stat().st_size for file in out.iterdir()} == planned
    for size in planned.values():
        assert f"{size:,}" in dry.stdout


def test_the_report_says_what_was_written_and_that_each_byte_was_read_once(tmp_path: Path) -> None:
    save(small_model(), tmp_path)
    out = _convert(tmp_path, "--report", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bytes_read"] == 4 * (96 * 96 + 96 * 48 + 48)
    for output in report["outputs"]:
        for file in output["files"]:
            assert (out / file["name"]).stat().st_size == file["bytes"]


@pytest.mark.parametrize(
    "arguments", [("-j", "1"), ("-j", "4"), ("--memory", "1"), ("-j", "3", "--memory", "1M")]
)
def test_the_same_bytes_for_any_threads_and_memory(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    save(small_model(512, 300), tmp_path)
    expected = listing(_convert(tmp_path))
    assert listing(_convert(tmp_path, "--force", *arguments)) == expected


def test_shards_stay_below_the_limit_and_old_ones_go(tmp_path: Path) -> None:
    save(small_model(512, 300), tmp_path)
    out = _convert(tmp_path, "--max-shard", "600K", text=FP16)
    assert sorted(listing(out)) == [
        "model_fp16.onnx",
        "model_fp16.onnx_data",
        "model_fp16.onnx_data_1",
    ]
    assert all(path.stat().st_size <= 600_000 for path in out.iterdir())
    model = onnx.load(out / "model_fp16.onnx", load_external_data=False)
    locations = {
        e.value for t in model.graph.initializer for e in t.external_data if e.key == "location"
    }
    assert locations == {"model_fp16.onnx_data", "model_fp16.onnx_data_1"}
    assert _answer(out / "model_fp16.onnx").shape == (5, 300)
    _convert(tmp_path, "--force", text=FP16)
    assert sorted(listing(out)) == ["model_fp16.onnx", "model_fp16.onnx_data"]


def test_config_json_learns_of_the_outputs(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    save(small_model(), tmp_path / "onnx")
    config = {"model_type": "x", "transformers.js_config": {"dtype": "q4"}, "last": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run("--policy", policy(tmp_path), "--no-config", tmp_path / "onnx" / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "config.json").read_text()) == config
    done = run("--policy", policy(tmp_path), "--force", tmp_path / "onnx" / "model.onnx")
    assert done.returncode == 0, done.stderr
    updated = json.loads((tmp_path / "config.json").read_text())
    assert list(updated) == list(config)
    assert updated["transformers.js_config"] == {
        "dtype": "q4",
        "use_external_data_format": {"model_fp16.onnx": 1},
    }


def test_clamping_is_done_and_said(tmp_path: Path) -> None:
    model = small_model()
    bias = model.graph.initializer[2]
    bias.raw_data = b"\x00\x50\xc3\x47" + bias.raw_data[4:]  # 100000
    save(model, tmp_path)
    text = FP16.replace("io: float32}", "io: float32, constants: {overflow: clamp}}")
    done = run("--policy", policy(tmp_path, text), tmp_path / "model.onnx")
    assert done.returncode == 0
    assert "warning: fp16: initializer 'bias': 1 value lies beyond float16's 65504" in done.stderr
    written = onnx.load(tmp_path / "model_fp16.onnx")
    (found,) = [t for t in written.graph.initializer if t.name == "bias"]
    assert onnx.numpy_helper.to_array(found)[0] == 65504


def test_quiet_runs_print_nothing_and_pipes_get_no_escape_codes(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    text = policy(tmp_path)
    quiet = run("-q", "--policy", text, path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    loud = run("--force", "--policy", text, path)
    assert not re.search(r"[\r\033]", loud.stdout + loud.stderr)
    assert "model_fp16.onnx" in loud.stdout


def test_why_explains_a_decision_and_guesses_names(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    text = policy(tmp_path, FP16 + "rules:\n  - {match: {weight: bias}, weights: float32}\n")
    done = run("plan", "--policy", text, "--why", "bias", path)
    assert "tensor 'bias' [48] is stored as float32 (192 bytes), because" in done.stdout
    assert "p.yaml:6:5 sets weights: float32" in done.stdout
    wrong = run("plan", "--policy", text, "--why", "bais", path)
    assert (wrong.returncode, "did you mean 'bias'?" in wrong.stderr) == (1, True)


def test_inspect_diff_and_policies_show_what_they_should(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    out = _convert(tmp_path)
    inspected = json.loads(run("inspect", "--json", path).stdout)
    assert inspected["ops"] == {"MatMul": 2, "Add": 1, "Relu": 1}
    assert [w["name"] for w in inspected["weights"]] == ["w1", "w2", "bias"]
    assert "4 nodes: 2 MatMul, 1 Add, 1 Relu" in run("inspect", path).stdout
    diff = json.loads(run("diff", "--json", path, out / "model_fp16.onnx").stdout)
    assert {row["name"] for row in diff["weights"]} == {"w1", "w2", "bias"}
    assert all(0 < row["max_abs"] < 1e-3 for row in diff["weights"])
    assert json.loads(run("diff", "--json", path, path).stdout)["equal"]
    assert "policy: 1" in run("policies", "gemma-safe").stdout
    assert "gemma-web" in run("policies").stdout
    assert run("--version").stdout.startswith("onnxquant ")
    assert "--policy" in run("--help").stdout


def test_bodies_with_external_weights_load_without_the_inputs_data_file(tmp_path: Path) -> None:
    """Each branch multiplies by a weight of its own, kept beside the model."""
    weights = np.arange(600, dtype=np.float32).reshape(2, 300)
    branches = [
        helper.make_graph(
            [helper.make_node("Mul", ["x", f"w{i}"], [f"r{i}"])],
            f"branch{i}",
            [],
            [helper.make_tensor_value_info(f"r{i}", onnx.TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(weights[i], f"w{i}")],
        )
        for i in range(2)
    ]
    graph = helper.make_graph(
        [helper.make_node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1])],
        "g",
        [
            helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [300]),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [300])],
    )
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
        tmp_path,
    )
    with (tmp_path / "data").open("wb") as file:
        file.write(weights.tobytes())
    model = onnx.load(tmp_path / "model.onnx")
    for i, attribute in enumerate(model.graph.node[0].attribute):
        (tensor,) = attribute.g.initializer
        index = int(tensor.name[1:])
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="data")
        tensor.external_data.add(key="offset", value=str(1200 * index))
        assert i < 2
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    out = _convert(tmp_path, text=FP16)
    session = onnxruntime.InferenceSession(
        out / "model_fp16.onnx", providers=["CPUExecutionProvider"]
    )
    for i, flag in enumerate((True, False)):
        feed = {"flag": np.array(flag), "x": np.ones(300, np.float32)}
        (y,) = session.run(None, feed)
        assert np.array_equal(y, weights[i])
