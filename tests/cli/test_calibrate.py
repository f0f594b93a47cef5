"""Statistics of what products read: numpy finds the same, and every fault is told."""

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import BINARY, THREE, listing, policy, run, save, small_model
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

TOKENS = [np.random.default_rng(5).integers(0, 50, length) for length in (90, 100, 1)]
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of three sequences of token ids."""
    path = tmp_path_factory.mktemp("calibrate") / "tokens.jsonl"
    path.write_text("".join(json.dumps(sequence.tolist()) + "\n" for sequence in TOKENS))
    return path


@pytest.fixture(scope="module")
def model(exported: Path) -> Path:
    """Return a small Gemma."""
    return exported / "onnx" / "model.onnx"


def _calibrate(out: Path, *arguments: str | Path) -> dict[str, Any]:
    done = run("calibrate", "--json", "-o", out, *arguments)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _inputs_of_products(model: onnx.ModelProto) -> list[str]:
    """Return what MatMuls with constant matrices read, each once."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:  # a tied head reads the embedding through a Transpose
        if node.op_type == "Transpose" and node.input[0] in constants:
            constants.add(node.output[0])
    products = (n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in constants)
    return list(dict.fromkeys(node.input[0] for node in products))


def _moments(path: Path, sequences: list[npt.NDArray[np.int64]]) -> dict[str, Floats]:
    """Return the sums of x xᵀ that ONNX Runtime's Python interface and numpy give, in double."""
    model = onnx.load(path)
    names = _inputs_of_products(model)
    for name in names:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    sums: dict[str, Any] = dict.fromkeys(names, 0.0)
    for sequence in sequences:
        count = len(sequence)
        feeds: dict[str, Any] = {
            "input_ids": sequence[None].astype(np.int64),
            "attention_mask": np.ones((1, count), np.int64),
            "position_ids": np.arange(count, dtype=np.int64)[None],
        }
        for value in session.get_inputs():
            if value.name.startswith("past_key_values"):
                feeds[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
        given = session.run(names, {i.name: feeds[i.name] for i in session.get_inputs()})
        for name, value in zip(names, given, strict=True):
            rows = value.reshape(-1, value.shape[-1]).astype(np.float64)
            sums[name] = sums[name] + rows.T @ rows
    return sums


def _assert_equal(found: dict[str, Floats], expected: dict[str, Floats]) -> None:
    assert {name for name in found if name.startswith("moments/")} == {
        f"moments/{name}" for name in expected
    }
    for name, sums in expected.items():
        scale = np.sqrt(np.outer(np.diag(sums), np.diag(sums))) + 1e-12
        error = np.abs(found[f"moments/{name}"] - sums) / scale
        assert error.max() < 2e-5, name


def test_the_sums_equal_numpys(model: Path, tokens: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.safetensors"
    summary = _calibrate(out, model, "--tokens", tokens)
    found = load_file(out)
    _assert_equal(found, _moments(model, TOKENS))
    rows = sum(map(len, TOKENS))
    assert all(int(value) == rows for name, value in found.items() if name.startswith("count/"))
    with safe_open(out, "np") as file:
        metadata = file.metadata()
    assert metadata == summary["metadata"] | {
        "format": "onnxquant.calibration",
        "version": "1",
    }
    assert metadata["tokens"] == str(rows)
    assert metadata["text"] == "tokens"
    assert summary["bytes"] == out.stat().st_size
    assert [v["name"] for v in summary["values"]] == _inputs_of_products(onnx.load(model))
    assert {v["layer"] for v in summary["values"]} >= {0, 1, 2}
    assert summary["not_observed"] == []


def test_passes_steps_and_batches_leave_the_sums_as_they_are(
    model: Path, tokens: Path, tmp_path: Path
) -> None:
    once = _calibrate(tmp_path / "once", model, "--tokens", tokens)
    passes = _calibrate(tmp_path / "passes", model, "--tokens", tokens, "--memory", "3M")
    assert (once["passes"], passes["passes"] > 1) == (1, True)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "passes").read_bytes()


def test_the_models_own_text_hangs_on_the_seed_and_not_on_the_batch(
    model: Path, tmp_path: Path
) -> None:
    def own(name: str, *arguments: str) -> dict[str, Any]:
        text = ("--sequences", "5", "--length", "20", *arguments)
        return _calibrate(tmp_path / name, model, *text)

    first = own("first")
    own("same")
    own("one", "--batch", "1")
    own("passes", "--memory", "3M")
    own("other", "--seed", "1")
    found = {name: load_file(tmp_path / name) for name in ("first", "one", "passes", "other")}
    assert (tmp_path / "first").read_bytes() == (tmp_path / "same").read_bytes()
    assert first["metadata"]["tokens"] == "100"
    assert first["metadata"]["seed"] == "0"
    for name, sums in found["first"].items():
        if name.startswith("count/"):
            assert int(sums) == 100
            continue
        scale = np.abs(sums).max()
        assert np.abs(found["one"][name] - sums).max() < 1e-4 * scale, name
        assert np.abs(found["passes"][name] - sums).max() < 1e-4 * scale, name
        assert np.abs(found["other"][name] - sums).max() > 1e-3 * scale, name


def test_texts_end_where_the_models_positions_do(model: Path, tmp_path: Path) -> None:
    """Its tables of rotary embeddings have 128 rows."""
    made = _calibrate(tmp_path / "c", model, "--sequences", "2", "--length", "500")
    assert made["metadata"]["tokens"] == "256"


def test_files_of_two_texts_are_added(model: Path, tokens: Path, tmp_path: Path) -> None:
    parts = []
    for i, sequence in enumerate(TOKENS[:2]):
        path = tmp_path / f"{i}.txt"
        path.write_text(" ".join(map(str, sequence)))
        parts.append(tmp_path / f"{i}.safetensors")
        _calibrate(parts[-1], model, "--tokens", path)
    merged = tmp_path / "merged.safetensors"
    done = run("calibrate", "--merge", *parts, "-o", merged, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metadata"]["tokens"] == "190"
    both = [load_file(part) for part in parts]
    for name, value in load_file(merged).items():
        assert np.array_equal(value, both[0][name] + both[1][name]), name
    own = tmp_path / "own"
    text = ("--sequences", "2", "--length", "8")
    _calibrate(own, model, *text)
    twice = run("calibrate", "--merge", own, own, "-o", tmp_path / "twice")
    assert twice.returncode == 1
    assert "the text of seed 0, as a file before it does" in twice.stderr
    assert not (tmp_path / "twice").exists()


def test_files_of_two_models_are_not_added(tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        model = save(small_model(seed=seed), tmp_path / str(seed))
        paths.append(tmp_path / f"{seed}.safetensors")
        _calibrate(paths[-1], model, "--sequences", "2")
    done = run("calibrate", "--merge", *paths, "-o", tmp_path / "merged")
    assert done.returncode == 1
    assert (
        f"{paths[0]} and {paths[1]}: statistics of different models (fingerprints " in done.stderr
    )
    assert not (tmp_path / "merged").exists()


def test_a_model_without_tokens_runs_on_made_up_inputs_and_the_user_is_told(
    tmp_path: Path,
) -> None:
    path = save(small_model(), tmp_path)
    done = run("calibrate", path, "--dim", "n=40", "--sequences", "3", "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert "takes no tokens: what it read was made up" in done.stderr
    assert "warning: 1 of 2 values have fewer rows" not in done.stderr
    found = load_file(tmp_path / "c")
    assert sorted(found) == ["count/b", "count/x", "moments/b", "moments/x"]
    assert int(found["count/x"]) == 120
    # Of independent numbers of variance 1.
    assert np.abs(np.diag(found["moments/x"]).mean() - 120) < 10
    few = run("calibrate", path, "--dim", "n=40", "--sequences", "2", "-o", tmp_path / "few")
    assert "2 of 2 values have fewer rows than elements ('x': 80 rows of 96)" in few.stderr


def test_statistics_of_codes_are_refused(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    assert run("--policy", policy(tmp_path, THREE), "-d", "q4", path).returncode == 0
    done = run("calibrate", tmp_path / "model_q4.onnx", "-o", tmp_path / "c")
    assert done.returncode == 2
    assert "holds weights as codes" in done.stderr
    assert "calibrate the float32 model that this one was made from" in done.stderr
    assert not (tmp_path / "c").exists()


def test_products_in_bodies_are_named(tmp_path: Path) -> None:
    model = small_model()
    weight = numpy_helper.from_array(np.ones((48, 48), np.float32), "inner")
    model.graph.initializer.append(weight)
    nodes = {
        "t": helper.make_node("MatMul", ["s", "inner"], ["t"], "deep"),
        "e": helper.make_node("Neg", ["s"], ["e"]),
    }
    bodies = [
        helper.make_graph(
            [node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)]
        )
        for name, node in nodes.items()
    ]
    model.graph.node[-1].output[0] = "s"
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    model.graph.node.append(
        helper.make_node("If", ["flag"], ["y"], "if", then_branch=bodies[0], else_branch=bodies[1])
    )
    done = run("calibrate", save(model, tmp_path), "-o", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    expected = "not observed: node 'deep' (MatMul): it stands in a body of node 'if' (If)"
    assert expected in done.stderr


def test_values_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    model = small_model()
    model.graph.node[1].op_type = "Sqrt"
    before = listing(tmp_path)
    done = run("calibrate", save(model, tmp_path), "-o", tmp_path / "c")
    assert done.returncode == 5
    assert "value 'b' holds NaN or infinity in its row 1" in done.stderr
    assert set(listing(tmp_path)) - set(before) == {"model.onnx"}


def test_the_file_is_not_overwritten(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    out = tmp_path / "c"
    arguments = ("calibrate", path, "--sequences", "1", "-o", out)
    assert run(*arguments).returncode == 0
    before = out.read_bytes()
    again = run(*arguments, "--seed", "1")
    assert again.returncode == 4
    assert str(out) in again.stderr
    assert out.read_bytes() == before
    assert run(*arguments, "--seed", "1", "--force").returncode == 0
    assert out.read_bytes() != before
    model = path.read_bytes()
    assert run("calibrate", path, "-o", path, "--force").returncode == 4
    assert path.read_bytes() == model
    merged = run("calibrate", "--merge", out, out, "-o", out, "--force")
    assert merged.returncode == 4, merged.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("none.onnx", "-o", "c"), 2, "none.onnx: cannot be opened"),
        (("tokens", "-o", "c"), 2, "not a valid ONNX file"),
        (("model",), 1, "--output is required"),
        (("-o", "c"), 1, "MODEL, or --merge, is required"),
        (("--merge", "a", "-o", "c"), 1, "--merge"),
        (("model", "--merge", "a", "b", "-o", "c"), 1, "--merge"),
        (("--merge", "model", "model", "-o", "c"), 1, "its header has"),
        (
            ("model", "-o", "c", "--tokens", "none.npy"),
            1,
            "none.npy: the file of token ids",
        ),
        (
            ("model", "-o", "c", "--tokens", "tokens", "--onnxruntime", "none.so"),
            1,
            "none.so",
        ),
        (("model", "-o", "/dev/null/c"), 4, "/dev/null"),
        (
            ("model", "-o", "c", "--memory", "1k"),
            1,
            "--memory allows 1000: give it at least",
        ),
        (("model", "-o", "c", "--sequences", "0"), 1, "--sequences"),
        (("model", "-o", "c", "--length", "0"), 1, "--length"),
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
    done = run("calibrate", *(places.get(a, a) for a in arguments), cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_tokens_out_of_range_are_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("1 2 3 262144")
    done = run("calibrate", model, "--tokens", tmp_path / "tokens.txt", "-o", tmp_path / "c")
    assert done.returncode == 1
    assert "tokens.txt: token 4 is 262144; the model's vocabulary is 0 to" in done.stderr


def test_a_full_disk_is_found_before_the_model_runs(model: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    start = time.monotonic()
    done = run(
        "calibrate",
        model,
        "-o",
        tmp_path / "c",
        "--sequences",
        "100000",
        preexec_fn=limit,
    )
    assert done.returncode == 4, done.stderr
    assert "c" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 60  # of hours


def test_an_interrupted_run_leaves_nothing(model: Path, tmp_path: Path) -> None:
    command = [str(BINARY), "calibrate", str(model), "-o", str(tmp_path / "c")]
    process = subprocess.Popen(
        [*command, "--sequences", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Until the runtime has been loaded, and some steps have run.
    deadline = time.monotonic() + 60
    while "onnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_hostile_file_is_refused(tmp_path: Path) -> None:
    good = tmp_path / "good"
    _calibrate(good, save(small_model(), tmp_path), "--sequences", "1")
    data = good.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = load_file(good)
    with safe_open(good, "np") as file:
        metadata = file.metadata()
    nan = {name: value.copy() for name, value in tensors.items()}
    nan["moments/b"][3, 3] = np.nan
    save_file(nan, tmp_path / "nan", metadata)
    files = {
        "cut": (data[:-1], "of the data, which has"),
        "longer": (data + b"x", "has 1 bytes behind its last tensor"),
        "huge": (
            struct.pack("<Q", 100_000_000) + data[8:],
            "at most 16777216 are read",
        ),
        "text": (b"not a file of statistics at all", "at most 16777216 are read"),
        "deep": (struct.pack("<Q", 2000) + b"[" * 2000, "levels deep"),
        "json": (data[:8] + b"{" * length + data[8 + length :], "is not valid JSON"),
        "nan": ((tmp_path / "nan").read_bytes(), "'moments/b' has nan at [3, 3]"),
    }
    for name, (content, expected) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        done = run("calibrate", "--merge", path, good, "-o", tmp_path / "merged")
        assert done.returncode == 1, (name, done.stderr)
        assert f"{path}" in done.stderr and expected in done.stderr, (name, done.stderr)
        assert not (tmp_path / "merged").exists()


def test_files_that_python_writes_are_read(tmp_path: Path) -> None:
    good = tmp_path / "good"
    _calibrate(good, save(small_model(), tmp_path), "--sequences", "1")
    with safe_open(good, "np") as file:
        metadata = file.metadata() | {"text": "tokens"}
    copy = tmp_path / "copy"
    save_file(load_file(good), copy, metadata)
    done = run("calibrate", "--merge", copy, good, "-o", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    once = load_file(good)
    assert all(np.array_equal(v, 2 * once[k]) for k, v in load_file(tmp_path / "merged").items())


def test_the_start_token_is_that_of_the_configuration(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "model")
    model = tmp_path / "model" / "onnx" / "model.onnx"
    found = []
    for start in (3, 4):
        config = tmp_path / "model" / "generation_config.json"
        config.write_text(json.dumps({"bos_token_id": start}))
        out = tmp_path / f"{start}"
        _calibrate(out, model, "--sequences", "1", "--length", "1")
        found.append(load_file(out))
        _assert_equal(found[-1], _moments(model, [np.array([start])]))
    assert os.path.getsize(tmp_path / "3") == os.path.getsize(tmp_path / "4")


def test_an_interrupted_run_goes_on_and_gives_the_same_file(model: Path, tmp_path: Path) -> None:
    text = ("--sequences", "40", "--length", "200", "--batch", "2", "--keep-every", "0")
    whole = tmp_path / "whole"
    _calibrate(whole, model, *text)
    out = tmp_path / "c"
    kept = tmp_path / "c.unfinished"
    process = subprocess.Popen(
        [BINARY, "calibrate", model, "-o", out, *text],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not kept.exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert kept.exists()
    assert not out.exists()
    done = run("calibrate", model, "-o", out, *text)
    assert done.returncode == 0, done.stderr
    assert f"going on from {kept}" in done.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert not kept.exists()


def test_a_conversion_makes_statistics_on_the_way(
    model: Path, tokens: Path, tmp_path: Path
) -> None:
    statistics = tmp_path / "c.safetensors"
    _calibrate(statistics, model, "--tokens", tokens)
    common = ("--policy", "gemma-q4", "--dtype", "q4", model)
    kept = run(*common, "-o", tmp_path / "kept", "--calibration", statistics)
    assert kept.returncode == 0, kept.stderr
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(
        [BINARY, *common, "-o", tmp_path / "own", "--calibrate", tokens],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "'onnxquant calibrate' keeps them" in done.stderr
    assert list(scratch.glob("onnxquant*")) == []
    for name in ("model_q4.onnx", "model_q4.onnx_data"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()


def test_statistics_for_nothing_are_told_of(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    done = run("--policy", "fp16", "--calibrate", "self", "-o", tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    assert "nothing that policy fp16 writes is chosen by statistics" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("--calibrate", "self", "--calibration", "c"), 1, "--calibrat"),
        (("--calibrate", "self", "--dry-run"), 1, "--calibrate"),
        (("--calibrate", "none.npy"), 1, "none.npy: the file of token ids"),
    ],
)
def test_what_cannot_be_calibrated_on_the_way_is_told(
    model: Path, arguments: tuple[str, ...], status: int, expected: str, tmp_path: Path
) -> None:
    done = run("--policy", "gemma-q4", *arguments, "-o", tmp_path / "out", model)
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert not (tmp_path / "out").exists()
