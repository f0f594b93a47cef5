"""Tuning over a cluster: the choice of one process, and costs that are found once."""

from pathlib import Path
from typing import Any

import onnxquant
import pytest

distributed = onnxquant.distributed
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
ASKED: dict[str, Any] = {"size": 60_000, "count": 40, "confirm": False}


def _told(tuning: onnxquant.Tuning) -> dict[str, Any]:
    """Return what does not hang on time and place."""
    left_out = ("seconds", "output", "measured")
    return {key: value for key, value in tuning.to_dict().items() if key not in left_out}


def test_workers_find_the_policy_of_one_process(layers: Path, tmp_path: Path, client: Any) -> None:
    expected = onnxquant.tune(layers, MINE, **ASKED)
    seen: list[tuple[int, int]] = []
    cache = tmp_path / "costs.jsonl"
    tuning = distributed.tune(
        layers,
        MINE,
        client,
        parts=3,
        cache=cache,
        output=tmp_path / "mine.yaml",
        progress=lambda *state: seen.append(state),
        **ASKED,
    )
    assert tuning.policy.yaml == expected.policy.yaml == (tmp_path / "mine.yaml").read_text()
    assert _told(tuning) == _told(expected)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (expected["measured"], tuning["measured"]) == (7, 0)  # the parts measured them all
    lines = cache.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 7 * 3
    again = distributed.tune(layers, MINE, client, parts=2, cache=cache, **ASKED)
    assert again.policy.yaml == expected.policy.yaml
    assert cache.read_text().splitlines() == lines


def test_costs_that_gradients_foretell_are_kept(layers: Path, tmp_path: Path, client: Any) -> None:
    made = onnxquant.calibrate(layers, tmp_path / "c", sequences=8, length=16, gradients=4)
    other = onnxquant.calibrate(layers, tmp_path / "d", seed=1, sequences=8, length=16, gradients=4)
    expected = onnxquant.tune(layers, MINE, calibration=made, **ASKED)
    cache = tmp_path / "costs.jsonl"
    for _ in range(2):
        tuning = distributed.tune(
            layers, MINE, client, parts=4, cache=cache, calibration=made, **ASKED
        )
        assert tuning.policy.yaml == expected.policy.yaml
        assert len(cache.read_text().splitlines()) == 7 * 3
    onnxquant.tune(layers, MINE, cache=cache, calibration=other, **ASKED)
    assert len(cache.read_text().splitlines()) == 2 * 7 * 3


def test_a_part_finds_costs_and_chooses_nothing(layers: Path, tmp_path: Path) -> None:
    cache = tmp_path / "costs.jsonl"
    for number in (1, 2):
        part = onnxquant.tune(
            layers, MINE, part=(number, 2), cache=cache, count=40, output=tmp_path / "mine.yaml"
        )
        assert part["measured"] == 5 - number  # of seven
        assert "costs of a part" in repr(part)
        with pytest.raises(onnxquant.UsageError, match=r"nothing was chosen"):
            _ = part.policy
    assert not (tmp_path / "mine.yaml").exists()
    whole = onnxquant.tune(layers, MINE, cache=cache, **ASKED)
    assert whole["measured"] == 0
    with pytest.raises(onnxquant.UsageError, match="name the file with cache"):
        onnxquant.tune(layers, MINE, part=(1, 2))
    with pytest.raises(onnxquant.UsageError, match="part: found 3/2"):
        onnxquant.tune(layers, MINE, part=(3, 2), cache=cache)


def test_without_a_client_it_is_the_ordinary_one(layers: Path, tmp_path: Path) -> None:
    tuning = distributed.tune(layers, MINE, cache=tmp_path / "costs.jsonl", **ASKED)
    assert tuning["measured"] == 7
    assert (tmp_path / "costs.jsonl").exists()


def test_errors_of_workers_and_caches_are_raised_here(
    layers: Path, tmp_path: Path, client: Any
) -> None:
    with pytest.raises(onnxquant.UsageError, match="more than size allows"):
        distributed.tune(layers, MINE, client, parts=1, retries=0, size=1000)
    with pytest.raises(onnxquant.UsageError, match="is of one process"):
        distributed.tune(layers, MINE, client, part=(1, 2), **ASKED)
    with pytest.raises(onnxquant.UsageError, match="cannot be read"):
        distributed.tune(layers, MINE, client, cache=tmp_path, **ASKED)
    with pytest.raises(onnxquant.WriteError, match="cannot be written"):
        distributed.tune(layers, MINE, client, parts=1, cache="/dev/null/costs", **ASKED)
    with pytest.raises(TypeError, match="sise"):
        distributed.tune(layers, MINE, client, retries=0, sise=1)


def test_a_line_of_the_cache_that_was_cut_off_is_no_harm(
    layers: Path, tmp_path: Path, client: Any
) -> None:
    cache = tmp_path / "costs.jsonl"
    cache.write_text('{"model": "0')
    distributed.tune(layers, MINE, client, parts=1, cache=cache, **ASKED)
    assert len(cache.read_text().splitlines()) == 1 + 7 * 3
