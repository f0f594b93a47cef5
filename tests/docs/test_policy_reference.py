"""docs/policy.md and the README name every word that policies know, and no others."""

import re
import subprocess
from pathlib import Path

import pytest
from blocks import ROOT
from onnxquant_tools.product import program

REFERENCE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
# What to get wrong, so that the program lists what it allows.
RULES = {
    "role": "match: {role: zzz}, compute: float32",
    "hazard": "match: {hazard: zzz}, compute: float32",
    "selector": "match: {zzz: a}, compute: float32",
    "field": "match: {role: norm}, zzz: 1",
    "compute": "match: {role: norm}, compute: zzz",
    "weights": "match: {role: norm}, weights: zzz",
    "weight format": "match: {role: norm}, weights: {format: int4, zzz: 1}",
    "block": "match: {role: norm}, weights: {format: int4, block: 7}",
    "overflow": "match: {role: norm}, constants: {overflow: zzz}",
    "constants": "match: {role: norm}, constants: {zzz: 1}",
    "io": "match: {role: norm}, io: zzz",
    "accuracy_level": "match: {role: norm}, accuracy_level: 9",
    "source": "match: {role: norm}, weights: {format: int4, source: zzz}",
    "residual": "match: {role: norm}, residual: {zzz: 1}",
    "rope_cache": "match: {role: norm}, rope_cache: zzz",
    "rope_cache mapping": "match: {role: norm}, rope_cache: {zzz: 1}",
    "method": "match: {role: norm}, method: zzz",
    "range": "match: {range: {zzz: 1}}, compute: float32",
}
# The words that a rule has beside the fields that it sets.
RULE_WORDS = {"match", "when", "optional"}


def _said(*arguments: str | Path) -> str:
    command = [str(program()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    return done.stderr


def _allowed(message: str) -> list[str]:
    """Return the words of "…; allowed are a, b, c; did you mean …"."""
    found = re.search(r"allowed are ([^;\n]+)", message)
    assert found, message
    return found[1].split(", ")


def _words(kind: str, model: Path) -> list[str]:
    return _allowed(_said("plan", "--policy", "gemma-web", "--set", RULES[kind], model))


def _section(heading: str) -> str:
    return REFERENCE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "kind", "others"),
    [
        ("Fields", "field", RULE_WORDS),
        ("Selectors", "selector", set()),
        ("Hazards", "hazard", {"any", "float16", "bfloat16"}),
    ],
)
def test_a_table_of_the_reference_has_the_allowed_words_and_no_others(
    heading: str, kind: str, others: set[str], prepared: Path
) -> None:
    rows = _first_column(_section(heading))
    assert len(rows) == len(set(rows))
    assert set(rows) == set(_words(kind, prepared / "model.onnx")) - others


def test_the_reference_lists_the_roles_that_there_are_and_no_others(prepared: Path) -> None:
    row = next(line for line in REFERENCE.splitlines() if line.startswith("| `role` |"))
    listed = row.split("data flow: ")[1].split(". ")[0]
    roles = re.sub("; for graph inputs and outputs", ",", listed).split(",")
    assert sorted(role.split()[0] for role in roles) == sorted(
        _words("role", prepared / "model.onnx")
    )


@pytest.mark.parametrize("kind", RULES)
def test_the_reference_names_every_word_that_is_allowed(kind: str, prepared: Path) -> None:
    words = _words(kind, prepared / "model.onnx")
    missing = [word for word in words if not re.search(rf"\b{re.escape(word)}\b", REFERENCE)]
    assert missing == []


def test_the_reference_names_every_dtype_and_no_others(prepared: Path, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    fields = "{compute: float16, weights: float16, io: float16}"
    policy.write_text(f"policy: 1\nname: p\noutputs:\n  zzz: {fields}\n")
    words = _allowed(_said("plan", "--policy", policy, prepared / "model.onnx"))
    listed = _section("Outputs").split("A key is a dtype: ")[1].split("\n\n")[0]
    named = re.findall(r"`([a-z]+[0-9]\w*)`", listed)
    assert set(named) == set(words)


def test_the_readme_lists_the_built_in_policies_and_their_files() -> None:
    listed = subprocess.run(
        [str(program()), "policies"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[2:]
    rows = [re.split(r"  +", line) for line in listed]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Policies")[1].split("```yaml")[0]
    for name, outputs, _ in rows:
        line = next((line for line in table.splitlines() if f"`{name}`" in line), "")
        assert line, name
        assert outputs in line or "one each" in line, (name, outputs)
    named = set(re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE))
    assert {n for cell in named for n in re.findall(r"`([^`]+)`", cell)} == {r[0] for r in rows}


def test_a_word_that_the_reference_lacks_is_seen() -> None:
    assert not re.search(r"\bembeddingz\b", REFERENCE)
    assert _allowed("found 'x'; allowed are a, b; did you mean 'a'?") == ["a", "b"]
