"""What float values come to: numpy finds the same, plans read it, and every fault is told."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import BINARY, policy, run, save, small_model

TOKENS = np.random.default_rng(5).integers(0, 50, 90)
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of token ids."""
    path = tmp_path_factory.mktemp("ranges") / "tokens.npy"
    np.save(path, TOKENS.astype(np.int32))
    return path


@pytest.fixture(scope="module")
def model(exported: Path) -> Path:
    """Return a small Gemma."""
    return exported / "onnx" / "model.onnx"


def _values(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    """Return every float value that ONNX Runtime's Python interface computes."""
    model = onnx.load(path)
    given = {o.name for o in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in given:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [o.name for o in session.get_outputs()]
    results = dict(zip(names, session.run(names, feeds), strict=True))
    return {name: value for name, value in results.items() if value.dtype == np.float32}


def _feeds(path: Path) -> dict[str, Any]:
    """Return the tokens in one step on empty caches."""
    count = len(TOKENS)
    feeds: dict[str, Any] = {
        "input_ids": TOKENS[None].astype(np.int64),
        "attention_mask": np.ones((1, count), np.int64),
        "position_ids": np.arange(count, dtype=np.int64)[None],
    }
    for value in onnx.load(path).graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.name.startswith("past_key_values"):
            feeds[value.name] = np.zeros((1, shape[1], 0, shape[3]), np.float32)
    return {i.name: feeds[i.name] for i in onnx.load(path).graph.input}


def _ranges(*arguments: str | Path) -> dict[str, Any]:
    done = run("ranges", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_figures_equal_numpys(model: Path, tokens: Path) -> None:
    """In one step: values that grow with what was before are measured once a step."""
    ranges = _ranges(model, "--tokens", tokens, "--chunk", "90")
    assert ranges["tokens"] == len(TOKENS)
    expected = _values(model, _feeds(model))
    assert set(ranges["values"]) == set(expected)
    for name, value in expected.items():
        found = ranges["values"][name]
        finite = value[np.isfinite(value)]
        assert found["peak"] == pytest.approx(np.abs(finite).max(), rel=1e-5, abs=1e-5), name
        assert found["min"] == pytest.approx(finite.min(), rel=1e-4, abs=1e-5), name
        assert found["max"] == pytest.approx(finite.max(), rel=1e-4, abs=1e-5), name
        assert found["beyond_fp16"] == (np.abs(value) > 65504).mean(), name
        for key, share in QUANTILES.items():
            quantile = np.quantile(np.abs(value), share, method="inverted_cdf")
            assert found[key] == pytest.approx(quantile, rel=0.01, abs=1e-4), (name, key)
    layers = {value["layer"] for value in ranges["values"].values()}
    assert None in layers and {0, 1, 2} <= layers


def test_groups_and_steps_leave_the_peaks_as_they_are(model: Path, tokens: Path) -> None:
    """A limit on memory makes the model run once a group."""
    whole = _ranges(model, "--tokens", tokens)
    assert whole == _ranges(model, "--tokens", tokens, "--memory", "20k")
    steps = _ranges(model, "--tokens", tokens, "--chunk", "7")
    for name, value in whole["values"].items():
        assert steps["values"][name]["peak"] == pytest.approx(value["peak"], rel=1e-4, abs=1e-6)


def test_the_model_writes_its_own_text(model: Path) -> None:
    first, same, other = (
        _ranges(model, "--tokens", "self", "--count", "20", "--seed", seed) for seed in "112"
    )
    assert first["tokens"] == 20
    assert first == same != other


def test_the_table_shows_what_overflows_or_comes_near(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    raised = onnx.load(path)
    for tensor in raised.graph.initializer:
        if tensor.name == "bias":
            values = np.zeros_like(numpy_helper.to_array(tensor))
            values[:2] = (50000, -70000)
            tensor.CopyFrom(numpy_helper.from_array(values, "bias"))
    onnx.save(raised, path)
    done = run("ranges", path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (row,) = [line for line in lines if line.startswith("y ")]
    assert "Add" in row and "1.07" in row
    assert not any(line.startswith(("a ", "b ", "c ")) for line in lines)
    assert lines[-2] == (
        "4 float values: 1 goes beyond float16's 65504, 0 more come within a factor of 2"
    )
    assert lines[-1].startswith("the first is 'y' (node 'shift' (Add)), up to 7000")
    assert any(
        line.startswith("b ") for line in run("ranges", "--margin", "1e6", path).stdout.splitlines()
    )
    assert run("ranges", "-q", path).stdout == ""


@pytest.mark.parametrize(("large", "shown"), [(3.4e38, "3.4e+38"), (np.inf, "0")])
def test_masks_are_told_from_sums(large: float, shown: str, tmp_path: Path) -> None:
    model = small_model()
    fill = numpy_helper.from_array(np.array(-large, np.float32), "fill")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["mask"], value=fill))
    model.graph.node[-1].output[0] = "sum"
    model.graph.node.append(helper.make_node("Max", ["sum", "mask"], ["y"], "limit"))
    done = run("ranges", save(model, tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("mask ")]
    assert row.split() == ["mask", "Constant", shown, "mask", shown, "1"]
    assert done.stdout.endswith(
        "6 float values: 0 go beyond float16's 65504, 0 more come within a factor of 2\n"
        "1 more is filled as masks are\n"
    )


def test_sizes_that_do_not_suit_the_model_can_be_given(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"], "fold")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", 9])],
        [numpy_helper.from_array(np.array([-1, 9]), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = save(model, tmp_path)
    for command in (("ranges", path), ("verify", path, path)):
        done = run(*command)
        assert done.returncode == 5
        assert "give sizes with --dim NAME=SIZE; open are batch, width" in done.stderr
        assert run(*command, "--dim", "width=18").returncode == 0


def test_plans_read_what_it_writes(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    ranges = tmp_path / "ranges.json"
    assert run("ranges", path, "-q", "-o", ranges).returncode == 0
    peaks = {
        name: value["peak"] for name, value in json.loads(ranges.read_text())["values"].items()
    }
    limit = (peaks["a"] + sorted(peaks.values())[-2]) / 2
    assert max(peaks, key=lambda name: peaks[name]) == "a"
    rule = f"match: {{range: {{peak_over: {limit}}}}}, compute: float32"
    arguments = ("plan", "--policy", policy(tmp_path), "--set", rule, "--json", path)
    done = run(*arguments, "--ranges", ranges)
    assert done.returncode == 0, done.stderr
    nodes = {n["name"]: n for n in json.loads(done.stdout)["outputs"][0]["nodes"]}
    assert [n for n, decided in nodes.items() if decided["compute"] == "float32"] == ["first"]
    assert run(*arguments).returncode == 3


def test_values_without_finite_numbers_are_written_and_read(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Log", ["x"], ["y"], "log"),
            helper.make_node("Sqrt", ["y"], ["z"], "root"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [0])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = save(model, tmp_path)
    ranges = tmp_path / "ranges.json"
    assert run("ranges", path, "-o", ranges).returncode == 0
    assert json.loads(ranges.read_text())["values"]["y"]["peak"] == 0
    done = run("plan", "--policy", policy(tmp_path), "--ranges", ranges, path)
    assert done.returncode == 0, done.stderr


def test_the_file_is_not_overwritten(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    ranges = tmp_path / "ranges.json"
    printed = run("ranges", path, "-o", ranges, "--json").stdout
    assert ranges.read_text() == printed
    again = run("ranges", path, "-o", ranges)
    assert again.returncode == 4
    assert "ranges.json" in again.stderr
    assert run("ranges", path, "-o", ranges, "--force").returncode == 0
    before = path.read_bytes()
    assert run("ranges", path, "-o", path, "--force").returncode == 4
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("none.onnx", "--tokens", "tokens"), 2, "none.onnx: cannot be opened"),
        (("tokens", "--tokens", "tokens"), 2, "not a valid ONNX file"),
        (("model",), 1, "--tokens self"),
        (("model", "--tokens", "none.npy"), 1, "none.npy: the file of token ids"),
        (("model", "--tokens", "tokens", "--onnxruntime", "none.so"), 1, "none.so: cannot"),
        (("model", "--tokens", "tokens", "-o", "/dev/null/r.json"), 4, "/dev/null"),
        (("model", "--tokens", "tokens", "--margin", "0.5"), 1, "--margin"),
        ((), 1, "MODEL"),
    ],
)
def test_what_is_wrong_is_named(
    model: Path,
    tokens: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    status: int,
    expected: str,
) -> None:
    places = {"model": model, "tokens": tokens}
    done = run("ranges", *(places.get(a, a) for a in arguments), cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert done.stdout == ""


def test_an_encoder_writes_no_text(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["states"])],
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"])],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, [1, "n", 4])],
        [numpy_helper.from_array(np.ones((9, 4), np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = save(model, tmp_path)
    done = run("ranges", path, "--tokens", "self")
    assert done.returncode == 1
    assert f"{path}: writes no text, for it has no output 'logits'" in done.stderr
    (tmp_path / "tokens.txt").write_text("1 2 3")
    assert _ranges(path, "--tokens", tmp_path / "tokens.txt")["values"]["states"]["peak"] == 1


def test_tokens_out_of_range_are_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("1 2 3 262144")
    done = run("ranges", model, "--tokens", tmp_path / "tokens.txt")
    assert done.returncode == 1
    assert "tokens.txt: token 4 is 262144; the model's vocabulary is 0 to" in done.stderr


def test_a_terminal_sees_how_far_it_is(model: Path, tokens: Path) -> None:
    def errors(*arguments: str | Path) -> str:
        control, terminal = pty.openpty()
        command = [str(BINARY), "ranges", *map(str, arguments), "--tokens", str(tokens)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, check=True)
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(control, 4096):
                shown += chunk
        except OSError:  # the terminal is closed
            pass
        os.close(control)
        return shown.decode()

    assert "step " in errors(model, "--memory", "20k")
    assert errors(model, "-q") == ""
    assert run("ranges", model, "--tokens", tokens).stderr == ""
