"""docs/families.md is what its script writes, and its figures keep the bounds that it states."""

from blocks import ROOT
from onnxquant_tools.family_table import INTRODUCTION, page

PAGE = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
BOUNDS = (3e-2, 0.6)  # fp16, q4f16


def _rows() -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return rows[1:]


def test_the_page_is_the_scripts() -> None:
    head = page([]).rstrip("\n")
    assert PAGE.startswith(head)
    assert all(bound in INTRODUCTION for bound in ("3e-2", "0.6"))


def test_no_figure_on_the_cpu_is_beyond_the_bounds() -> None:
    rows = _rows()
    assert len(rows) > 100
    for row in rows:
        if row[0] == "vits":  # draws noise at every run
            continue
        for figure, bound in zip(row[6:8], BOUNDS, strict=True):
            if figure[0].isdigit():
                assert float(figure) <= bound, row


def test_every_family_of_language_models_has_a_policy_of_its_own() -> None:
    policies = {(row[0], row[3]) for row in _rows()}
    for family in ("llama", "qwen3", "phi3", "gpt2", "gemma", "lfm2", "gpt_oss", "t5", "whisper"):
        assert (family, "llm-web") in policies or (family, "transformersjs") not in policies
    assert {policy for family, policy in policies if family in ("gemma2", "gemma3")} == {
        "gemma-web"
    }
