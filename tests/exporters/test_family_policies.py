"""The policies of families: what each decides of small models, and that every rule matters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxquant
import pytest
import yaml
from onnxquant_tools.plan_summary import golden

ROOT = Path(__file__).resolve().parents[2]
PLANS = Path(__file__).parent / "plans"
GOLDEN = {
    "gemma3": "torch-dynamo",
    "llama": "torch-dynamo",
    "gpt2": "torch-dynamo",
    "gemma": "optimum",
    "lfm2": "torch-dynamo",
    "qwen3_moe": "torch-script",
    "bert_classes": "torch-dynamo",
    "vit": "torch-dynamo",
}
FAMILIES = {"gemma-web": ["gemma3"], "llm-web": ["llama", "gpt2", "gemma"]}
# Rules that say what these models' plans come to without them as well.
SAID_ANYWAY = {
    ("gemma-web", 0),  # sums between float32 norms stay float32; one that is handed out would not
    ("gemma-web", 3),  # the head's types are the output's own
    ("llm-web", 1),  # arithmetic in float32 keeps its constants
}


@pytest.fixture(scope="module")
def model(families: Callable[[str, str], Path]) -> Callable[[str], Path]:
    def make(family: str) -> Path:
        (path,) = families(family, GOLDEN[family]).glob("**/*.onnx")
        return path

    return make


@pytest.mark.parametrize("family", list(GOLDEN))
def test_the_plan_of_a_family_is_as_it_was(family: str, model: Callable[[str], Path]) -> None:
    """`onnxquant_tools.plan_summary` prints the new one where a change is meant."""
    wanted = json.loads((PLANS / f"{family}.json").read_text(encoding="utf-8"))
    assert golden(onnxquant.plan(model(family)).to_dict()) == wanted


def _rules() -> list[tuple[str, int]]:
    found = []
    for policy in FAMILIES:
        spec = yaml.safe_load((ROOT / "policies" / f"{policy}.yaml").read_text(encoding="utf-8"))
        for index, rule in enumerate(spec["rules"]):
            # Of statistics a plan without any says nothing.
            if "calibrated" not in rule["match"] and (policy, index) not in SAID_ANYWAY:
                found.append((policy, index))
    return found


@pytest.mark.parametrize(("policy", "index"), _rules())
def test_without_a_rule_some_plan_changes(
    policy: str, index: int, model: Callable[[str], Path]
) -> None:
    spec: dict[str, Any] = yaml.safe_load(
        (ROOT / "policies" / f"{policy}.yaml").read_text(encoding="utf-8")
    )
    for rule in spec["rules"]:
        rule["optional"] = True
    lacking = {**spec, "rules": [*spec["rules"][:index], *spec["rules"][index + 1 :]]}

    def decided(rules: dict[str, Any], family: str) -> list[Any]:
        outputs = onnxquant.plan(model(family), rules).outputs
        return [
            [(node["name"], node["compute"]) for node in output.nodes]
            + [(tensor["name"], tensor["format"]) for tensor in output.tensors]
            + [(value["name"], value["type"]) for value in output.values]
            for output in outputs
        ]

    assert any(decided(spec, family) != decided(lacking, family) for family in FAMILIES[policy])
