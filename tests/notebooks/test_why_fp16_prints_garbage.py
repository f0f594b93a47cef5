"""The notebook that explains the field's fault says what is so, on the real Gemma 3 270M."""

import pytest
from executed import Executed, colors_of

QUESTIONS = {
    "first layer": "first_beyond",
    "peak": "largest",
    "sums": "len(peaks)",
    "before": "[(r['provider'], r['passed']) for r in before.results]",
    "after": "[(r['provider'], r['passed']) for r in after.results]",
    "kl": "[r['language']['kl_mean'] for r in after.results]",
    "first bad": "before.results[1]['first_bad']",
    "overflowing": "sorted({row['op'] for row in ranges.overflowing()})",
    "found": "[row['kind'] for row in finding.findings]",
    "sums found": "finding.findings[0]['count']",
    "mended": "onnxquant.check(mended.paths['fp16']).findings",
    "answer": "[(r['provider'], r['passed']) for r in answer.results]",
    "greedy": "[r['greedy']['same'] for r in answer.results]",
    "sizes": "[report.output('fp16').bytes for report in (broken, fixed)]",
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONNXQUANT_OUT", str(tmp_path_factory.mktemp("out")))
        return Executed("why_fp16_prints_garbage", QUESTIONS)


def test_the_residual_stream_leaves_float16_in_layer_7(book: Executed) -> None:
    assert book["first layer"] == 7
    assert book["sums"] == 36  # two a layer, of 18
    assert book["peak"] == pytest.approx(1.04e5, rel=0.02)


def test_the_file_fails_where_float16_is_real_and_passes_on_the_cpu(book: Executed) -> None:
    assert book["before"] == [("cpu", True), ("simulated", False)]
    assert "layers.7" in book["first bad"]


def test_the_mended_file_passes_on_both_and_is_smaller_by_its_rotary_tables(book: Executed) -> None:
    assert book["after"] == [("cpu", True), ("simulated", True)]
    assert max(book["kl"]) < 1e-3
    broken, fixed = book["sizes"]
    assert broken - fixed == pytest.approx(33_560_000, rel=0.01)


def test_the_broken_file_alone_is_found_out_and_mended(book: Executed) -> None:
    assert book["found"] == ["residual_in_half"]
    assert book["sums found"] == 36
    assert book["mended"] == []
    assert book["answer"] == [("cpu", True), ("simulated", True)]
    assert book["greedy"] == [4, 4]


def test_the_plot_has_bars_within_and_beyond_the_limit(book: Executed) -> None:
    (plot,) = book.plots()
    assert colors_of(plot) >= 2


def test_the_tables_show_operators_values_and_verdicts(book: Executed) -> None:
    tables = "".join(book.shown("text/html"))
    for words in ("MatMul", "/model/layers.7/Add_2/output_0", "simulated", "✗", "✓"):
        assert words in tables, words
