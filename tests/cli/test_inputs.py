"""Real inputs: arrays of files reach every command that runs models, and every fault is told."""

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import FP16, policy, run, save, small_model
from safetensors.numpy import load_file

WIDTH = 8


def _array(seed: int, *shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def encoder(fill: float = -3.4e38) -> onnx.ModelProto:
    """Return attention of one head over input_ids under attention_mask, filled with `fill`."""
    ids, ones = ["batch", "length"], numpy_helper.from_array(np.array(1, np.float32), "one")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("Transpose", ["x"], ["xt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "xt"], ["scores"], "scores"),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "kept"], ["padded"]),
        helper.make_node("Mul", ["padded", "fill"], ["bias"]),
        helper.make_node("Unsqueeze", ["bias", "axis"], ["row"]),
        helper.make_node("Add", ["scores", "row"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "x"], ["mixed"], "mix"),
        helper.make_node("MatMul", ["mixed", "w"], ["last_hidden_state"], "out"),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ids),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ids),
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*ids, WIDTH])],
        [
            numpy_helper.from_array(_array(1, 1000, WIDTH), "table"),
            numpy_helper.from_array(_array(2, WIDTH, WIDTH), "w"),
            numpy_helper.from_array(np.array(fill, np.float32), "fill"),
            numpy_helper.from_array(np.array([1]), "axis"),
            ones,
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _pair(folder: Path, first: onnx.ModelProto, second: onnx.ModelProto) -> tuple[Path, Path]:
    paths = folder / "ref.onnx", folder / "cand.onnx"
    for path, model in zip(paths, (first, second), strict=True):
        onnx.save(model, path)
    return paths


def _json(done: subprocess.CompletedProcess[str], status: int = 0) -> dict[str, Any]:
    assert done.returncode == status, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _fp16(folder: Path, model: onnx.ModelProto) -> tuple[Path, Path]:
    path = save(model, folder)
    rule = policy(folder, FP16.replace("io: float32", "io: float16"))
    done = run("--policy", rule, "-o", folder / "out", path)
    assert done.returncode == 0, done.stderr
    return path, folder / "out" / "model_fp16.onnx"


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_verify_runs_on_the_given_arrays(tmp_path: Path, write: Any) -> None:
    """The error is the one that ONNX Runtime's Python interface gives on the same arrays."""
    import onnxruntime as ort

    half = onnx.load(save(small_model(), tmp_path))
    numbers = numpy_helper.to_array(half.graph.initializer[2])
    half.graph.initializer[2].CopyFrom(numpy_helper.from_array(numbers + 0.25, "bias"))
    paths = _pair(tmp_path, small_model(), half)
    write(tmp_path / "x.npz", x=_array(3, 5, 96) * 1000)
    done = _json(run("verify", *paths, "--inputs", tmp_path / "x.npz", "--json"))
    output = done["results"][0]["outputs"][0]
    outs = [
        ort.InferenceSession(path).run(None, {"x": _array(3, 5, 96) * 1000})[0] for path in paths
    ]
    assert output["elements"] == 5 * 48
    assert output["max_error"] == pytest.approx(np.abs(outs[0] - outs[1]).max(), rel=1e-3)
    assert done["runs"] == 1
    assert done["notes"] == []


def test_each_file_is_a_run_and_a_folder_holds_several(tmp_path: Path) -> None:
    paths = _pair(tmp_path, small_model(), small_model())
    folder = tmp_path / "calibration"
    folder.mkdir()
    for i in range(3):
        np.save(folder / f"{i}.npy", _array(i, i + 1, 96))
    np.savez(tmp_path / "more.npz", x=_array(9, 4, 96).astype(np.float64))
    given = ("--inputs", folder, "--inputs", tmp_path / "more.npz")
    done = _json(run("verify", *paths, *given, "--json"))
    assert done["runs"] == 4
    assert done["results"][0]["outputs"][0]["elements"] == (1 + 2 + 3 + 4) * 48
    ranges = _json(run("ranges", paths[0], *given, "--json"))
    assert ranges["runs"] == 4
    assert ranges["tokens"] == 0
    w1 = numpy_helper.to_array(small_model().graph.initializer[0])
    all_of_them = np.concatenate([_array(i, i + 1, 96) for i in range(3)] + [_array(9, 4, 96)])
    assert ranges["values"]["a"]["peak"] == pytest.approx(np.abs(all_of_them @ w1).max(), rel=1e-5)
    assert "in 4 runs" in run("ranges", paths[0], *given).stdout


def test_a_candidate_that_takes_halves_gets_the_rounded_arrays(tmp_path: Path) -> None:
    path, half = _fp16(tmp_path, small_model())
    np.save(tmp_path / "x.npy", _array(3, 5, 96))
    done = _json(run("verify", path, half, "--inputs", tmp_path / "x.npy", "--json"))
    assert 0 < done["results"][0]["outputs"][0]["max_error"] < 0.01


def test_calibrate_sums_what_the_arrays_came_to(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    for i in range(2):
        np.savez(tmp_path / f"{i}.npz", x=_array(i, 200, 96))
    given = ("--inputs", tmp_path / "0.npz", "--inputs", tmp_path / "1.npz")
    out = tmp_path / "c.safetensors"
    made = _json(run("calibrate", path, *given, "-o", out, "--json"))
    assert made["metadata"]["text"] == "inputs"
    assert made["metadata"]["sequences"] == "2"
    assert made["warnings"] == []
    x = np.concatenate([_array(i, 200, 96) for i in range(2)]).astype(np.float64)
    sums = load_file(out)["moments/x"]
    np.testing.assert_allclose(sums, x.T @ x, rtol=1e-4, atol=1e-2)
    again = run("calibrate", path, *given, "-o", out)
    assert again.returncode == 4
    done = run("calibrate", path, *given, "-o", out, "--force")
    assert "statistics of 2 values from 2 runs" in done.stdout
    kept = run("calibrate", path, *given, "-o", tmp_path / "0.npz", "--force")
    assert kept.returncode == 4, "inputs were replaced"
    backwards = run("calibrate", path, *given, "-o", out, "--force", "--gradients", "1")
    assert backwards.returncode == 1
    assert "--gradients reads texts backwards" in backwards.stderr


def test_rows_of_padding_do_not_enter_the_statistics(tmp_path: Path) -> None:
    onnx.save(encoder(), tmp_path / "model.onnx")
    ids = np.random.default_rng(0).integers(1, 1000, (2, 6))
    mask = np.ones_like(ids)
    sums = []
    for i, tokens in enumerate(([0, 0], [7, 9])):  # what stands where the mask is 0
        mask[0, 4:], ids[0, 4:] = 0, tokens
        np.savez(tmp_path / f"{i}.npz", input_ids=ids, attention_mask=mask)
        out = tmp_path / f"{i}.safetensors"
        done = run(
            "calibrate", tmp_path / "model.onnx", "--inputs", tmp_path / f"{i}.npz", "-o", out
        )
        assert done.returncode == 0, done.stderr
        sums.append(load_file(out)["moments/mixed"])
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-5)
    assert load_file(tmp_path / "0.safetensors")["count/mixed"] == 10


def test_what_is_not_given_is_made_up_and_said(tmp_path: Path) -> None:
    paths = _pair(tmp_path, encoder(), encoder())
    np.save(tmp_path / "ids.npy", np.array([[5, 6, 7]]))
    done = run("verify", *paths, "--inputs", tmp_path / "ids.npy", "--json")
    assert "gives no attention_mask: made up" in done.stderr
    assert _json(done)["notes"] != []
    assert run("verify", *paths, "--inputs", tmp_path / "ids.npy", "-q").stderr == ""


def test_an_encoder_gets_padded_rows_by_default(tmp_path: Path) -> None:
    """A fill of -Inf times a kept mask of 0 is NaN: seen on padded rows, and without."""
    paths = _pair(tmp_path, encoder(), encoder(fill=-5.0))
    done = _json(run("verify", *paths, "--json"))
    assert done["runs"] == 2
    assert done["results"][0]["outputs"][0]["max_error"] > 0.001, "masks showed nothing"
    assert "compared on a few made-up ones" in done["notes"][0]
    tokens = tmp_path / "t.txt"
    tokens.write_text("1 2 3 4 5 6 7 8 9 10 11 12")
    assert _json(run("verify", *paths, "-t", tokens, "--json"))["runs"] == 2


def test_what_stands_in_padding_is_nobodys_fault(tmp_path: Path) -> None:
    """Ids differ where the mask is 0, and so does the output there alone."""
    model = encoder()
    model.graph.node[0].input[1] = "seen"
    model.graph.node.insert(0, helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]))
    paths = _pair(tmp_path, encoder(), model)
    done = _json(run("verify", *paths, "--json"))
    assert done["results"][0]["outputs"][0]["max_error"] < 1e-5


def test_nan_in_padding_is_a_fault_where_the_reference_has_none(tmp_path: Path) -> None:
    model = encoder()
    model.graph.node[-1].output[0] = "finite"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "last"))
    model.graph.node.extend(
        [
            helper.make_node("Div", ["kept", "kept"], ["nan"]),
            helper.make_node("Unsqueeze", ["nan", "last"], ["nans"]),
            helper.make_node("Mul", ["finite", "nans"], ["last_hidden_state"]),
        ]
    )
    paths = _pair(tmp_path, encoder(), model)
    done = run("verify", *paths, "--json")
    output = _json(done, status=5)["results"][0]["outputs"][0]
    assert output["nan"] > 0
    assert output["max_error"] == 0
    assert run("verify", paths[1], paths[1]).returncode == 0, "the reference has the same"
    assert run("check", paths[1], "--run").returncode == 0, "padding is nobody's to read"


def test_a_model_that_runs_on_one_row_only_is_measured_on_that(tmp_path: Path) -> None:
    model = encoder()
    model.graph.node[1].input[0] = "one_row"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1, WIDTH]), "shape"))
    model.graph.node.insert(1, helper.make_node("Reshape", ["x", "shape"], ["one_row"]))
    paths = _pair(tmp_path, model, model)
    done = run("verify", *paths, "--json")
    result = _json(done)
    assert result["runs"] == 1
    assert "does not run on padded rows" in done.stderr
    assert run("check", paths[0], "--run").returncode == 0


def _bad(folder: Path) -> dict[str, tuple[str, str]]:
    """Return files by what is wrong with them, and what must be said."""
    x = _array(0, 2, 96)
    np.savez(folder / "name.npz", xx=x)
    np.savez(folder / "positional.npz", x)
    np.savez(folder / "rank.npz", x=x[0])
    np.savez(folder / "size.npz", x=x[:, :95])
    np.savez(folder / "type.npz", x=x.astype(np.int64))
    np.savez(folder / "objects.npz", x=np.array([{}], object))
    np.savez(folder / "text.npz", x=np.array(["a"]))
    np.savez(folder / "none.npz")
    whole = folder / "whole.npz"
    np.savez_compressed(whole, x=x)
    (folder / "cut.npz").write_bytes(whole.read_bytes()[:-10])
    flipped = bytearray(whole.read_bytes())
    flipped[200] ^= 255
    (folder / "flipped.npz").write_bytes(bytes(flipped))
    (folder / "text.txt").write_text("1 2 3")
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * (1 << 20))
    with zipfile.ZipFile(folder / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", b"\0" * 100)
    return {
        "name.npz": ("holds an array 'xx', and ", "did you mean 'x'?"),
        "positional.npz": ("holds an array 'arr_0'", "its inputs are x"),
        "rank.npz": ("is float32[n, 96]; found float32[96]", ""),
        "size.npz": ("is float32[n, 96]; found float32[2, 95]", ""),
        "type.npz": ("found int64[2, 96]; give it as numpy's float32", ""),
        "objects.npz": ("array 'x': holds Python objects", "can run a program"),
        "text.npz": ("array 'x': holds text", ""),
        "none.npz": ("holds no arrays", ""),
        "cut.npz": ("is no zip archive, or one that is cut off", ""),
        "flipped.npz": ("is damaged", ""),
        "text.txt": ("is no file of NumPy's", "numpy.savez"),
        "bomb.npz": ("array 'x': is no NumPy file", ""),
        "lzma.npz": ("is packed by method 14", "numpy.savez_compressed"),
        "missing.npz": ("missing.npz", ""),
    }


def test_every_fault_of_a_file_is_told(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    for name, sentences in _bad(tmp_path).items():
        done = run("ranges", path, "--inputs", tmp_path / name)
        assert done.returncode == 1, (name, done.stderr)
        assert name in done.stderr
        for sentence in sentences:
            assert sentence in done.stderr, (name, done.stderr)


def test_arrays_in_other_orders_are_read_as_they_are(tmp_path: Path) -> None:
    paths = _pair(tmp_path, small_model(), small_model())
    x = _array(0, 4, 96)
    peaks = []
    for i, array in enumerate((x, np.asfortranarray(x), x.astype(">f4"), x.astype(">f8"))):
        np.savez_compressed(tmp_path / f"{i}.npz", x=array)
        done = _json(run("ranges", paths[0], "--inputs", tmp_path / f"{i}.npz", "--json"))
        peaks.append(done["values"]["a"]["peak"])
    assert peaks == [peaks[0]] * 4


def test_tokens_and_inputs_exclude_each_other(tmp_path: Path) -> None:
    onnx.save(encoder(), tmp_path / "model.onnx")
    np.save(tmp_path / "ids.npy", np.array([[5, 6, 7]]))
    ids = tmp_path / "ids.npy"
    for command in (("ranges",), ("verify", tmp_path / "model.onnx")):
        done = run(*command, tmp_path / "model.onnx", "--inputs", ids, "--tokens", ids)
        assert done.returncode == 1
        assert "not on both" in done.stderr


def test_inputs_come_through_a_pipe(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    np.save(tmp_path / "x.npy", _array(0, 4, 96))
    with (tmp_path / "x.npy").open("rb") as file:
        done = run("ranges", path, "--inputs", "/dev/stdin", "--json", stdin=file)
    assert _json(done)["runs"] == 1
