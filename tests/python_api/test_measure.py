"""Looking at models: inspect, diff, ranges, verify."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxquant
import pytest
from safetensors.numpy import save_file

TOKENS = list(range(40))


def _cli(*arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "onnxquant", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_inspect_and_diff_say_what_the_command_line_says(mlp: Path, tmp_path: Path) -> None:
    half = onnxquant.quantize(mlp, "fp16", output=tmp_path).paths["fp16"]
    assert onnxquant.inspect(mlp).to_dict() == _cli("inspect", mlp)
    assert onnxquant.diff(mlp, half).to_dict() == _cli("diff", mlp, half)
    in_memory = onnxquant.inspect(onnx.load(mlp), model_path=mlp).to_dict()
    assert in_memory["ops"] == onnxquant.inspect(mlp)["ops"]
    assert onnxquant.diff(onnx.load(mlp), mlp).empty
    difference = onnxquant.diff(mlp, half)
    assert not difference.empty
    assert "down" in difference._repr_html_()
    assert difference.summary == difference["summary"] != []
    assert difference.summary[0] in repr(difference)
    assert "What matters" in difference._repr_html_()
    assert len(onnxquant.inspect(mlp).to_pandas()) == 3


def test_inspect_compares_the_weights_with_a_checkpoint(mlp: Path, tmp_path: Path) -> None:
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(mlp).graph.initializer}
    save_file(weights, tmp_path / "c.safetensors")
    inspection = onnxquant.inspect(mlp, checkpoint=tmp_path)
    assert inspection.lost == []
    assert inspection["checkpoint"]["counts"]["equal"] == len(weights)
    assert onnxquant.inspect(mlp).lost == []
    name = max(weights, key=lambda one: weights[one].size)
    save_file({**weights, name: weights[name] * 1.5 + 0.1}, tmp_path / "c.safetensors")
    assert [row["name"] for row in onnxquant.inspect(mlp, checkpoint=tmp_path).lost] == [name]
    with pytest.raises(onnxquant.UsageError, match="nothing"):
        onnxquant.inspect(mlp, checkpoint=tmp_path / "nothing")


def test_ranges_finds_what_float16_cannot_hold(text_model: Path) -> None:
    ranges = onnxquant.ranges(text_model, TOKENS)
    assert [row["name"] for row in ranges.overflowing()] == ["large"]
    table = np.array(onnx.numpy_helper.to_array(onnx.load(text_model).graph.initializer[0]))
    assert ranges.values["large"]["peak"] == pytest.approx(5e4 * np.abs(table[:40]).max(), rel=1e-6)
    assert len(ranges.to_pandas()) == 4
    assert "large" in ranges._repr_html_()


def test_tokens_come_as_lists_arrays_sequences_and_files(text_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", np.array(TOKENS))
    expected = onnxquant.ranges(text_model, TOKENS).values
    assert onnxquant.ranges(text_model, np.array(TOKENS)).values == expected
    assert onnxquant.ranges(text_model, tmp_path / "tokens.npy").values == expected
    assert onnxquant.ranges(text_model, [TOKENS[:20], TOKENS[20:]]).values == expected
    assert onnxquant.ranges(text_model, "self", count=8)["tokens"] == 8
    with pytest.raises(onnxquant.UsageError, match=r"^tokens: token 3 is 50"):
        onnxquant.ranges(text_model, [1, 2, 50])
    with pytest.raises(onnxquant.UsageError, match=r"found 1\.5; token ids are integers"):
        onnxquant.ranges(text_model, [1.5, 2])
    with pytest.raises(onnxquant.UsageError, match=r"^tokens: holds no tokens"):
        onnxquant.ranges(text_model, [])
    with pytest.raises(onnxquant.UsageError, match="tokens"):
        onnxquant.ranges(text_model)


def test_ranges_are_evidence_for_a_plan(text_model: Path, tmp_path: Path) -> None:
    ranges = onnxquant.ranges(text_model, TOKENS)
    rule = "match: {range: {peak_over: 65504}}, compute: float32"
    plan = onnxquant.plan(text_model, "fp16", rules=[rule], ranges=ranges, output=tmp_path)
    kept = {row["name"] for row in plan.outputs[0].nodes if row["compute"] == "float32"}
    assert "grow" in kept
    ranges.to_json(tmp_path / "ranges.json")
    again = onnxquant.plan(
        text_model, "fp16", rules=[rule], ranges=tmp_path / "ranges.json", output=tmp_path
    )
    assert again.to_dict() == plan.to_dict()


def test_verify_sees_an_overflow_in_simulation_and_passes_the_safe_file(
    text_model: Path, tmp_path: Path
) -> None:
    plain = onnxquant.quantize(text_model, "fp16", output=tmp_path / "plain").paths["fp16"]
    policy = onnxquant.Policy.from_name("fp16").with_rule(
        {"name": ["grow", "shrink"]}, compute="float32"
    )
    safe = onnxquant.quantize(text_model, policy, output=tmp_path / "safe").paths["fp16"]
    result = onnxquant.verify(
        text_model, [plain, safe], TOKENS, providers=["cpu", "simulated"], layers=True, max_kl=1e-3
    )
    marks = {(Path(r["model"]).parent.name, r["provider"]): r["passed"] for r in result.results}
    assert marks["safe", "cpu"]
    assert marks["safe", "simulated"]
    assert not marks["plain", "simulated"]
    assert not result.passed
    frame = result.to_pandas()
    assert list(frame["provider"]) == ["cpu", "simulated"] * 2
    assert frame["nan"][1] + frame["inf"][1] > 0
    assert "large" in frame["why"][1]
    assert "✗" in result._repr_html_()
    assert result.results[2]["values"]
    result.to_html(tmp_path / "verify.html")
    assert "layers" in (tmp_path / "verify.html").read_text()


def test_models_without_tokens_are_compared_by_their_outputs(mlp: Path, tmp_path: Path) -> None:
    half = onnxquant.quantize(mlp, "fp16", output=tmp_path).paths["fp16"]
    result = onnxquant.verify(mlp, half, dims={"n": 3}, max_error=1e-2)
    assert result.passed
    assert 0 < result.results[0]["outputs"][0]["max_error"] < 1e-2
    assert not onnxquant.verify(mlp, half, dims={"n": 3}, max_error=1e-9).passed


def test_half_and_bfloat16_inputs_are_given(mlp: Path, tmp_path: Path) -> None:
    outputs = {"fp16": {"compute": "float16", "weights": "float16", "io": "float16"}}
    policy = {"policy": 1, "name": "half", "outputs": outputs}
    half = onnxquant.quantize(mlp, policy, output=tmp_path).paths["fp16"]
    assert onnxquant.verify(mlp, half, max_error=1e-2).passed


def test_what_cannot_be_measured_is_an_error(mlp: Path, text_model: Path, tmp_path: Path) -> None:
    with pytest.raises(onnxquant.UsageError, match=r"has .*cpu"):
        onnxquant.verify(mlp, mlp, providers="nothing")
    with pytest.raises(onnxquant.ModelError, match="cannot be opened"):
        onnxquant.ranges(tmp_path / "nothing.onnx")
    with pytest.raises(onnxquant.UsageError, match=r"type ModelProto.*expected a path"):
        onnxquant.verify(onnx.load(mlp), mlp)
    for wrong in ({"count": -1}, {"chunk": 0}, {"seed": -1}, {"memory": -1}, {"dims": {"n": -1}}):
        with pytest.raises(onnxquant.UsageError, match="expected at least"):
            onnxquant.ranges(text_model, TOKENS, **wrong)
    with pytest.raises(onnxquant.UsageError, match="greedy=-1"):
        onnxquant.verify(mlp, mlp, greedy=-1)
    with pytest.raises(onnxquant.UsageError, match="no candidates"):
        onnxquant.verify(mlp, [])
    with pytest.raises(onnxquant.UsageError, match="no providers"):
        onnxquant.verify(mlp, mlp, providers=[])
    with pytest.raises(onnxquant.UsageError, match=r"max_kl and min_top1 are for .*to max_error"):
        onnxquant.verify(mlp, mlp, max_kl=1)
    with pytest.raises(onnxquant.UsageError, match="max_error is for models without logits"):
        onnxquant.verify(text_model, text_model, TOKENS, max_error=1)
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    with pytest.raises(onnxquant.VerifyError, match="does not load"):
        onnxquant.verify(tmp_path / "broken.onnx", mlp)
    result = onnxquant.verify(mlp, tmp_path / "broken.onnx")
    assert not result.passed
    assert "does not load" in result.results[0]["error"]


def test_the_command_line_measures_with_the_installed_runtime(text_model: Path) -> None:
    tokens = text_model.parent / "tokens.txt"
    tokens.write_text(" ".join(map(str, TOKENS)))
    ours = onnxquant.ranges(text_model, TOKENS).values
    assert _cli("ranges", text_model, "--tokens", tokens)["values"] == ours
