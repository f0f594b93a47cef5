"""Policies of a size from Python: the command line's, and of use at once."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxquant
import pytest
from onnxquant import Policy

TOKENS = [list(range(30)), list(range(49, 20, -1))]
MINE: dict[str, Any] = {
    "policy": 1,
    "name": "mine",
    "outputs": {
        "q4": {
            "compute": "float32",
            "weights": {"format": "int4", "block": 16, "symmetric": False},
            "io": "float32",
        }
    },
}
SIZE = 60_000  # between all in 4 bits and all in 8


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return the policy as a file."""
    path = tmp_path / "mine.yaml"
    path.write_text(Policy.of(MINE).yaml)
    return path


def _cli(*arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "onnxquant", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """Return what does not hang on time and place."""
    return {key: value for key, value in result.items() if key not in ("seconds", "output")}


def test_the_policy_and_the_summary_are_the_command_lines(
    layers: Path, mine: Path, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.yaml", tmp_path / "theirs.yaml"
    tuning = onnxquant.tune(layers, mine, size=SIZE, count=40, seed=2, output=ours)
    said = _cli(
        *("tune", "-p", mine, "--size", str(SIZE), "--count", "40", "--seed", "2"),
        *("-o", theirs, layers),
    )
    assert ours.read_text() == theirs.read_text() == tuning.policy.yaml
    assert _told(tuning.to_dict()) == _told(said)
    assert (tuning["output"], tuning.path) == (str(ours), ours)
    assert tuning.policy.origin == str(ours)


def test_the_policy_is_of_use_at_once(layers: Path, tmp_path: Path) -> None:
    tuning = onnxquant.tune(layers, MINE, size=SIZE, tokens=TOKENS)
    assert tuning.path is None
    assert tuning.bytes is not None and SIZE * 0.85 < tuning.bytes <= SIZE
    report = onnxquant.quantize(layers, tuning.policy, output=tmp_path / "out")
    assert report.output("q4").bytes == tuning.bytes
    formats = {row["name"]: row["format"] for row in report.output("q4").tensors}
    assert {row["name"]: row["format"] for row in tuning.choices}.items() <= formats.items()
    assert len(set(formats.values())) > 1
    result = onnxquant.verify(layers, report.paths["q4"], "self", count=256, greedy=0, seed=1)
    measured = result.results[0]["language"]["kl_mean"]
    assert tuning.measured_kl == pytest.approx(measured, rel=0.05)
    assert tuning.predicted_kl == pytest.approx(measured, rel=2)


def test_a_tuning_shows_what_was_chosen(layers: Path) -> None:
    tuning = onnxquant.tune(layers, MINE, size=SIZE, confirm=False)
    assert tuning.dtype == "q4"
    assert tuning.measured_kl is None
    names = {"head", *(f"{word}{i}" for word in ("up", "down") for i in range(3))}
    assert {row["name"] for row in tuning.choices} == names
    assert set(tuning.to_pandas()["name"]) == names
    roles = tuning.by_role()
    assert sum(row["weights"] for row in roles) == len(names)
    assert sum(row["kl"] for row in roles) == pytest.approx(tuning.predicted_kl)
    sizes = [row["bytes"] for row in tuning.front]
    costs = [row["kl"] for row in tuning.front]
    assert sizes == sorted(sizes) and costs == sorted(costs, reverse=True)
    assert f"{tuning.bytes:,} bytes" in repr(tuning)
    page = tuning._repr_html_()
    assert "lm_head" in page and "predicted KL" in page and "int8 block 16" in page


def test_a_bound_of_the_loss_takes_more_bytes_where_it_is_tighter(layers: Path) -> None:
    front = onnxquant.tune(layers, MINE, front=True).front
    bound = front[len(front) // 2]["kl"]
    tight = onnxquant.tune(layers, MINE, max_kl=bound, confirm=False)
    loose = onnxquant.tune(layers, MINE, max_kl=2 * bound, confirm=False)
    assert tight.predicted_kl is not None and tight.predicted_kl <= bound
    assert tight.bytes is not None and loose.bytes is not None
    assert loose.bytes < tight.bytes


def test_what_each_size_costs_is_told_without_a_choice(layers: Path, tmp_path: Path) -> None:
    tuning = onnxquant.tune(layers, MINE, front=True, output=tmp_path / "t.yaml")
    assert len(tuning.front) > 3
    assert (tuning.bytes, tuning.predicted_kl, tuning.measured_kl) == (None, None, None)
    assert (tuning.path, tuning.choices) == (None, [])
    assert not (tmp_path / "t.yaml").exists()
    assert len(tuning.to_pandas()) == len(tuning.front)
    assert f"{tuning.front[0]['bytes']:,} to" in repr(tuning)
    assert "predicted KL" in tuning._repr_html_()
    with pytest.raises(onnxquant.UsageError, match="nothing was chosen"):
        _ = tuning.policy


def test_a_long_front_is_shown_in_part() -> None:
    front = [{"bytes": 1000 + 10 * i, "kl": 1 / (i + 1)} for i in range(200)]
    data = {"output": None, "model": "m", "dtype": "q4", "bytes": None, "predicted_kl": None,
            "measured_kl": None, "weights": [], "front": front}  # fmt: skip
    page = onnxquant.Tuning(data, None)._repr_html_()
    assert page.count("<tr>") == 1 + 24
    assert "<td style='text-align:right'>1,000</td>" in page
    assert "<td style='text-align:right'>2,990</td>" in page


def test_gradients_of_a_calibration_foretell_costs(layers: Path, tmp_path: Path) -> None:
    made = onnxquant.calibrate(layers, tmp_path / "c", sequences=8, length=16, gradients=4)
    foretold = onnxquant.tune(layers, MINE, size=SIZE, calibration=made, confirm=False)
    assert foretold["measured"] == 0
    measured = onnxquant.tune(
        layers, MINE, size=SIZE, calibration=made.path, measure=True, confirm=False
    )
    assert measured["measured"] == len(measured.choices)
    assert "method: gptq" in foretold.policy.yaml
    report = onnxquant.quantize(layers, foretold.policy, calibration=made, output=tmp_path / "out")
    assert report.output("q4").bytes == foretold.bytes


def test_costs_are_kept_and_not_measured_again(layers: Path, tmp_path: Path) -> None:
    cache = tmp_path / "costs.jsonl"
    first = onnxquant.tune(layers, MINE, front=True, cache=cache)
    again = onnxquant.tune(layers, MINE, front=True, cache=cache)
    assert first["measured"] == 7
    assert again["measured"] == 0
    assert again.front == first.front
    cache.write_text("no costs\n")
    with pytest.raises(onnxquant.UsageError, match=r"costs\.jsonl:1: is no measured cost"):
        onnxquant.tune(layers, MINE, front=True, cache=cache)


def test_formats_and_rules_are_texts_or_dicts(layers: Path) -> None:
    texts = ["{format: int2, block: 16, symmetric: false}", "int8"]
    dicts: list[dict[str, Any]] = [
        {"format": "int2", "block": 16, "symmetric": False},
        {"format": "int8"},
    ]
    rule = {"match": {"weight": "head"}, "weights": "float32"}
    policy = Policy.of(MINE).with_rule({"weight": "up0"}, weights="float32")
    text = "match: {weight: head}, weights: float32"
    tunings = [
        onnxquant.tune(layers, policy, max_kl=1, formats=texts, rules=text, confirm=False),
        onnxquant.tune(layers, policy, max_kl=1, formats=dicts, rules=[rule], confirm=False),
    ]
    chosen = [{row["name"]: row["format"] for row in tuning.choices} for tuning in tunings]
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"up1", "up2", "down0", "down1", "down2"}
    assert any("int2" in form for form in chosen[0].values())
    assert tunings[0].policy.rules == ()
    assert "up0" in tunings[0].policy.yaml


def test_one_output_is_chosen_by_name(layers: Path) -> None:
    two = {**MINE, "outputs": {"q4": MINE["outputs"]["q4"], "q8": MINE["outputs"]["q4"]}}
    with pytest.raises(
        onnxquant.UsageError, match="choose it with dtypes=; policy mine has q4, q8"
    ):
        onnxquant.tune(layers, two, front=True)
    assert onnxquant.tune(layers, two, front=True, dtypes="q8").dtype == "q8"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, onnxquant.UsageError, "size=, max_kl= or front=True is needed"),
        ({"size": 1, "max_kl": 1}, onnxquant.UsageError, "expected one of them"),
        ({"size": -1}, onnxquant.UsageError, "size=-1"),
        ({"max_kl": -1}, onnxquant.UsageError, "max_kl=-1"),
        ({"max_kl": float("nan")}, onnxquant.UsageError, "max_kl=nan"),
        ({"size": 1000}, onnxquant.UsageError, "more than size allows; .* with formats$"),
        ({"max_kl": 1e-12}, onnxquant.UsageError, "allow more with max_kl, or .* with formats$"),
        ({"front": True, "count": 1}, onnxquant.UsageError, "count=1: expected 2 to"),
        ({"front": True, "threads": -1}, onnxquant.UsageError, "threads=-1"),
        ({"front": True, "memory": -1}, onnxquant.UsageError, "memory=-1"),
        ({"front": True, "formats": "int4"}, onnxquant.UsageError, "but one format"),
        ({"front": True, "formats": "int5"}, onnxquant.PolicyError, "^formats:1:.*'int5'"),
        ({"front": True, "dtypes": "q8"}, onnxquant.UsageError, "q8"),
        ({"front": True, "calibration": "none"}, onnxquant.UsageError, "none: "),
        ({"front": True, "tokens": [1, 50]}, onnxquant.UsageError, "^tokens: token 2 is 50"),
    ],
)
def test_arguments_that_are_wrong_are_named(
    layers: Path, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        onnxquant.tune(layers, MINE, output=tmp_path / "t.yaml", **arguments)
    assert not (tmp_path / "t.yaml").exists()


def test_models_and_policies_that_cannot_be_tuned_are_refused(
    layers: Path, mlp: Path, tmp_path: Path
) -> None:
    with pytest.raises(onnxquant.ModelError, match="cannot be opened"):
        onnxquant.tune(tmp_path / "none.onnx", MINE, front=True)
    with pytest.raises(onnxquant.UsageError, match="type NoneType"):
        onnxquant.tune(None, MINE, front=True)  # type: ignore[arg-type]
    with pytest.raises(onnxquant.UsageError, match=r"logits|tokens"):
        onnxquant.tune(mlp, MINE, front=True)
    with pytest.raises(onnxquant.PolicyError, match="did you mean"):
        onnxquant.tune(layers, "gemma-wep", front=True)
    flow = Policy(json.dumps(MINE))
    with pytest.raises(onnxquant.PolicyError, match="let 'rules:' be its last key"):
        onnxquant.tune(layers, flow, front=True)


def test_the_rules_of_a_dict_come_before_those_that_were_chosen(layers: Path) -> None:
    rules = [{"match": {"weight": "head"}, "weights": "float32"}]
    first = {"policy": 1, "rules": rules, **MINE}  # not the last key, as a file's have to be
    tuning = onnxquant.tune(layers, first, max_kl=1, confirm=False)
    assert "head" not in {row["name"] for row in tuning.choices}
    assert len(onnxquant.plan(layers, tuning.policy).output("q4").tensors) == 8


def test_files_are_not_replaced_unasked_and_inputs_never(
    layers: Path, mine: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.yaml"
    out.write_text("mine")
    with pytest.raises(onnxquant.WriteError, match="exists already; force=True replaces it"):
        onnxquant.tune(layers, mine, size=SIZE, output=out, confirm=False)
    assert out.read_text() == "mine"
    onnxquant.tune(layers, mine, size=SIZE, output=out, confirm=False, force=True)
    assert out.read_text().startswith(mine.read_text())
    model = layers.read_bytes()
    with pytest.raises(onnxquant.WriteError):
        onnxquant.tune(layers, mine, size=SIZE, output=layers, confirm=False, force=True)
    assert layers.read_bytes() == model


def test_a_confirmation_without_room_says_how_to_do_without(
    layers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/null")
    with pytest.raises(onnxquant.WriteError, match="or give confirm=False"):
        onnxquant.tune(layers, MINE, size=SIZE)


def test_progress_is_told_to_the_end(layers: Path) -> None:
    calls: list[tuple[int, int]] = []
    onnxquant.tune(
        layers, MINE, front=True, progress=lambda done, total: calls.append((done, total))
    )
    assert calls[-1] == (7, 7)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_it_and_leaves_nothing(
    layers: Path, tmp_path: Path, interrupt: Callable[[], None]
) -> None:
    (tmp_path / "out").mkdir()
    threading.Timer(0.5, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        onnxquant.tune(layers, MINE, size=SIZE, count=1 << 20, output=tmp_path / "out" / "t.yaml")
    assert list((tmp_path / "out").iterdir()) == []
