"""docs/cli.md and the manual page are what the program says."""

import re
import shutil
import subprocess
import sys

import pytest
from onnxquant_tools import cli_reference
from onnxquant_tools.cli_reference import (
    ENVIRONMENT,
    EXIT_STATUS,
    Page,
    manual,
    markdown,
    pages,
    parse,
)
from program import ROOT, run

HELP = """Do things
Usage: onnxquant do [OPTIONS] A

Positionals:
  A FILE REQUIRED                 the model

Options:
  -h,--help                       Print this help message and exit
  -x,--extra FILE|self            one line
  --a-very-long-option-indeed NAME
                                  on the next line

Examples:
  onnxquant do it
"""


@pytest.fixture(scope="module")
def found() -> list[Page]:
    return pages()


def test_help_is_read_into_rows() -> None:
    page = parse("do", HELP)
    assert (page.summary, page.usage) == ("Do things", "onnxquant do [OPTIONS] A")
    assert page.positionals == [("A FILE REQUIRED", "the model")]
    assert page.options[1:] == [
        ("-x,--extra FILE|self", "one line"),
        ("--a-very-long-option-indeed NAME", "on the next line"),
    ]
    assert page.examples == ["onnxquant do it"]


def test_the_committed_reference_and_manual_page_are_up_to_date() -> None:
    command = [sys.executable, "-m", "onnxquant_tools.cli_reference", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_exit_status_of_the_program_is_listed() -> None:
    source = (ROOT / "tools" / "command_line.h").read_text(encoding="utf-8")
    statuses = re.search(r"enum class ExitStatus : int \{(.*?)\};", source, re.DOTALL)
    assert statuses
    assert set(map(int, re.findall(r"k\w+ = (\d+)", statuses[1]))) == set(EXIT_STATUS)


def test_every_variable_that_the_program_reads_is_listed() -> None:
    sources = [path for folder in ("lib", "tools") for path in (ROOT / folder).rglob("*.cc")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert len(re.findall(r"getenv\(", text)) == 1  # behind Environment(), which names them
    assert set(re.findall(r'Environment\("(\w+)"\)', text)) == set(ENVIRONMENT)


def test_a_reference_that_is_not_what_the_program_says_is_named(
    found: list[Page], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(cli_reference, "DOCS", tmp_path)
    monkeypatch.setattr(cli_reference, "pages", lambda: found)
    monkeypatch.setattr(sys, "argv", ["cli_reference", "--check"])
    with pytest.raises(SystemExit, match=r"cli\.md, onnxquant\.1 is not what the program says"):
        cli_reference.main()


def test_every_option_has_words_that_say_what_it_does(found: list[Page]) -> None:
    for page in found:
        for what, text in page.positionals + page.options:
            assert len(text) > 8, (page.name, what)
            assert not any(word in what for word in ("TEXT", "UINT", "INT:", "FLOAT")), what


def test_every_subcommand_is_in_the_reference(found: list[Page]) -> None:
    offered = run("--help").stdout.split("Subcommands:")[1].split("\n\n")[0]
    names = [line.split()[0] for line in offered.strip().splitlines()]
    assert [page.command for page in found] == ["", *names]
    for name in names:
        assert f"## onnxquant {name}\n" in markdown(found)


def test_the_manual_page_is_valid_roff(found: list[Page]) -> None:
    groff = shutil.which("groff")
    assert groff, "groff is missing; run scripts/setup.sh"
    command = [groff, "-man", "-ww", "-Tutf8"]
    done = subprocess.run(command, input=manual(found), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "interrupted; nothing is left behind" in done.stdout
    assert (ROOT / "docs" / "onnxquant.1").is_file()
