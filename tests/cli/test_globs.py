"""Globs on names: '[' begins a set of characters, and what is said where it was meant as itself."""

from pathlib import Path

import onnx
import pytest
from program import FP16, policy, run, save, small_model


@pytest.fixture
def bracketed(tmp_path: Path) -> Path:
    """Return a model with a node 'second[0]' and a weight 'w2[0]'."""
    model = small_model()
    model.graph.node[2].name = "second[0]"
    model.graph.node[2].input[1] = "w2[0]"
    model.graph.initializer[1].name = "w2[0]"
    onnx.checker.check_model(model)
    return save(model, tmp_path)


def _with_rule(folder: Path, match: str) -> Path:
    return policy(folder, FP16 + f"rules:\n- match: {match}\n  compute: float32\n")


@pytest.mark.parametrize("key", ["name", "weight"])
def test_a_bracketed_name_that_matches_nothing_says_how_to_spell_it(
    bracketed: Path, key: str
) -> None:
    glob = {"name": "second[0]", "weight": "w2[0]"}[key]
    failed = run("--policy", _with_rule(bracketed.parent, f"{{{key}: '{glob}'}}"), bracketed)
    assert failed.returncode == 3
    spelt = glob.replace("[", "[[]")
    assert "in a glob '[' begins a set of characters" in failed.stderr
    assert f"'{spelt}' matches '{glob}'" in failed.stderr
    done = run("--policy", _with_rule(bracketed.parent, f"{{{key}: '{spelt}'}}"), bracketed)
    assert done.returncode == 0, done.stderr


def test_sets_are_sets(bracketed: Path) -> None:
    done = run("--policy", _with_rule(bracketed.parent, "{weight: 'w[0-9]'}"), bracketed)
    assert done.returncode == 0, done.stderr


def test_why_takes_a_bracketed_name_as_it_is(bracketed: Path) -> None:
    for asked in ("w2[0]", "w2[[]*"):
        said = run("plan", "--policy", "fp16", "--why", asked, bracketed)
        assert said.returncode == 0, said.stderr
        assert "tensor 'w2[0]'" in said.stdout


def test_a_misspelt_name_is_suggested(bracketed: Path) -> None:
    failed = run("--policy", _with_rule(bracketed.parent, "{name: frist}"), bracketed)
    assert "did you mean 'first'?" in failed.stderr


def test_a_policy_for_another_family_names_the_one_that_fits(bracketed: Path) -> None:
    failed = run("--policy", "gemma-web", bracketed)
    assert failed.returncode == 3
    assert "policy gemma-web is not for such a model, '--policy transformersjs' is: " in (
        failed.stderr
    )
