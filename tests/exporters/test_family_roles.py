"""One policy, several exporters of one model: the same roles, the same plan up to names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxquant
import pytest
from onnxquant_tools.plan_summary import Summary, differences, summary

EXPORTERS = {
    "gemma3": ["onnxquant", "optimum", "genai", "torch-dynamo", "torch-script"],
    "llama": ["optimum", "torch-dynamo", "torch-script", "ort-fused"],
    "phi3": ["optimum", "torch-dynamo", "torch-script", "ort-fused"],
}
POLICIES = {"gemma3": "gemma-web", "llama": "llm-web", "phi3": "llm-web"}
# What an exporter's own nodes bring along, beside the same products.
EXTRA = {"softmax", "rope", "residual", "norm", "position", "mask"}


Families = Callable[[str, str], Path]


def _only(folder: Path) -> Path:
    (path,) = folder.glob("**/*.onnx")
    return path


def _summary(path: Path, dtype: str) -> Summary:
    report = onnxquant.plan(path)
    output: dict[str, Any] = report.output(dtype).to_dict()
    return summary(output)


@pytest.mark.parametrize("family", list(EXPORTERS))
def test_every_exporter_gets_the_same_roles_and_plan(family: str, families: Families) -> None:
    first, *others = [_only(families(family, exporter)) for exporter in EXPORTERS[family]]
    roles = {row["role"] for row in onnxquant.inspect(first)["roles"]} - EXTRA
    for path in (first, *others):
        assert onnxquant.plan(path)["outputs"][0]["policy"] == POLICIES[family], path
        found = {row["role"] for row in onnxquant.inspect(path)["roles"]}
        assert found - EXTRA == roles, path
        assert "norm" in found
        assert differences(_summary(first, "fp16"), _summary(path, "fp16")) == [], path


@pytest.mark.parametrize("exporter", ["torch-dynamo-embeds", "genai-embeds"])
def test_a_decoder_that_reads_rows_is_known_by_its_head(exporter: str, families: Families) -> None:
    path = _only(families("gemma3", exporter))
    plan = onnxquant.plan(path)
    assert plan["outputs"][0]["policy"] == "gemma-web"
    ends = {value["name"]: value for value in plan.output("fp16").values}
    assert (ends["logits"]["role"], ends["logits"]["type"]) == ("logits", "float32")


def test_a_merged_decoder_keeps_its_logits_in_float32(families: Families) -> None:
    plan = onnxquant.plan(families("t5", "optimum") / "decoder_model_merged.onnx")
    ends = {value["name"]: value for value in plan.output("fp16").values}
    assert (ends["logits"]["role"], ends["logits"]["type"]) == ("logits", "float32")


def test_experts_are_found_where_a_choice_leads_to_them(families: Families) -> None:
    path = _only(families("qwen3_moe", "torch-script"))
    roles = {row["role"]: row["nodes"] for row in onnxquant.inspect(path)["roles"]}
    assert roles["router"] == 2  # one in each layer
    assert roles["expert"] % 2 == 0
