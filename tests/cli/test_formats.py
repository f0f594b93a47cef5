"""`formats` lists what weights can be stored as, and `policies --schema` what policies can say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from program import ROOT, THREE, policy, run, save, small_model

POLICIES = sorted((ROOT / "policies").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    done = run("policies", "--schema")
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    assert parsed["$schema"].endswith("2020-12/schema")
    return parsed


@pytest.fixture(scope="module")
def formats() -> list[dict[str, Any]]:
    done = run("formats", "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["formats"]
    return rows


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
KNOWN = {
    "$schema",
    "$defs",
    "title",
    "description",
    "$ref",
    "anyOf",
    "const",
    "enum",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "items",
    "minItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "pattern",
}


def _fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Validate as JSON Schema says, as far as the schema's own words go."""
    assert set(schema) <= KNOWN
    if "$ref" in schema:
        return _fits(value, root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "anyOf" in schema and not any(_fits(value, one, root) for one in schema["anyOf"]):
        return False
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if allowed is not None:
        return any(type(value) is type(one) and value == one for one in allowed)
    if "type" not in schema and "anyOf" in schema:
        return True
    if "type" not in schema:
        return set(schema.get("required", ())) <= set(value)
    if isinstance(value, bool) and schema["type"] != "boolean":
        return False
    if not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, dict):
        return (
            set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
            and len(value) >= schema.get("minProperties", 0)
            and all(_fits(item, schema["properties"][key], root) for key, item in value.items())
        )
    if isinstance(value, list):
        enough = len(value) >= schema.get("minItems", 0)
        return enough and all(_fits(item, schema["items"], root) for item in value)
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    return bool(
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
    )


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_built_in_policy_fits_the_schema(path: Path, schema: dict[str, Any]) -> None:
    assert _fits(yaml.safe_load(path.read_text()), schema, schema)


WRONG = [
    "compute: float23",
    "weights: int5",
    "weights: {format: int4, block: 33}",
    "weights: {format: int4, per_channel: true}",
    "weights: {format: dynamic_uint8, block: 32}",
    "weights: {format: float16, block: 32}",
    "weights: {block: 32}",
    "accuracy_level: 5",
    "constants: {overflow: wrap}",
    "residual: {rescale: 15}",
    "residual: {rescale: auto, clip: 3}",
    "residual: {clip: 0}",
    "rope_cache: compute",
    "rope_cache: {positions: 0}",
    "rope_cache: {positions: 8, computed: 8}",
    "keep: 1",
    "complete: float32",
    "match: {role: norms}, compute: float32",
    "match: {hazard: none}, compute: float32",
    "match: {range: {peak: 3}}, compute: float32",
    "match: {elements: {}}, compute: float32",
    "match: {elements: {most: 3}}, compute: float32",
    "match: {layer: 0..3}, compute: float32",
    "match: {role: []}, compute: float32",
    "match: {}, compute: float32",
    "when: q5, compute: float32",
    "optional: true",
]
RIGHT = [
    "compute: source",
    "weights: int2",
    "weights: {format: int8, block: 16, symmetric: false, source: float16}",
    "weights: {format: dynamic_int8, per_channel: true, reduce_range: true}",
    "weights: {format: nf4, block: 64}",
    "weights: {format: float16}",
    "accuracy_level: 4, io: float16",
    "constants: {overflow: clamp}",
    "residual: float32",
    "residual: {rescale: auto}",
    "residual: {rescale: 14}",
    "residual: {clip: 60000}",
    "rope_cache: computed",
    "rope_cache: {positions: 4096}",
    "match: {elements: {min: 10, max: 1000000}}, compute: float32",
    "keep: true",
    "match: {role: [norm, q_proj], layer: [0, -1, 2-3, -4--1]}, compute: float32",
    "match: {hazard: any}, when: [q4, q4f16], optional: true, compute: float32",
    "match: {range: {peak_over: 0.5}}, compute: float32",
    "match: {op: Add, name: a*, regex: 'b+', weight: [c, d]}, compute: float32",
]


@pytest.mark.parametrize("rule", WRONG + RIGHT)
def test_the_schema_knows_what_the_program_knows(
    tmp_path: Path, schema: dict[str, Any], rule: str
) -> None:
    whole = rule if "match:" in rule else f"match: {{role: norm}}, {rule}"
    text = THREE + f"rules:\n  - {{{whole}}}\n"
    assert _fits(yaml.safe_load(text), schema, schema) == (rule in RIGHT)
    done = run("plan", "--policy", policy(tmp_path, text), save(small_model(), tmp_path))
    # A rule that is right may match nothing in this model, or want ranges.
    refused = done.returncode == 3 and not re.search(r"matches nothing|needs measured", done.stderr)
    assert refused == (rule in WRONG), done.stderr


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"policy": 2}, "policy"),
        ({"name": None}, "name"),
        ({"outputs": {}}, "outputs"),
        ({"outputs": {"q5": {"compute": "float32", "weights": "int4", "io": "float32"}}}, "dtype"),
        ({"outputs": {"q4": {"compute": "float32", "weights": "int4"}}}, "io"),
        ({"extra": 1}, "extra"),
    ],
)
def test_the_schema_knows_the_frame_of_a_policy(
    schema: dict[str, Any], change: dict[str, Any], what: str
) -> None:
    right = yaml.safe_load(THREE)
    assert _fits(right, schema, schema)
    assert not _fits({**right, **change}, schema, schema), what


def test_the_schema_is_not_asked_for_together_with_a_policy() -> None:
    done = run("policies", "--schema", "q4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--schema" in done.stderr


def test_every_format_is_listed_with_what_it_takes(formats: list[dict[str, Any]]) -> None:
    forms = {(row["word"], row["form"]): row for row in formats}
    int4 = forms["int4", "matmul_nbits"]
    assert int4["operators"] == ["MatMul", "Gemm", "Einsum"]
    assert (int4["bits"], int4["by_rule"]) == (4, False)
    assert int4["parameters"]["block"]["default"] == "32"
    assert "256" in int4["parameters"]["block"]["values"]
    assert int4["parameters"]["symmetric"] == {
        "values": [True, False],
        "default": True,
        "about": "without zero points",
    }
    assert forms["int4", "gather_blocks"]["by_rule"]
    blocks = {word: forms[word, "qdq"]["parameters"]["block"] for word in ("qdq_int8", "qdq_int4")}
    assert blocks["qdq_int8"]["default"] is None
    assert blocks["qdq_int4"]["default"] == "32"
    assert not forms["dynamic_uint8", "matmul_integer"]["parameters"]["symmetric"]["default"]
    assert all(row["runs"] and row["about"] for row in formats)


def test_the_table_and_the_reference_have_the_same_words(formats: list[dict[str, Any]]) -> None:
    table = run("formats").stdout.splitlines()
    assert table[0].split()[:2] == ["word", "form"]
    assert [line.split()[:2] for line in table[2:]] == [[r["word"], r["form"]] for r in formats]
    reference = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    for row in formats:
        assert f"| {row['form']} |" in reference
