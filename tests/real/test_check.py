"""`onnxquant check` finds what is wrong with files of Gemma 3 270M, and nothing in right ones."""

import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools.broken_models import KINDS
from real_model import DTYPES, Breaking, Convert

Finding = dict[str, Any]
Check = Callable[[Path], list[Finding]]

# What is wrong with each kind of file; beside it, nothing is.
EXPECTED = {
    "build-gemma": {"residual_in_half", "mixed_norm"},
    "build-gemma-mended": {"residual_in_half"},
    "build-gemma-clipped": {"residual_in_half", "clipped_residual"},
    "onnxconverter-common": {"residual_in_half"},
    "onnxconverter-common-blocked": {"residual_in_half", "range_lost_and_back"},
    "onnx-runtime": {"residual_in_half"},
    "onnx-runtime-blocked": {"residual_in_half", "range_lost_and_back"},
    "build-gemma-q4f16": {"residual_in_half", "mixed_norm"},
    "build-gemma-q4f16-clipped": {"residual_in_half", "clipped_residual"},
}
# Its sums are one thing whether they are in float16 or between float16's edges.
SUMS = {"residual_in_half", "range_lost_and_back"}
LAYERS = 18


@pytest.fixture(scope="module")
def check(binary: Path) -> Check:
    """Return a function that checks a file once; the exit status agrees with what it finds."""

    @functools.cache
    def run(model: Path) -> list[Finding]:
        command = [str(binary), "check", "--json", str(model)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 5), done.stderr
        findings: list[Finding] = json.loads(done.stdout)["findings"]
        assert done.returncode == (5 if findings else 0)
        return findings

    return run


def test_every_kind_of_broken_file_has_its_row() -> None:
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_broken_files_faults_are_found_and_no_others(
    kind: str, broken: Breaking, check: Check
) -> None:
    found = {finding["kind"] for finding in check(broken(kind))}
    if kind.endswith("-blocked"):
        assert found <= EXPECTED[kind]
        assert found & SUMS
    else:
        assert found == EXPECTED[kind]


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_finding_says_how_bad_where_how_often_why_and_what_to_do(
    kind: str, broken: Breaking, check: Check
) -> None:
    for finding in check(broken(kind)):
        assert finding["severity"] in ("error", "warning"), finding
        assert finding["count"] >= 1, finding
        for key in ("place", "evidence", "remedy"):
            assert isinstance(finding[key], str), finding
            assert finding[key], finding


def test_a_mixed_norm_is_an_error_at_the_final_norm(broken: Breaking, check: Check) -> None:
    """It does not load on WebGPU, and no other norm of the file is like it."""
    found = [item for item in check(broken("build-gemma")) if item["kind"] == "mixed_norm"]
    assert [(item["severity"], item["count"]) for item in found] == [("error", 1)]
    assert "/model/final_norm" in found[0]["place"]


def test_the_clips_are_counted(broken: Breaking, check: Check) -> None:
    findings = check(broken("build-gemma-clipped"))
    assert [item["count"] for item in findings if item["kind"] == "clipped_residual"] == [LAYERS]


def test_the_float32_model_has_no_finding(gemma: Path, check: Check) -> None:
    assert check(gemma) == []


@pytest.mark.parametrize("policy", ["gemma-safe", "gemma-web"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_file_has_no_finding(
    policy: str, dtype: str, convert: Convert, check: Check
) -> None:
    assert check(convert(policy) / f"model_{dtype}.onnx") == []
