"""Policies made in code."""

from pathlib import Path
from typing import Any

import onnxquant
import pytest
from onnxquant import Policy


def test_a_policy_by_name_is_what_its_yaml_says(mlp: Path, tmp_path: Path) -> None:
    by_name = onnxquant.plan(mlp, "fp16", output=tmp_path)
    by_text = onnxquant.plan(mlp, Policy(onnxquant.policies()["fp16"]), output=tmp_path)
    assert by_name.to_dict() == by_text.to_dict()


def test_where_none_is_named_the_models_family_decides(mlp: Path, tmp_path: Path) -> None:
    report = onnxquant.quantize(mlp, output=tmp_path)
    assert sorted(report.paths) == ["fp16", "q4f16"]
    assert {output.to_dict()["policy"] for output in report.outputs} == {"transformersjs"}
    assert "no family" in report.policy_choice
    assert onnxquant.plan(mlp, "fp16", output=tmp_path).policy_choice == ""


def test_a_dict_is_a_policy(mlp: Path, tmp_path: Path) -> None:
    policy = {
        "policy": 1,
        "name": "mine",
        "outputs": {"fp16": {"compute": "float16", "weights": "float16", "io": "float32"}},
        "rules": [{"match": {"name": ["down_proj"]}, "compute": "float32", "weights": "float32"}],
    }
    plan = onnxquant.plan(mlp, policy, output=tmp_path)
    formats = {row["name"]: row["format"] for row in plan.outputs[0].tensors}
    assert formats == {"up": "float16", "bias": "float16", "down": "float32"}


def test_a_dict_becomes_yaml_with_a_line_for_each_key_and_rule() -> None:
    outputs = {"fp16": {"compute": "float16", "weights": "float16", "io": "float32"}}
    rules = [{"match": {"role": "norm"}, "compute": "float32"}] * 2
    policy = Policy.from_dict({"policy": 1, "rules": rules, "name": "mine", "outputs": outputs})
    lines = policy.yaml.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["policy", "name", "outputs", "rules"]
    assert lines[4:] == ['  - {match: {role: "norm"}, compute: "float32"}'] * 2
    with pytest.raises(onnxquant.PolicyError, match="policy:5:"):
        Policy.from_dict({"policy": 1, "name": "mine", "outputs": outputs, "rules": [{}, {}]})
    for wrong in ({}, {"rules": "none"}):
        with pytest.raises(onnxquant.PolicyError):
            Policy.from_dict({**wrong})


def test_rules_are_added_in_code_and_the_last_wins(mlp: Path, tmp_path: Path) -> None:
    base = Policy.from_name("fp16")
    kept = base.with_rule({"name": "*_proj"}, compute="float32", weights="float32")
    both = kept.with_rule({"name": "up_proj"}, compute="float16", weights="float16")
    assert base.rules == ()
    assert len(both.rules) == 2

    def kept_weights(policy: Policy) -> set[str]:
        rows = onnxquant.plan(mlp, policy, output=tmp_path).outputs[0].tensors
        return {row["name"] for row in rows if row["format"] == "float32"} & {"up", "down"}

    assert kept_weights(base) == set()
    assert kept_weights(kept) == {"up", "down"}
    assert kept_weights(both) == {"down"}


def test_names_with_quotes_and_signs_are_kept(mlp: Path, tmp_path: Path) -> None:
    name = "a, {b}: 'c' \"d\" # é"
    policy = Policy.from_name("fp16").with_rule({"name": name}, optional=True, compute="float32")
    assert onnxquant.plan(mlp, policy, output=tmp_path).outputs


@pytest.mark.parametrize(
    "settings", [{"compute": "float61"}, {"colour": "red"}, {"weights": {"format": "int5"}}]
)
def test_a_rule_that_is_wrong_is_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(onnxquant.PolicyError):
        Policy.from_name("fp16").with_rule({"role": "norm"}, **settings)


def test_a_policy_comes_from_a_file(mlp: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(onnxquant.policies()["fp16"])
    assert Policy.from_file(path).yaml == onnxquant.policies()["fp16"]
    assert onnxquant.plan(mlp, path, output=tmp_path).outputs[0].dtype == "fp16"
    path.write_text("policy: 1\nname: mine\noutputs: 3\n")
    with pytest.raises(onnxquant.PolicyError, match=r"mine\.yaml:3"):
        Policy.from_file(path)


def test_a_folder_of_a_policys_name_does_not_hide_it(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        onnxquant.quantize(mlp, "fp16", output="fp16", force=True)
    (tmp_path / "mine").write_text(onnxquant.policies()["fp16"])
    with pytest.raises(onnxquant.PolicyError, match=r"Policy\.from_file"):
        Policy.of("mine")
    with pytest.raises(onnxquant.PolicyError, match=r"Policy\(text\)"):
        Policy.of(onnxquant.policies()["fp16"])


def test_rules_of_a_plan_are_texts_or_dicts_one_or_several(mlp: Path, tmp_path: Path) -> None:
    text = "match: {op: MatMul}, compute: float32"
    rule = {"match": {"op": "MatMul"}, "compute": "float32"}
    expected = onnxquant.plan(mlp, "fp16", rules=[text], output=tmp_path).to_dict()
    for rules in (text, rule, [rule], (text,)):
        assert onnxquant.plan(mlp, "fp16", rules=rules, output=tmp_path).to_dict() == expected


def test_policies_that_say_the_same_are_equal() -> None:
    rule = {"role": "norm"}
    one, other = (Policy.from_name("fp16").with_rule(rule, compute="float32") for _ in range(2))
    assert one == other
    assert len({one, other, Policy.from_name("fp16")}) == 2
    assert one != "fp16"


def test_a_policy_shows_its_yaml() -> None:
    page = Policy.from_name("gemma-safe")._repr_html_()
    assert page.startswith("<pre>")
    assert "gemma-safe" in page
