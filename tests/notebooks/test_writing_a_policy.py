"""The notebook on policies plans, compares and measures what it says."""

import pytest
from executed import Executed, colors_of

QUESTIONS = {
    "why": "plan.why(table)",
    "message": "message",
    "changed": "sorted(changes.name)",
    "formats": "sorted(set(changes.format_after))",
    "bytes": "[p.output('q4f16').bytes for p in plans.values()]",
    "files": "[sum(f.stat().st_size for f in r.directory.iterdir()) for r in written.values()]",
    "kl": "list(kl.values())",
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONNXQUANT_OUT", str(tmp_path_factory.mktemp("out")))
        return Executed("writing_a_policy", QUESTIONS)


def test_the_reasons_end_with_the_rule_on_the_embedding(book: Executed) -> None:
    assert book["why"][-1].startswith("rule at gemma-web:")
    assert book["why"][-1].endswith("sets compute: float32, weights: int8 block 32 symmetric")


def test_a_wrong_word_is_an_error_with_the_nearest_word(book: Executed) -> None:
    assert "norms" in book["message"] and "did you mean 'norm'" in book["message"]


def test_the_rule_changes_two_projections_in_four_layers(book: Executed) -> None:
    assert len(book["changed"]) == 8
    assert {name.split(".")[2] for name in book["changed"]} == {"0", "1", "16", "17"}
    assert book["formats"] == ["float16"]


def test_the_plans_predict_the_files_to_the_byte_and_more_bits_cost_more(book: Executed) -> None:
    assert book["files"] == book["bytes"]
    assert book["bytes"][0] < book["bytes"][1]


def test_more_bits_bring_the_logits_nearer(book: Executed) -> None:
    before, after = book["kl"]
    assert 0 < after < before < 1


def test_the_plot_has_a_color_for_each_role(book: Executed) -> None:
    (plot,) = book.plots()
    assert colors_of(plot) >= 5
