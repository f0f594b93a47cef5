"""Writes docs/cli.md and docs/onnxquant.1, the manual page, from what the program's --help says.

    scripts/python.sh -m onnxquant_tools.cli_reference [--check]

--check writes nothing and fails where a file is not what the program says.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from onnxquant_tools.product import program

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = (
    "",
    "plan",
    "apply",
    "inspect",
    "check",
    "diff",
    "ranges",
    "calibrate",
    "tune",
    "verify",
    "recover",
    "policies",
    "formats",
    "targets",
    "completion",
)

ENVIRONMENT = {
    "ONNXQUANT_ONNXRUNTIME": "ONNX Runtime's shared library, for what runs models",
    "ONNXQUANT_CACHE": "where scripts keep what they download or build, ONNX Runtime among it",
    "XDG_CACHE_HOME": "its folder onnxquant is that place where ONNXQUANT_CACHE is not set",
    "HOME": "its folder .cache/onnxquant is that place where neither is set",
}
EXIT_STATUS = {
    0: "done",
    1: "usage: the arguments are wrong",
    2: "the model is damaged, invalid or unsupported",
    3: "the policy is wrong, or does not fit the model",
    4: "the outputs could not be written, and nothing is left behind; "
    "or the result could not be printed",
    5: "a verification failed, check found faults, or parts are missing at the end",
    70: "a defect in onnxquant",
    130: "interrupted; nothing is left behind",
}


@dataclass
class Page:
    """What --help says of one command."""

    command: str
    summary: str = ""
    usage: str = ""
    positionals: list[tuple[str, str]] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the words that call the command."""
        return f"onnxquant {self.command}".strip()


def parse(command: str, text: str) -> Page:
    """Read one --help: a summary, the usage, then sections of rows."""
    lines = text.splitlines()
    page = Page(command, lines[0], lines[1].removeprefix("Usage: "))
    rows: list[tuple[str, str]] = []
    sections = {"Positionals:": page.positionals, "Options:": page.options}
    for line in lines[2:]:
        if not line.startswith(" "):
            rows = sections.get(line, [])
            if line == "Examples:":
                page.examples = []
        elif line.startswith("  onnxquant "):
            page.examples.append(line.strip())
        elif line.startswith("   "):  # the description of a long option stands below it
            rows[-1] = (rows[-1][0], line.strip())
        else:
            what, _, description = line.strip().partition("  ")
            rows.append((what.strip(), description.strip()))
    return page


def pages() -> list[Page]:
    """Ask the program for all its pages."""
    found = []
    for command in COMMANDS:
        words = [str(program()), *([command] if command else []), "--help"]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found.append(parse(command, text))
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(page: Page) -> list[tuple[str, str]]:
    return [row for row in page.positionals + page.options if not row[0].startswith("-h,")]


def markdown(found: list[Page]) -> str:
    """Return docs/cli.md."""
    lines = [
        "# Command line",
        "",
        "What `--help` says; `onnxquant completion` completes it in bash, zsh and fish, and",
        "`man -l docs/onnxquant.1` shows this as a manual page. Results go to standard output,",
        "messages to standard error.",
    ]
    for page in found:
        lines += ["", f"## {page.name}", "", f"{page.summary.rstrip('.')}.", ""]
        lines += ["```text", page.usage, "```"]
        if _rows(page):
            lines += ["", "| | |", "|---|---|"]
            lines += [f"| `{_cell(what)}` | {_cell(text)} |" for what, text in _rows(page)]
    lines += ["", "## Exit status", "", "| status | meaning |", "|--:|---|"]
    lines += [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUS.items()]
    lines += ["", "## Environment", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def manual(found: list[Page]) -> str:
    """Return docs/onnxquant.1."""
    main, *commands = found
    lines = ['.TH ONNXQUANT 1 "" "onnxquant" "User Commands"', ".SH NAME"]
    lines += ["onnxquant \\- convert ONNX models to fewer bits, as a policy says", ".SH SYNOPSIS"]
    for page in found:
        lines += [
            f".B {_roff(page.name)}",
            _roff(page.usage.removeprefix(page.name).strip()),
            ".br",
        ]
    lines += [".SH DESCRIPTION", _roff(main.summary), ".SH OPTIONS"]
    for what, text in _rows(main):
        lines += [".TP", f".B {_roff(what)}", _roff(text)]
    lines += [".SH COMMANDS"]
    for page in commands:
        lines += [f".SS {_roff(page.name)}", _roff(page.summary + ".")]
        for what, text in _rows(page):
            lines += [".TP", f".B {_roff(what)}", _roff(text)]
    lines += [".SH EXIT STATUS"]
    for status, meaning in EXIT_STATUS.items():
        lines += [".TP", f".B {status}", _roff(meaning)]
    lines += [".SH ENVIRONMENT"]
    for name, meaning in ENVIRONMENT.items():
        lines += [".TP", f".B {name}", _roff(meaning)]
    lines += [".SH EXAMPLES"]
    for example in main.examples:
        lines += [_roff(example), ".br"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = pages()
    stale = []
    for path, text in (
        (DOCS / "cli.md", markdown(found)),
        (DOCS / "onnxquant.1", manual(found)),
    ):
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(
            f"docs: {', '.join(stale)} is not what the program says; write it anew with "
            "scripts/python.sh -m onnxquant_tools.cli_reference"
        )


if __name__ == "__main__":
    main()
