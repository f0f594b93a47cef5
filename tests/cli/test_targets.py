"""`--target` and `target:`: outputs that could not run where they are to are not written."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from program import THREE, listing, run, save, small_model

BRAIN = (
    "policy: 1\nname: p\noutputs:\n  bf16: {compute: bfloat16, weights: bfloat16, io: float32}\n"
)


@pytest.fixture
def gemma(exported: Path, tmp_path: Path) -> Path:
    """Return a model file in a fresh copy of its folder."""
    return Path(shutil.copytree(exported, tmp_path / "gemma")) / "onnx" / "model.onnx"


def _plan(model: Path, *arguments: str | Path) -> str:
    done = run("plan", *arguments, model)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refusal(model: Path, *arguments: str | Path) -> str:
    before = listing(model.parent)
    done = run(*arguments, model)
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert listing(model.parent) == before
    return done.stderr


# The places that each of them is made for.
@pytest.mark.parametrize(
    ("policy", "dtypes", "targets"),
    [
        ("gemma-safe", "fp16,q4,q4f16", "webgpu,transformers.js-webgpu,cpu"),
        ("gemma-web", "fp16,q4,q4f16", "webgpu,transformers.js"),
        ("gemma-web", "q8", "wasm,transformers.js-wasm,transformers.js"),
        ("gemma-rescale", "fp16,q4f16", "webgpu,transformers.js"),
        ("gemma-small", "q4f16", "webgpu,transformers.js"),
        ("build-gemma", "q4", "cpu,webgpu,wasm"),
        ("transformersjs", "", "transformers.js@4.3"),
        ("llm-web", "", "transformers.js"),
        ("onnx-community", "", "webgpu,cpu,transformers.js"),
        ("quantize-dynamic", "", "cpu,wasm,transformers.js-wasm"),
        ("q8", "", "cpu,wasm,transformers.js-wasm"),
    ],
)
def test_what_built_in_policies_write_runs_where_they_are_for(
    gemma: Path, policy: str, dtypes: str, targets: str
) -> None:
    some = ["--dtype", dtypes] if dtypes else []
    shown = _plan(gemma, "--policy", policy, *some, "--target", targets)
    for target in targets.split(","):
        assert f"runs on {target.split('@')[0]}@" in shown


def test_a_plan_without_a_target_says_nothing_of_targets(gemma: Path) -> None:
    assert "runs on" not in _plan(gemma, "--policy", "gemma-web")


def test_a_target_alters_no_byte_of_what_runs_there(gemma: Path, tmp_path: Path) -> None:
    written = []
    for name, arguments in (("a", []), ("b", ["--target", "webgpu"])):
        out = tmp_path / name
        done = run("--policy", "gemma-web", "-d", "q4f16", *arguments, "-o", out, gemma)
        assert done.returncode == 0, done.stderr
        written.append({path.name: path.read_bytes() for path in out.glob("model*")})
    assert written[0] == written[1]


def test_a_table_without_a_kernel_is_refused_with_the_rule_to_set(gemma: Path) -> None:
    policy = ("--policy", "gemma-small", "-d", "q4f16")
    said = _refusal(gemma, *policy, "--target", "transformers.js-wasm")
    assert "--target: " in said
    assert "output 'q4f16' cannot run on transformers.js-wasm@4.3" in said
    assert "(com.microsoft::GatherBlockQuantized)" in said
    assert "(role embedding)" in said
    assert "because " in said
    assert "match: {role: embedding}, weights: plain_int8" in said
    rule = "match: {role: embedding}, weights: plain_int8"
    _plan(gemma, *policy, "--target", "transformers.js-wasm", "--set", rule)


def test_integer_products_are_refused_on_webgpu(gemma: Path) -> None:
    said = _refusal(gemma, "--policy", "q8", "--target", "webgpu")
    assert "(MatMulInteger)" in said
    assert "weights: int8" in said
    assert "likewise" in said


def test_bfloat16_is_refused_where_it_has_no_kernels_and_else_warned_of(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    policy = tmp_path / "p.yaml"
    policy.write_text(BRAIN)
    said = _refusal(model, "--policy", policy, "--target", "cpu@1.30")
    assert "found bfloat16; expected float32 or float16" in said
    done = run("--policy", policy, model)
    assert done.returncode == 0, done.stderr
    assert "this output runs neither on cpu@" in done.stderr


def test_the_policys_own_target_is_checked_at_its_place(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    policy = tmp_path / "p.yaml"
    policy.write_text(BRAIN.replace("outputs", "target: [cpu, webgpu]\noutputs"))
    assert f"{policy}:3:10: " in _refusal(model, "--policy", policy)
    policy.write_text(BRAIN.replace("outputs", "target: cpu\noutputs"))
    _refusal(model, "--policy", policy)
    said = run("plan", "--policy", policy, "--target", "webgpu", model).stderr
    assert "--target: " in said


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("webgup", "did you mean 'webgpu'?"),
        ("webgpu@", "expected two numbers such as"),
        ("transformers.js@3.8", "expected 4.0 or later"),
        ("", "a target is one of cpu, webgpu"),
    ],
)
def test_unknown_targets_are_refused(tmp_path: Path, target: str, expected: str) -> None:
    model = save(small_model(), tmp_path)
    done = run("--policy", "fp16", "--target", target, model)
    assert done.returncode == 1
    assert expected in done.stderr


def test_targets_are_given_with_commas_or_one_by_one(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    policy = tmp_path / "p.yaml"
    policy.write_text(THREE)
    shown = _plan(model, "--policy", policy, "--target", "cpu,webgpu", "--target=wasm")
    for target in ("cpu", "webgpu", "wasm"):
        assert shown.count(f"runs on {target}@") == 3
    report = json.loads(_plan(model, "--policy", policy, "--target", "cpu", "--json"))
    assert all(len(output["runs"]) == 1 for output in report["outputs"])


def test_what_runs_beside_webgpu_is_counted(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]>'
        "g (float[2] x) => (float[2] y) { a = Sign(x) y = Exp(a) }"
    )
    path = save(model, tmp_path)
    shown = _plan(path, "--policy", "fp16", "--target", "webgpu")
    assert "1 node (Sign) of it on the CPU beside" in shown


def test_check_finds_what_the_target_lacks(gemma: Path) -> None:
    done = run("--policy", "gemma-small", "-d", "q4f16", gemma)
    assert done.returncode == 0, done.stderr
    file = gemma.parent / "model_q4f16.onnx"
    assert run("check", file).returncode == 0
    done = run("check", "--target", "transformers.js-wasm", file)
    assert done.returncode == 5
    assert "error: cannot_run in " in done.stdout
    assert "GatherBlockQuantized" in done.stdout


def test_targets_lists_all_with_their_facts() -> None:
    done = run("targets")
    assert done.returncode == 0
    assert "transformers.js-wasm" in done.stdout
    assert "com.microsoft::GatherBlockQuantized" in done.stdout
    listed = json.loads(run("targets", "--json").stdout)
    assert {"cpu", "webgpu", "wasm"} <= {row["name"] for row in listed["targets"]}
    assert all(row["targets"] and row["source"] for row in listed["facts"])
