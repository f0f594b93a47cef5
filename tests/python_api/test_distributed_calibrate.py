"""Calibration in slices: the sum of what one process makes of them, whoever makes it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxquant
import pytest
from onnxquant.distributed.slices import slices_of

distributed = onnxquant.distributed
OWN: dict[str, Any] = {"sequences": 6, "length": 16, "slices": 3}
TOKENS = [list(range(5 * i, 5 * i + 12)) for i in range(7)]


def _cut(tokens: Any = "self", inputs: Any = None, **changed: int) -> list[dict[str, Any]]:
    numbers = {"slices": 4, "count": 0, "sequences": 10, "gradients": 0, "seed": 5, **changed}
    return slices_of(tokens, inputs, **numbers)


def _folder_of(output: Path) -> Path:
    return output.with_name(output.name + ".slices")


def test_workers_make_the_bytes_of_one_process(layers: Path, tmp_path: Path, client: Any) -> None:
    seen: list[tuple[int, int]] = []
    made = distributed.calibrate(
        layers,
        tmp_path / "c",
        "self",
        client,
        gradients=4,
        progress=lambda *state: seen.append(state),
        **OWN,
    )
    here = distributed.calibrate(layers, tmp_path / "here", gradients=4, **OWN)
    assert made.path.read_bytes() == here.path.read_bytes()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (made.tokens, made.metadata["seed"]) == (96, "0, 2, 4")
    assert made.metadata["gradient_sequences"] == "4"
    assert os.listdir(tmp_path) and not _folder_of(made.path).exists()


def test_the_sum_is_that_of_the_slices_merged_by_hand(layers: Path, tmp_path: Path) -> None:
    made = distributed.calibrate(layers, tmp_path / "c", TOKENS, slices=3, count=80, gradients=4)
    slices = [TOKENS[:3], TOKENS[3:5], [*TOKENS[5:6], TOKENS[6][:8]]]
    files = [
        onnxquant.calibrate(layers, tmp_path / str(i), rows, gradients=2 - (i > 0))
        for i, rows in enumerate(slices)
    ]
    by_hand = onnxquant.merge_calibrations(files, tmp_path / "by_hand")
    assert made.path.read_bytes() == by_hand.path.read_bytes()
    at_once = onnxquant.calibrate(layers, tmp_path / "once", TOKENS, count=80).arrays()
    for name, sums in at_once.items():
        assert np.allclose(made.arrays()[name], sums, rtol=1e-5, atol=1e-5), name


def test_made_up_inputs_are_those_of_one_run(mlp: Path, tmp_path: Path) -> None:
    made = distributed.calibrate(mlp, tmp_path / "c", sequences=5, slices=2, dims={"n": 40})
    once = onnxquant.calibrate(mlp, tmp_path / "once", sequences=5, dims={"n": 40})
    assert made.metadata["sequences"] == once.metadata["sequences"] == "5"
    for name, sums in once.arrays().items():
        assert np.allclose(made.arrays()[name], sums, rtol=1e-5, atol=1e-5), name


def test_given_inputs_are_shared_out(mlp: Path, tmp_path: Path, client: Any) -> None:
    runs = [np.full((40, 64), i, np.float32) for i in range(1, 6)]
    (tmp_path / "runs").mkdir()
    for i, run in enumerate(runs):
        np.save(tmp_path / "runs" / f"{i}.npy", run)
    made = [
        distributed.calibrate(mlp, tmp_path / str(i), client=workers, inputs=inputs, slices=2)
        for i, (inputs, workers) in enumerate(
            [(runs, None), (runs, client), (tmp_path / "runs", None)]
        )
    ]
    assert len({calibration.path.read_bytes() for calibration in made}) == 1
    assert {row["name"]: row["rows"] for row in made[0].values} == {"x": 200, "r": 200}


def test_what_is_done_is_not_done_again(layers: Path, tmp_path: Path) -> None:
    expected = distributed.calibrate(layers, tmp_path / "expected", **OWN)

    def leave(done: int, _of: int) -> None:
        if done == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        distributed.calibrate(layers, tmp_path / "c", progress=leave, **OWN)
    kept = sorted(_folder_of(tmp_path / "c").glob("*/sums.safetensors"))
    assert len(kept) == 2
    before = [file.read_bytes() for file in kept]
    seen: list[tuple[int, int]] = []

    def look(done: int, of: int) -> None:
        if not seen:
            assert [file.read_bytes() for file in kept] == before
            for file in kept:
                file.write_bytes(b"")  # whoever made it again would mend it
        seen.append((done, of))

    with pytest.raises(onnxquant.UsageError, match=r"sums\.safetensors"):
        distributed.calibrate(layers, tmp_path / "c", progress=look, **OWN)
    assert seen == [(2, 3), (3, 3)]
    for file, content in zip(kept, before, strict=True):
        assert file.read_bytes() == b""
        file.write_bytes(content)
    result = distributed.calibrate(layers, tmp_path / "c", **OWN)
    assert result.path.read_bytes() == expected.path.read_bytes()


def test_slices_of_another_model_are_refused(
    layers: Path, text_model: Path, tmp_path: Path
) -> None:
    def leave(_done: int, _of: int) -> None:
        raise RuntimeError("enough")

    for path, folder in ((layers, "a"), (text_model, "b")):
        with pytest.raises(RuntimeError, match="enough"):
            distributed.calibrate(
                path, tmp_path / "c", folder=tmp_path / folder, progress=leave, **OWN
            )
    theirs = next((tmp_path / "b").glob("*/sums.safetensors"))
    next((tmp_path / "a").glob("*/sums.safetensors")).write_bytes(theirs.read_bytes())
    with pytest.raises(onnxquant.UsageError, match=r"slice is of another model.*another folder="):
        distributed.calibrate(layers, tmp_path / "c", folder=tmp_path / "a", **OWN)
    theirs.write_bytes(b"x")
    with pytest.raises(onnxquant.WriteError, match="is no slice of a calibration; remove it"):
        distributed.calibrate(text_model, tmp_path / "c", folder=tmp_path / "b", **OWN)
    # Those of other arguments, and so of another text, are left alone.
    made = distributed.calibrate(text_model, tmp_path / "c", folder=tmp_path / "b", seed=9, **OWN)
    assert made.metadata["seed"] == "9, 11, 13"
    assert theirs.exists()


def test_what_stands_there_is_replaced_only_where_it_may_be(layers: Path, tmp_path: Path) -> None:
    made = distributed.calibrate(layers, tmp_path / "c", **OWN)
    before = made.path.read_bytes()
    with pytest.raises(onnxquant.WriteError, match="exists already; force=True replaces it"):
        distributed.calibrate(layers, tmp_path / "c", seed=50, **OWN)
    distributed.calibrate(layers, tmp_path / "c", seed=50, force=True, **OWN)
    assert made.path.read_bytes() != before
    model = layers.read_bytes()
    with pytest.raises(onnxquant.WriteError, match="is no calibration, and is not replaced"):
        distributed.calibrate(layers, layers, force=True, **OWN)
    assert layers.read_bytes() == model
    with pytest.raises(onnxquant.WriteError, match="/dev/null"):
        distributed.calibrate(layers, "/dev/null/c", **OWN)


def test_an_error_says_in_which_slice(layers: Path, tmp_path: Path, client: Any) -> None:
    tokens = [*TOKENS, [1, 50]]
    with pytest.raises(onnxquant.UsageError, match=r"is 50; .* \(in slice 4 of 4\)"):
        distributed.calibrate(layers, tmp_path / "c", tokens, client, slices=4, retries=0)
    with pytest.raises(onnxquant.UsageError, match="slices=0"):
        distributed.calibrate(layers, tmp_path / "c", slices=0)
    with pytest.raises(onnxquant.UsageError, match="gradients"):
        distributed.calibrate(layers, tmp_path / "c", inputs={"x": np.zeros(1)}, gradients=1)


def test_texts_are_cut_whole_and_none_is_left_out(tmp_path: Path) -> None:
    assert [(s["sequences"], s["seed"]) for s in _cut()] == [(3, 5), (3, 8), (2, 11), (2, 13)]
    assert [s["gradients"] for s in _cut(gradients=6)] == [2, 2, 1, 1]
    assert [s["gradients"] for s in _cut(gradients=2)] == [1, 1]
    assert [s["sequences"] for s in _cut(sequences=2)] == [1, 1]
    for cut in (_cut(gradients=13, sequences=14, slices=5), _cut(gradients=99, slices=3)):
        assert all(1 <= one["gradients"] <= one["sequences"] for one in cut)
    lines = tmp_path / "t.jsonl"
    lines.write_text('[1, 2]\n\n{"ids": [3]}\n[]\n[4, 5, 6]\n')
    expected = [[1, 2], [3], [4, 5, 6]]
    assert [[row.tolist() for row in s["tokens"]] for s in _cut(str(lines))] == [
        [row] for row in expected
    ]
    np.save(tmp_path / "t.npy", np.arange(8, dtype=np.int32).reshape(4, 2))
    cut = _cut(tmp_path / "t.npy", slices=3, count=5)
    assert [[row.tolist() for row in s["tokens"]] for s in cut] == [[[0, 1]], [[2, 3]], [[4]]]


@pytest.mark.parametrize(
    "text", ["[1, 2]\n", "[1, 2]\n[1.5]\n", "[1, 2]\nno\n", "[1]\n[99999999999999999999]\n"]
)
def test_what_cannot_be_cut_is_one_slice(tmp_path: Path, text: str) -> None:
    lines = tmp_path / "t.jsonl"
    lines.write_text(text)
    assert _cut(lines) == [{"tokens": str(lines), "count": 0, "gradients": 0}]
    (tmp_path / "t.txt").write_text("1 2 3")
    assert len(_cut(tmp_path / "t.txt")) == 1


def test_one_slice_is_an_ordinary_calibration(layers: Path, tmp_path: Path, client: Any) -> None:
    once = onnxquant.calibrate(layers, tmp_path / "once", sequences=4, length=16)
    made = distributed.calibrate(
        layers, tmp_path / "c", client=client, sequences=4, length=16, slices=1
    )
    assert made.path.read_bytes() == once.path.read_bytes()
