"""The HTML report in a real browser: what it draws, sorts and filters, in light and dark."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from browser import Browser, Scheme
from onnx import TensorProto, helper, numpy_helper
from onnxquant_tools.product import program
from report_page import ReportPage

LAYERS = 4
HOSTILE = "</script><!--<script>document.title='broken out'</script><b>\"'&"
POLICY = """policy: 1
name: p
outputs:
  fp16: {compute: float16, weights: float16, io: float32}
  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}
"""


def _model() -> onnx.ModelProto:
    """Return a stream of branches behind RMS norms; one weight's name is markup."""
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(random.normal(0, 0.1, shape).astype(np.float32), name)

    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["h0"], "/embed/Gather")]
    weights = [weight("table", 100, 64)]
    for i in range(LAYERS):
        name = HOSTILE if i == 0 else f"layers.{i}.weight"
        weights += [weight(f"layers.{i}.gain", 64), weight(name, 64, 64)]
        place = f"/model/layers.{i}"
        nodes += [
            helper.make_node(
                "LayerNormalization",
                [f"h{i}", f"layers.{i}.gain"],
                [f"n{i}"],
                f"{place}/norm",
            ),
            helper.make_node("MatMul", [f"n{i}", name], [f"b{i}"], f"{place}/proj"),
            helper.make_node("Add", [f"h{i}", f"b{i}"], [f"h{i + 1}"], f"{place}/Add"),
        ]
    weights += [weight("gain", 64), weight("head", 64, 100)]
    nodes += [
        helper.make_node("LayerNormalization", [f"h{LAYERS}", "gain"], ["n"], "/norm"),
        helper.make_node("MatMul", ["n", "head"], ["logits"], "/head"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", 100])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture(scope="module")
def folder(scratch: Path) -> Path:
    """Return a folder with the model, its policy and ranges with two peaks beyond float16."""
    folder = scratch / "report"
    folder.mkdir()
    onnx.save(_model(), folder / "model.onnx")
    (folder / "p.yaml").write_text(POLICY)
    peaks = {f"h{i}": {"peak": 30000.0 * i, "layer": i - 1} for i in range(1, LAYERS + 1)}
    (folder / "ranges.json").write_text(json.dumps({"tokens": 9, "values": peaks}))
    return folder


def _run(*arguments: str | Path) -> None:
    done = subprocess.run(
        [str(program()), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def plan(browser: Browser, folder: Path) -> ReportPage:
    """Return the page of a plan with ranges."""
    _run(
        *("plan", "--policy", folder / "p.yaml", folder / "model.onnx", "--quiet"),
        *("--ranges", folder / "ranges.json", "--report", folder / "plan.html"),
    )
    return ReportPage(browser, folder / "plan.html")


@pytest.fixture(scope="module")
def verified(browser: Browser, folder: Path) -> ReportPage:
    """Return the page of a verification of two candidates on two providers."""
    _run(
        "--policy",
        folder / "p.yaml",
        folder / "model.onnx",
        "-o",
        folder / "out",
        "--quiet",
    )
    tokens = folder / "tokens.npy"
    np.save(tokens, np.arange(40, dtype=np.int64))
    _run(
        *("verify", folder / "model.onnx", folder / "out" / "model_fp16.onnx"),
        *(
            folder / "out" / "model_q4.onnx",
            "--provider",
            "cpu,simulated",
            "--tokens",
            tokens,
        ),
        *("--layers", "--quiet", "--report", folder / "verify.html"),
    )
    return ReportPage(browser, folder / "verify.html")


@pytest.fixture(scope="module")
def checked(browser: Browser, folder: Path) -> ReportPage:
    """Return the page of a check that finds a norm of two types, whose name is markup."""
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (float16[n,4] x) => (float16[n,4] y) '
        "<float[4] gain = {1,1,1,1}> { m = LayerNormalization(x, gain) "
        "y = LayerNormalization(m, gain) }"
    )
    model.graph.node[0].name = HOSTILE
    onnx.save(model, folder / "mixed.onnx")
    page = folder / "check.html"
    command = [str(program()), "check", "-q", str(folder / "mixed.onnx"), "--report", str(page)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 5
    return ReportPage(browser, page)


def test_a_check_shows_each_finding_with_its_remedy_and_the_command(checked: ReportPage) -> None:
    for width in (380, 1200):
        checked.open("light", width)
        assert checked.evaluate("document.documentElement.scrollWidth") <= width
    assert checked.texts("#check .finding h3") == ["error mixed_norm"]
    assert HOSTILE in checked.texts("#check .where code")
    assert "Remedy: give the norm one type" in checked.texts("#check .finding")[0]
    assert checked.texts("#check .finding li")[0] == HOSTILE
    assert "1 error, 0 warnings" in checked.texts("#check .note")[0]
    assert "onnxquant --policy repair" in checked.texts("#check .command")[0]
    assert checked.faults() == []


@pytest.fixture(scope="module")
def tuned(browser: Browser, folder: Path) -> ReportPage:
    """Return the page of a policy that was tuned to a size, with the front."""
    tokens = folder / "few.npy"
    np.save(tokens, np.arange(8, dtype=np.int64))
    _run(
        *("tune", "--policy", folder / "p.yaml", "--dtype", "q4", folder / "model.onnx", "-q"),
        *("--size", "50k", "--front", "--tokens", tokens, "-o", folder / "tuned.yaml"),
        *("--no-confirm", "--report", folder / "tune.html"),
    )
    return ReportPage(browser, folder / "tune.html")


def test_a_tuning_shows_what_each_size_costs_and_what_was_chosen(tuned: ReportPage) -> None:
    for width in (380, 1200):
        tuned.open("dark", width)
        assert tuned.evaluate("document.documentElement.scrollWidth") <= width
    data: Any = tuned.evaluate("JSON.parse(document.getElementById('tune-data').textContent)")
    assert tuned.count(".front-chart .spot") == len(data["front"]) > 2
    assert tuned.count(".front-chart .bar") == 2  # before, and chosen; nothing was measured
    tuned.evaluate("document.querySelector('.front-chart .spot').focus()")
    tuned.press("End")
    assert tuned.texts("#tip")[0].startswith("chosen: ")
    stored = tuned.texts("#tuning .scroll td:nth-child(3)")
    assert sum(int(count) for count in stored[-2:]) <= len(data["weights"])
    assert tuned.faults() == []


def _column(page: ReportPage, number: int) -> list[str]:
    return page.texts(f"#plan tbody tr > :nth-child({number})")


def _bytes(page: ReportPage) -> list[int]:
    return [int(re.sub(r"\D", "", text)) for text in _column(page, 6)]


@pytest.mark.parametrize("width", [380, 1200])
@pytest.mark.parametrize(("scheme", "lightest", "darkest"), [("light", 1, 0.8), ("dark", 0.35, 0)])
def test_it_is_drawn_in_the_readers_colours_at_any_width(
    scheme: Scheme,
    lightest: float,
    darkest: float,
    width: int,
    plan: ReportPage,
    verified: ReportPage,
    scratch: Path,
) -> None:
    for page in (plan, verified):
        page.open(scheme, width)
        picture = page.picture(scratch / "report.png", width)
        assert picture.colours > 50
        assert darkest < picture.brightness < lightest
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.faults() == []


def test_the_button_changes_the_colours(plan: ReportPage, scratch: Path) -> None:
    plan.open("dark")
    assert plan.texts("#theme") == ["Light colours"]
    plan.click("#theme")
    assert plan.picture(scratch / "report.png").brightness > 0.8


def test_every_sum_of_the_stream_is_a_bar_and_those_beyond_float16_are_marked(
    plan: ReportPage,
) -> None:
    plan.open()
    assert plan.count(".peaks-chart .bar") == LAYERS
    assert plan.count(".peaks-chart .bar.over") == 2  # 90000 and 120000
    tops = plan.evaluate(
        "[...document.querySelectorAll('.peaks-chart .bar')].map(b => b.y.baseVal.value)"
    )
    assert tops == sorted(tops, reverse=True)
    limit = plan.evaluate("document.querySelector('.limit').y1.baseVal.value")
    assert tops[1] > limit > tops[2]


def test_bytes_are_drawn_for_each_role_and_format_of_the_chosen_output(
    plan: ReportPage,
) -> None:
    plan.open()
    for dtype in ("fp16", "q4"):
        plan.click(f".card[data-dtype={dtype}]")
        data: Any = plan.evaluate("JSON.parse(document.getElementById('plan-data').textContent)")
        output = next(one for one in data["outputs"] if one["dtype"] == dtype)
        pairs = {(row["role"], row["format"]) for row in output["tensors"]}
        assert plan.count(".bytes-chart .bar") == len(pairs)
        assert plan.texts(".card[aria-pressed=true] .dtype") == [dtype]


def test_the_table_sorts_in_both_directions(plan: ReportPage) -> None:
    plan.open()
    unsorted = _bytes(plan)
    head = "#plan thead th:nth-child(6)"
    plan.click(f"{head} button")
    assert _bytes(plan) == sorted(unsorted, reverse=True) != unsorted
    assert plan.evaluate(f"document.querySelector('{head}').ariaSort") == "descending"
    plan.click(f"{head} button")
    assert _bytes(plan) == sorted(unsorted)


def test_the_table_is_narrowed_down_by_words_and_choices(plan: ReportPage) -> None:
    plan.open()
    rows = plan.count("#plan tbody tr")
    plan.enter("filter-text", "LAYERS.2")
    names = _column(plan, 1)
    assert names == ["layers.2.gain", "layers.2.weight"]
    plan.enter("filter-role", "norm")
    assert _column(plan, 1) == ["layers.2.gain"]
    plan.enter("filter-text", "")
    plan.enter("filter-role", "")
    assert plan.count("#plan tbody tr") == rows


def test_a_name_opens_its_reasons_from_the_keyboard(plan: ReportPage) -> None:
    plan.open()
    plan.evaluate("document.querySelector('button.open').focus()")
    plan.press("Enter")
    assert "output 'fp16'" in plan.texts("tr.why li")[0]
    plan.press("Enter")
    assert plan.count("tr.why") == 0


def test_arrow_keys_walk_a_chart_and_show_its_figures(plan: ReportPage) -> None:
    plan.open()
    plan.evaluate("document.querySelector('.peaks-chart .bar').focus()")
    plan.press("End")
    assert "h4: peak" in plan.texts("#tip")[0]
    assert "1.83 times" in plan.texts("#tip")[0]


def test_names_are_text_even_when_they_are_markup(plan: ReportPage) -> None:
    plan.open()
    assert plan.evaluate("document.title") == "onnxquant: model.onnx"
    assert HOSTILE in _column(plan, 1)


def test_a_verification_shows_its_matrix_and_the_divergence_of_each_position(
    verified: ReportPage,
) -> None:
    verified.open()
    assert verified.count(".matrix tbody tr") == 2
    assert verified.texts(".matrix thead th") == ["candidate", "cpu", "simulated"]
    assert verified.texts(".matrix tbody th") == ["model_fp16.onnx", "model_q4.onnx"]
    assert verified.count(".matrix .pass") == 4
    assert verified.count("#figures tbody tr") == 4
    assert verified.count(".kl-chart") == 4
    assert verified.count(".kl-chart .spot") == 4 * 40
    assert verified.count(".kl-chart .course") >= 4


def test_a_verification_shows_the_error_of_each_layer(verified: ReportPage) -> None:
    verified.open()
    assert verified.count(".layers-chart") == 4
    data: Any = json.loads(
        str(verified.evaluate("document.getElementById('verify-data').textContent"))
    )
    layers = sum(len(result["layers"]) for result in data["results"])
    assert verified.count(".layers-chart .bar.safe") == layers >= 4
    assert verified.count(".layers-chart .worst") == 4
    verified.evaluate("document.querySelector('.layers-chart .bar').focus()")
    assert "dB; worst" in verified.texts("#tip")[0]


def test_positions_with_nan_are_marked_and_leave_a_gap_in_the_line(
    browser: Browser, folder: Path, verified: ReportPage
) -> None:
    verified.open()
    whole = verified.evaluate("document.getElementById('verify-data').textContent")
    data: Any = json.loads(str(whole))
    data["results"][0]["language"]["kl_by_position"]["largest"][7:10] = [None] * 3
    data["results"][1]["language"]["kl_by_position"]["largest"] = [None] * 40
    data["results"][1] |= {"passed": False, "failures": ["NaN or Inf"]}
    page = (folder / "verify.html").read_text()
    (folder / "bad.html").write_text(page.replace(str(whole), json.dumps(data)))
    bad = ReportPage(browser, folder / "bad.html")
    bad.open()
    assert bad.count(".kl-chart") == 3
    assert bad.count(".kl-chart .spot.bad") == 3
    assert bad.count(".kl-chart .course") == 4  # one is in two parts
    assert bad.texts("#kl .nothing") == ["NaN or Inf at every position."]
    assert bad.count(".matrix .fail") == 1
    assert bad.texts(".matrix small") == ["NaN or Inf"]
    assert bad.faults() == []
