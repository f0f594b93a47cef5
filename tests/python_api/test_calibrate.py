"""Statistics that Python makes: the command line's, taken by whatever takes their file."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxquant
import pytest

TOKENS = [list(range(30)), list(range(49, 20, -1))]
OWN: dict[str, Any] = {"sequences": 4, "length": 16}
RULE = "match: {calibrated: true}, method: gptq, optional: true"


def _cli(*arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "onnxquant", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _hashes(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """Return what does not hang on time and place."""
    return {key: value for key, value in result.items() if key not in ("seconds", "output")}


def test_the_file_and_the_summary_are_the_command_lines(layers: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    made = onnxquant.calibrate(layers, ours, gradients=2, seed=3, **OWN)
    said = _cli(
        *("calibrate", layers, "-o", theirs, "--sequences", "4", "--length", "16"),
        *("--gradients", "2", "--seed", "3"),
    )
    assert ours.read_bytes() == theirs.read_bytes()
    assert _told(made.to_dict()) == _told(said)
    assert made["output"] == str(ours)
    assert made["seconds"] > 0


def test_sums_are_read_only_views_of_the_file(layers: Path, tmp_path: Path) -> None:
    made = onnxquant.calibrate(layers, tmp_path / "c.safetensors", gradients=2, **OWN)
    arrays = made.arrays()
    for row in made.values:
        assert arrays[f"count/{row['name']}"] == row["rows"]
        moments = arrays[f"moments/{row['name']}"]
        assert moments.shape == (row["size"], row["size"])
        assert (moments == moments.T).all() and (np.diag(moments) >= 0).all()
        assert not moments.flags.writeable
    outputs = {row["output"] for row in made.gradients}
    kinds = {name.partition("/")[0] for name in arrays}
    assert outputs == {n.partition("/")[2] for n in arrays if n.startswith("squares/")}
    assert kinds >= {"count", "moments", "gradient_count", "gradients", "squares"}


def test_a_calibration_says_what_it_holds(
    layers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = onnxquant.calibrate(layers, "c.safetensors", gradients=2, **OWN)
    monkeypatch.chdir(layers.parent)
    assert made.path == tmp_path / "c.safetensors"
    assert made.bytes == made.path.stat().st_size
    assert made.tokens == 64
    assert made.metadata["tool"] == f"onnxquant {onnxquant.__version__}"
    assert {row["name"]: (row["size"], row["rows"]) for row in made.values} == {
        **{f"s{i}": (64, 64) for i in range(4)},
        **{f"r{i}": (128, 64) for i in range(3)},
    }
    assert {row["output"] for row in made.gradients} >= {"s0", "u0", "d0", "logits"}
    assert made.not_observed == []
    assert list(made.to_pandas()["name"]) == [row["name"] for row in made.values]
    assert "64 tokens" in repr(made)
    page = made._repr_html_()
    assert "<td style='text-align:left'>r2</td>" in page
    (warning,) = made.warnings
    assert "3 of 7 values have fewer rows than elements" in warning
    assert escape(warning) in page
    assert onnxquant.calibrate(layers, "without", **OWN).gradients == []


def test_tokens_come_as_ids_and_as_files(layers: Path, tmp_path: Path) -> None:
    lines = tmp_path / "tokens.jsonl"
    lines.write_text("".join(f"{row}\n" for row in TOKENS))
    onnxquant.calibrate(layers, tmp_path / "ids", TOKENS)
    onnxquant.calibrate(layers, tmp_path / "arrays", [np.array(row) for row in TOKENS])
    made = onnxquant.calibrate(layers, tmp_path / "file", lines)
    assert made.tokens == 59
    assert made.metadata["text"] == "tokens"
    files = [(tmp_path / name).read_bytes() for name in ("ids", "arrays", "file")]
    assert files[0] == files[1] == files[2]
    assert onnxquant.calibrate(layers, tmp_path / "few", TOKENS, count=10).tokens == 10
    with pytest.raises(onnxquant.UsageError, match=r"^tokens: token 2 is 50"):
        onnxquant.calibrate(layers, tmp_path / "none", [1, 50])
    assert not (tmp_path / "none").exists()


def test_conversions_take_a_calibration_as_they_take_its_file(layers: Path, tmp_path: Path) -> None:
    made = onnxquant.calibrate(layers, tmp_path / "c.safetensors", **OWN)
    for name, calibration in (("object", made), ("path", made.path), ("none", None)):
        onnxquant.quantize(
            layers, "q4", rules=RULE, output=tmp_path / name, calibration=calibration
        )
    assert _hashes(tmp_path / "object") == _hashes(tmp_path / "path")
    assert _hashes(tmp_path / "object") != _hashes(tmp_path / "none")
    plan = onnxquant.plan(layers, "q4", rules=RULE, output=tmp_path / "x", calibration=made)
    assert "gptq" in {row["method"] for row in plan.output("q4").tensors}


def test_runs_are_added_up(layers: Path, mlp: Path, tmp_path: Path) -> None:
    first = onnxquant.calibrate(layers, tmp_path / "0", gradients=2, **OWN)
    second = onnxquant.calibrate(layers, tmp_path / "1", gradients=2, seed=1, **OWN)
    both = onnxquant.merge_calibrations([first, second.path], tmp_path / "both")
    said = _cli("calibrate", "--merge", first.path, second.path, "-o", tmp_path / "cli")
    assert both.path.read_bytes() == (tmp_path / "cli").read_bytes()
    assert _told(both.to_dict()) == _told(said)
    assert both.tokens == 128
    assert all(row["rows"] == 128 for row in both.values)
    assert (both.warnings, both.not_observed) == ([], [])
    assert "of 2 files" in repr(both)
    assert "r2" in both._repr_html_()
    onnxquant.quantize(layers, "q4", rules=RULE, output=tmp_path / "out", calibration=both)
    with pytest.raises(onnxquant.UsageError, match="text of seed 0, as a file before it"):
        onnxquant.merge_calibrations([first, first], tmp_path / "x")
    with pytest.raises(onnxquant.UsageError, match=r"different seeds \(seed\)"):
        onnxquant.merge_calibrations([first, first], tmp_path / "x")
    with pytest.raises(onnxquant.UsageError, match="found 1 file of statistics to add up"):
        onnxquant.merge_calibrations([first], tmp_path / "x")
    with pytest.raises(onnxquant.UsageError, match="one file was given"):
        onnxquant.merge_calibrations(first, tmp_path / "x")
    other = onnxquant.calibrate(mlp, tmp_path / "2", sequences=1)
    with pytest.raises(onnxquant.UsageError, match="statistics of different models"):
        onnxquant.merge_calibrations([first, other], tmp_path / "x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(onnxquant.WriteError, match="force=True replaces it"):
        onnxquant.merge_calibrations([first, second], tmp_path / "both")
    onnxquant.merge_calibrations([first, second], tmp_path / "both", force=True)
    with pytest.raises(onnxquant.WriteError):
        onnxquant.merge_calibrations([first, second], first, force=True)


def test_a_model_without_tokens_runs_on_made_up_inputs(mlp: Path, tmp_path: Path) -> None:
    made = onnxquant.calibrate(mlp, tmp_path / "c", sequences=3, dims={"n": 50})
    assert {row["name"]: row["rows"] for row in made.values} == {"x": 150, "r": 150}
    assert made.tokens == 0
    assert "3 runs on made-up inputs" in repr(made)
    assert any("made up" in sentence for sentence in made.warnings)


def test_products_that_are_not_observed_are_named(mlp: Path, tmp_path: Path) -> None:
    model = onnx.load(mlp)
    weight = onnx.numpy_helper.from_array(np.ones((64, 64), np.float32), "inner")
    model.graph.initializer.append(weight)
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["y", "inner"], ["z"], "deep")],
        "body",
        [],
        [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None)],
    )
    model.graph.input.append(onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []))
    model.graph.node.append(
        onnx.helper.make_node("If", ["flag"], ["w"], "if", then_branch=body, else_branch=body)
    )
    model.graph.output[0].name = "w"
    onnx.save(model, tmp_path / "if.onnx")
    made = onnxquant.calibrate(tmp_path / "if.onnx", tmp_path / "c", sequences=1)
    assert made.not_observed
    assert "deep" in made.not_observed[0]["node"]
    assert "not observed" in made._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sequences": 0}, "sequences=0: expected 1 to"),
        ({"sequences": 1 << 40}, "expected 1 to 1048576"),
        ({"length": 0}, "length=0"),
        ({"batch": 0}, "batch=0"),
        ({"batch": 5000}, "expected 1 to 4096"),
        ({"gradients": -1}, "gradients=-1"),
        ({"count": -1}, "count=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"memory": -1}, "memory=-1"),
        ({"memory": 1000}, "; memory allows 1000"),
        ({"dims": {"n": -1}}, r"dims\['n'\]=-1"),
        ({"tokens": "none.npy"}, r"none\.npy"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    layers: Path, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(onnxquant.UsageError, match=words):
        onnxquant.calibrate(layers, tmp_path / "c", **arguments)
    assert not (tmp_path / "c").exists()


def test_models_that_give_no_statistics_are_refused(layers: Path, tmp_path: Path) -> None:
    with pytest.raises(onnxquant.UsageError, match="type ModelProto"):
        onnxquant.calibrate(onnx.load(layers), tmp_path / "c")
    with pytest.raises(onnxquant.ModelError, match="cannot be opened"):
        onnxquant.calibrate(tmp_path / "none.onnx", tmp_path / "c")
    codes = onnxquant.quantize(layers, "q4", output=tmp_path / "q4").paths["q4"]
    with pytest.raises(onnxquant.ModelError, match="holds weights as codes"):
        onnxquant.calibrate(codes, tmp_path / "c")
    model = onnx.load(layers)
    model.graph.node[2].op_type = "Sqrt"  # of sums that are negative, too
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(onnxquant.VerifyError, match=r"holds NaN .*'onnxquant check --run'"):
        onnxquant.calibrate(tmp_path / "nan.onnx", tmp_path / "c", TOKENS)
    assert not (tmp_path / "c").exists()


def test_files_are_not_replaced_unasked_and_inputs_never(layers: Path, tmp_path: Path) -> None:
    made = onnxquant.calibrate(layers, tmp_path / "c", **OWN)
    before = made.path.read_bytes()
    with pytest.raises(onnxquant.WriteError, match="exists already; force=True replaces it"):
        onnxquant.calibrate(layers, made.path, seed=1, **OWN)
    assert made.path.read_bytes() == before
    onnxquant.calibrate(layers, made.path, seed=1, force=True, **OWN)
    assert made.path.read_bytes() != before
    model = layers.read_bytes()
    with pytest.raises(onnxquant.WriteError):
        onnxquant.calibrate(layers, layers, force=True, **OWN)
    assert layers.read_bytes() == model
    with pytest.raises(onnxquant.WriteError, match="/dev/null"):
        onnxquant.calibrate(layers, "/dev/null/c", **OWN)


def test_progress_is_told_to_the_end(layers: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    onnxquant.calibrate(
        layers, tmp_path / "c", **OWN, progress=lambda done, total: calls.append((done, total))
    )
    assert calls[-1] == (128, 128)  # 64 tokens are written, then read: the model has no cache


def test_an_exception_of_progress_stops_the_run_and_leaves_nothing(
    layers: Path, tmp_path: Path
) -> None:
    def refuse(done: int, total: int) -> None:
        raise RuntimeError("enough")

    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError, match="enough"):
        onnxquant.calibrate(
            layers, tmp_path / "out" / "c", sequences=100_000, batch=1, progress=refuse
        )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_run_and_leaves_nothing(
    layers: Path, tmp_path: Path, interrupt: Callable[[], None]
) -> None:
    (tmp_path / "out").mkdir()
    threading.Timer(0.5, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        onnxquant.calibrate(layers, tmp_path / "out" / "c", sequences=100_000, batch=1)
    assert os.listdir(tmp_path / "out") == []
