"""What the table of coverage counts and fails on."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from onnxquant_tools import coverage_table


def _file(name: str, counts: dict[int, int]) -> dict[str, Any]:
    lines = [{"line_number": number, "count": count} for number, count in counts.items()]
    return {"file": name, "lines": lines}


def _run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, least: str, files: list[dict[str, Any]]
) -> int:
    source = folder / "coverage.json"
    source.write_text(json.dumps({"files": files}))
    words = ["table", str(source), str(folder / "uncovered.txt"), "--least", least]
    monkeypatch.setattr(sys, "argv", words)
    return coverage_table.main()


FILES = [
    _file("lib/base/a.cc", {1: 3, 2: 0, 3: 0, 5: 0, 6: 1}),
    _file("lib/model/b.cc", {1: 1, 2: 1, 3: 1}),
]


def test_it_lists_folders_and_the_lines_that_did_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, monkeypatch, "60", FILES) == 0
    shown = capsys.readouterr().out
    assert "40.0 %" in shown
    assert "62.5 %" in shown
    places = (tmp_path / "uncovered.txt").read_text().split()
    assert places == ["lib/base/a.cc:2-3", "lib/base/a.cc:5"]


def test_too_little_fails_and_so_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(tmp_path, monkeypatch, "90", FILES) == 1
    assert _run(tmp_path, monkeypatch, "0", []) == 1


def test_a_template_line_that_ran_in_one_of_its_forms_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = _file("lib/base/a.cc", {1: 1})
    twice["lines"].append({"line_number": 1, "count": 0})
    assert _run(tmp_path, monkeypatch, "100", [twice]) == 0
