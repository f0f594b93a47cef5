"""Candidates against a reference: the figures are numpy's own, and every fault is told clearly."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxquant_tools.compare_logits import compare
from program import policy, run, save, small_model

TOKENS = np.random.default_rng(5).integers(0, 50, 120)
INFINITE_GAIN = "model.layers.2.post_feedforward_layernorm.weight"


@pytest.fixture(scope="module")
def converted(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a small Gemma ("ref"), its conversions by dtype, and a file of tokens ("tokens")."""
    folder = tmp_path_factory.mktemp("verify")
    reference = exported / "onnx" / "model.onnx"
    done = run("--policy", "gemma-safe", "-o", folder, "--no-config", reference)
    assert done.returncode == 0, done.stderr
    np.save(folder / "tokens.npy", TOKENS.astype(np.int32))
    files = {d: folder / f"model_{d}.onnx" for d in ("fp16", "q4", "q4f16")}
    return {"ref": reference, "tokens": folder / "tokens.npy", **files}


def _verify(files: dict[str, Path], *names: str, **expected: int) -> dict[str, Any]:
    """Return what --json prints."""
    candidates = [files[n] for n in names]
    done = run("verify", files["ref"], *candidates, "--tokens", files["tokens"], "--json")
    assert done.returncode == expected.get("status", 0), done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_figures_equal_numpys(converted: dict[str, Path]) -> None:
    """An implementation of its own, on ONNX Runtime's Python interface, in other chunks."""
    results = _verify(converted, "fp16", "q4", "q4f16")["results"]
    ours = [result["language"] for result in results]
    paths = [converted[name] for name in ("fp16", "q4", "q4f16")]
    theirs = compare(converted["ref"], paths, TOKENS.tolist(), chunk=64)
    for figures, comparison in zip(ours, theirs, strict=True):
        expected = comparison.summary()
        assert figures["positions"] == expected["positions"] == len(TOKENS)
        for name in ("kl_mean", "kl_median", "kl_p99", "kl_max", "top1"):
            assert figures[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-13), name
        assert figures["perplexity"]["value"] == pytest.approx(expected["ppl"], rel=1e-6)
        p999 = np.quantile(comparison.kl, 0.999)
        assert figures["kl_p99_9"] == pytest.approx(p999, rel=1e-6, abs=1e-13)
        loss = np.array(comparison.loss)
        half = 1.959964 * loss.std(ddof=1) / np.sqrt(len(loss))
        assert figures["perplexity"]["low"] == pytest.approx(np.exp(loss.mean() - half), rel=1e-6)
    assert ours[0]["kl_mean"] < ours[1]["kl_mean"]
    assert results[0]["greedy"]["steps"] == 16
    assert 0 < results[0]["greedy"]["seconds_per_token"] < 1


def test_a_table_shows_candidates_by_providers_with_ticks(converted: dict[str, Path]) -> None:
    arguments = [converted[n] for n in ("ref", "fp16", "q4")]
    done = run("verify", *arguments, "--tokens", converted["tokens"], "--max-kl", "1e-3")
    assert done.returncode == 5
    lines = done.stdout.splitlines()
    assert any("model_fp16.onnx" in line and "✓" in line for line in lines)
    assert any("model_q4.onnx" in line and "✗" in line for line in lines)
    assert "verification failed" in done.stderr
    assert "model_q4.onnx on cpu: mean KL" in done.stderr
    assert "model_fp16" not in done.stderr


def test_thresholds_set_the_exit_status(converted: dict[str, Path]) -> None:
    arguments = ("verify", converted["ref"], converted["q4"], "--tokens", converted["tokens"])
    assert run(*arguments).returncode == 0
    assert run(*arguments, "--max-kl", "100", "--min-top1", "0.01").returncode == 0
    assert run(*arguments, "--max-kl", "1e-9").returncode == 5
    assert run(*arguments, "--min-top1", "1").returncode == 5
    assert run(*arguments, "--min-top1", "2").returncode == 1


def test_the_model_writes_its_own_text_the_same_for_one_seed(converted: dict[str, Path]) -> None:
    arguments = ("verify", converted["ref"], converted["fp16"], "--tokens", "self", "--json")
    first, same, other = (
        json.loads(run(*arguments, "--count", "20", "--seed", seed).stdout) for seed in "112"
    )
    for measured in (first, same, other):
        del measured["results"][0]["greedy"]["seconds_per_token"]  # no two runs share it
    assert first["tokens"] == 20
    assert first == same != other


def test_the_report_is_a_file_that_is_not_overwritten(
    converted: dict[str, Path], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    arguments = ("verify", converted["ref"], converted["fp16"], "--tokens", converted["tokens"])
    printed = run(*arguments, "--report", report, "--json").stdout
    assert report.read_text() == printed
    again = run(*arguments, "--report", report)
    assert again.returncode == 4
    assert "report.json" in again.stderr
    assert run(*arguments, "--report", report, "--force").returncode == 0
    assert run(*arguments, "--report", converted["ref"], "--force").returncode == 4


def test_other_models_are_compared_by_output(tmp_path: Path) -> None:
    reference = save(small_model(), tmp_path)
    done = run("--policy", "fp16", "-o", tmp_path / "out", reference)
    assert done.returncode == 0, done.stderr
    candidate = tmp_path / "out" / "model_fp16.onnx"
    done = run("verify", reference, candidate, "--dim", "n=5", "--json")
    assert done.returncode == 0, done.stderr
    (output,) = json.loads(done.stdout)["results"][0]["outputs"]
    assert output["name"] == "y"
    assert output["elements"] == 5 * 48
    assert 0 < output["mean_error"] < output["max_error"] < 0.01
    assert 0.9999 < output["cosine"] < 1
    assert run("verify", reference, candidate, "--max-error", "1e-9").returncode == 5
    assert "y" in run("verify", reference, candidate).stdout


def _with_nan(path: Path, folder: Path) -> Path:
    """Write a copy of the model with an infinite gain in layer 2's last norm."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == INFINITE_GAIN:
            values = numpy_helper.to_array(tensor).copy()
            values[3] = np.inf
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            break
    else:
        raise AssertionError("the model has no such norm")
    onnx.save(model, folder / "bad.onnx")
    return folder / "bad.onnx"


def test_a_candidate_with_nan_fails(converted: dict[str, Path], tmp_path: Path) -> None:
    bad = _with_nan(converted["ref"], tmp_path)
    result = _verify({**converted, "bad": bad}, "fp16", "bad", status=5)
    good, failed = result["results"]
    assert good["passed"] and not failed["passed"]
    assert failed["language"]["bad_positions"] == len(TOKENS)
    assert failed["language"]["nan"] + failed["language"]["inf"] > 0
    assert failed["failures"] == ["NaN or Inf"]
    alone = _verify({**converted, "bad": bad}, "bad", status=5)
    for key, value in result["reference_perplexity"].items():
        assert alone["reference_perplexity"][key] == pytest.approx(value) and value > 1
    assert "first_bad" not in good
    (norm,) = [n for n in onnx.load(bad).graph.node if INFINITE_GAIN in n.input]
    assert (
        f"the first value with NaN or Inf is '{norm.output[0]}' (node '{norm.name}'"
        in (failed["first_bad"])
    )
    assert "layer 2" in failed["first_bad"]
    done = run("verify", converted["ref"], bad, "--tokens", converted["tokens"])
    assert f"bad.onnx on cpu: {failed['first_bad']}" in done.stdout


def test_simulated_float16_names_the_value_that_overflows(tmp_path: Path) -> None:
    """The CPU computes float16 models in float32, and sees nothing."""
    model = small_model()
    for tensor in model.graph.initializer:
        if tensor.name == "w2":
            raised = numpy_helper.to_array(tensor) * np.float32(60000)
            tensor.CopyFrom(numpy_helper.from_array(raised, "w2"))
    scale = numpy_helper.from_array(np.array(1e-4, np.float32), "scale")
    model.graph.initializer.append(scale)
    model.graph.node[-1].output[0] = "large"
    model.graph.node.append(helper.make_node("Mul", ["large", "scale"], ["y"], "lower"))
    reference = save(model, tmp_path)
    done = run("--policy", policy(tmp_path), "-o", tmp_path / "out", reference)
    assert done.returncode == 0, done.stderr
    candidate = tmp_path / "out" / "model_fp16.onnx"
    done = run("verify", reference, candidate, "--provider", "cpu,simulated", "--json")
    assert done.returncode == 5, done.stderr
    cpu, simulated = json.loads(done.stdout)["results"]
    assert cpu["passed"] and "first_bad" not in cpu
    assert simulated["failures"] == ["NaN or Inf"]
    assert (
        "the first value with NaN or Inf is 'c' (node 'second' (MatMul), outside layers)"
        in (simulated["first_bad"])
    )


def _renamed(path: Path, folder: Path, **changes: Any) -> Path:
    """Write a copy of the model with its lm_head cut to a vocabulary or its caches' heads cut."""
    model = onnx.load(path)
    logits = next(v for v in model.graph.output if v.name == "logits")
    if "vocabulary" in changes:
        size = changes["vocabulary"]
        model.graph.initializer.append(
            numpy_helper.from_array(np.arange(size, dtype=np.int64), "kept_tokens")
        )
        for node in model.graph.node:
            node.output[:] = ["all_logits" if o == "logits" else o for o in node.output]
        gather = helper.make_node("Gather", ["all_logits", "kept_tokens"], ["logits"], axis=2)
        model.graph.node.append(gather)
        logits.type.tensor_type.shape.dim[2].dim_value = size
    else:
        for node in model.graph.node:
            node.output[:] = ["all_logits" if o == "logits" else o for o in node.output]
        model.graph.node.append(helper.make_node("ArgMax", ["all_logits"], ["logits"], axis=2))
        logits.type.tensor_type.elem_type = TensorProto.INT64
        logits.type.tensor_type.shape.dim[2].dim_value = 1
    onnx.save(model, folder / "other.onnx")
    return folder / "other.onnx"


def test_another_vocabulary_is_refused(converted: dict[str, Path], tmp_path: Path) -> None:
    other = _renamed(converted["ref"], tmp_path, vocabulary=40)
    done = run("verify", converted["ref"], other, "--tokens", converted["tokens"])
    assert done.returncode == 5
    assert "other.onnx: its vocabulary has 40 tokens" in done.stderr
    assert done.stdout == ""


def test_logits_that_are_none_are_refused(converted: dict[str, Path], tmp_path: Path) -> None:
    other = _renamed(converted["ref"], tmp_path)
    done = run("verify", converted["ref"], other, "--tokens", converted["tokens"])
    assert done.returncode == 5
    assert "other.onnx: has no output 'logits' [batch, positions, vocabulary]" in done.stderr


def test_another_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    reference = save(small_model(columns=48), tmp_path)
    candidate = save(small_model(columns=40), tmp_path / "other")
    done = run("verify", reference, candidate)
    assert done.returncode == 5
    assert "output 'y' is float32[16, 40]; the reference" in done.stderr
    assert "gives float32[16, 48]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("none.onnx", "fp16", "--tokens", "tokens"), 2, "none.onnx: cannot be opened"),
        (("ref", "none.onnx", "--tokens", "tokens"), 2, "none.onnx: cannot be opened"),
        (("ref", "fp16", "--tokens", "none.npy"), 1, "none.npy: the file of token ids"),
        (("ref", "fp16"), 1, "--tokens self"),
        (("ref", "--tokens", "tokens"), 1, "CAND"),
        (("ref", "fp16", "--tokens", "tokens", "--provider", "abacus"), 1, "has azure, cpu only"),
        (("ref", "fp16", "--tokens", "tokens", "--onnxruntime", "none.so"), 1, "none.so: cannot"),
        (("ref", "fp16", "--tokens", "tokens", "--dim", "batch"), 1, "expected NAME=SIZE"),
        (("ref", "tokens", "--tokens", "tokens"), 5, "does not load"),
    ],
)
def test_what_is_missing_is_named(
    converted: dict[str, Path], arguments: tuple[str, ...], status: int, expected: str
) -> None:
    done = run("verify", *(converted.get(a, a) for a in arguments))
    assert done.returncode == status, done.stderr
    assert expected in done.stderr + done.stdout


def test_tokens_out_of_range_are_named(converted: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("1 2 3 262144")
    done = run("verify", converted["ref"], converted["q4"], "--tokens", tmp_path / "tokens.txt")
    assert done.returncode == 1
    assert "tokens.txt: token 4 is 262144; the model's vocabulary is 0 to" in done.stderr


def test_the_library_is_the_one_that_the_environment_names(converted: dict[str, Path]) -> None:
    environment = {**os.environ, "ONNXQUANT_ONNXRUNTIME": "/nowhere/libonnxruntime.so"}
    arguments = ("verify", converted["ref"], converted["fp16"], "--tokens", converted["tokens"])
    done = run(*arguments, env=environment)
    assert done.returncode == 1
    assert "/nowhere/libonnxruntime.so: cannot open shared object file" in done.stderr
