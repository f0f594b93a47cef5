"""The notebook on calibration and tuning shows what they bring, on the real Gemma 3 270M."""

import pytest
from executed import Executed, colors_of

QUESTIONS = {
    "tokens": "calibration.tokens",
    "gradients": "len(calibration.gradients)",
    "warnings": "calibration.warnings",
    "bytes": "tuning.bytes",
    "measured": "tuning['measured']",
    "policy": "(out / 'tuned.yaml').read_text() == tuning.policy.yaml",
    "roles": "tuning.by_role()",
    "front": "[tuning.front[0]['bytes'], tuning.front[-1]['bytes']]",
    "rules": "rules",
    "files": "[sum(f.stat().st_size for f in r.directory.iterdir()) for r in reports.values()]",
    "sizes": "list(size.values())",
    "methods": "[sorted({row['method'] for row in r.output('q4f16').tensors if row['method']})"
    " for r in reports.values()]",
    "kl": "list(kl.values())",
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONNXQUANT_OUT", str(tmp_path_factory.mktemp("out")))
        return Executed("calibrate_and_tune", QUESTIONS)


def test_the_model_reads_its_own_text_forwards_and_backwards(book: Executed) -> None:
    assert book["tokens"] == 8 * 64
    assert book["gradients"] >= 18 * 7
    assert any("fewer rows than elements" in sentence for sentence in book["warnings"])


def test_the_policy_is_of_the_size_and_foretold_without_a_run(book: Executed) -> None:
    assert 189_000_000 < book["bytes"] <= 190_000_000
    assert book["measured"] == 0
    assert book["policy"]
    least, most = book["front"]
    assert least < book["bytes"] < most


def test_the_rules_are_by_role_and_layers(book: Executed) -> None:
    assert "nats per token" in book["rules"]
    assert "- match: {role: " in book["rules"]
    assert {row["role"] for row in book["roles"]} >= {"embedding", "v_proj", "down_proj"}
    assert len({row["format"] for row in book["roles"]}) >= 2


def test_the_files_are_of_the_sizes_that_were_foretold(book: Executed) -> None:
    assert book["files"] == book["sizes"]
    assert book["sizes"][0] == book["sizes"][1] == pytest.approx(237e6, rel=0.01)
    assert book["sizes"][2] == book["bytes"]
    assert ["gptq" in methods for methods in book["methods"]] == [False, True, True]


def test_calibrated_codes_lose_less_and_so_does_the_smaller_file(book: Executed) -> None:
    nearest, calibrated, tuned = book["kl"]
    assert calibrated < 0.8 * nearest
    assert tuned < 0.8 * nearest


def test_the_plot_has_the_front_and_the_choice(book: Executed) -> None:
    (plot,) = book.plots()
    assert colors_of(plot) >= 2


def test_the_tables_show_values_roles_and_verdicts(book: Executed) -> None:
    tables = "".join(book.shown("text/html"))
    for words in ("/model/layers.7/", "embedding", "int8 block 32", "predicted KL", "✓"):
        assert words in tables, words
