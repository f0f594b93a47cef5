"""Each fact about a runtime: the runtime does what the fact says, and so does the gate."""

from pathlib import Path

import pytest
from fact_models import Case, cases
from gate import run

CASES = cases()
AS_IT_IS = "policy: 1\nname: p\noutputs:\n  fp32: {compute: source, weights: source, io: source}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_runtimes_do_what_is_said_of_them(case: Case, runtimes: dict[str, dict[str, str]]) -> None:
    said = {name: found[f"{case.name}.onnx"] for name, found in runtimes.items()}
    runs = {name: said[name] == "" for name in case.runtimes if name in said}
    assert runs == {name: case.runtimes[name] for name in runs}, said


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_what_cannot_run_is_refused_and_nothing_else(case: Case, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(case.model.SerializeToString())
    policy = tmp_path / "p.yaml"
    policy.write_text(AS_IT_IS)
    out = tmp_path / "out"
    for target in case.refused:
        done = run("--policy", policy, "--target", target, "-o", out, model)
        assert done.returncode == 3, (target, done.stdout, done.stderr)
        assert "cannot run on" in done.stderr
        assert "expected" in done.stderr
        assert not out.exists()
    for target in case.taken:
        done = run("plan", "--policy", policy, "--target", target, "-o", out, model)
        assert done.returncode == 0, (target, done.stderr)
        assert "runs on" in done.stdout
