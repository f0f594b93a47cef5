"""--report: a page or JSON by the file's ending, from every command that has it."""

import json
import re
from pathlib import Path

import onnx
import pytest
from program import THREE, run, small_model


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    onnx.save(small_model(), tmp_path / "model.onnx")
    (tmp_path / "p.yaml").write_text(THREE)
    (tmp_path / "ranges.json").write_text('{"values": {"a": {"peak": 2.5}}}')
    return tmp_path


def _data(page: Path, name: str) -> dict[str, object]:
    found = re.search(f'id="{name}-data">(.*?)</script>', page.read_text())
    assert found, f"{page} has no {name}"
    data: dict[str, object] = json.loads(found[1])
    return data


@pytest.mark.parametrize("command", [("plan",), ("--dry-run",)])
def test_a_plan_has_a_report_and_writes_nothing_else(folder: Path, command: tuple[str]) -> None:
    before = {path.name for path in folder.iterdir()}
    arguments = (*command, "--policy", folder / "p.yaml", folder / "model.onnx")
    assert run(*arguments, "--report", folder / "r.json").returncode == 0
    assert run(*arguments, "--report", folder / "r.html").returncode == 0
    assert {path.name for path in folder.iterdir()} == before | {"r.json", "r.html"}
    assert _data(folder / "r.html", "plan") == json.loads((folder / "r.json").read_text())


def test_a_conversion_writes_a_page_with_the_ranges_it_was_given(folder: Path) -> None:
    done = run(
        *("--policy", folder / "p.yaml", folder / "model.onnx"),
        *("--ranges", folder / "ranges.json", "--report", folder / "r.HTML"),
    )
    assert done.returncode == 0, done.stderr
    assert _data(folder / "r.HTML", "ranges") == {"values": {"a": {"peak": 2.5}}}
    assert _data(folder / "r.HTML", "plan")["bytes_read"] != 0


def test_a_verification_writes_a_page(folder: Path) -> None:
    run("--policy", folder / "p.yaml", folder / "model.onnx")
    arguments = ("verify", folder / "model.onnx", folder / "model_fp16.onnx")
    done = run(*arguments, "--report", folder / "r.html", "--json")
    assert done.returncode == 0, done.stderr
    assert _data(folder / "r.html", "verify") == json.loads(done.stdout)


@pytest.mark.parametrize("target", ["model.onnx", "ranges.json"])
def test_a_report_never_replaces_an_input_and_says_which_option_to_change(
    folder: Path, target: str
) -> None:
    before = (folder / target).read_bytes()
    done = run(
        *("plan", "--policy", folder / "p.yaml", folder / "model.onnx", "--force"),
        *("--ranges", folder / "ranges.json", "--report", folder / target),
    )
    assert done.returncode == 4
    assert "--report" in done.stderr
    assert "-o)" not in done.stderr
    assert (folder / target).read_bytes() == before


def test_a_report_that_exists_is_replaced_by_force_only(folder: Path) -> None:
    (folder / "r.html").write_text("precious")
    arguments = ("plan", "--policy", folder / "p.yaml", folder / "model.onnx")
    done = run(*arguments, "--report", folder / "r.html")
    assert done.returncode == 4
    assert "exists already; --force replaces it, --report writes elsewhere" in done.stderr
    assert (folder / "r.html").read_text() == "precious"
    assert run(*arguments, "--report", folder / "r.html", "--force").returncode == 0
    assert (folder / "r.html").read_text().startswith("<!doctype html>")
