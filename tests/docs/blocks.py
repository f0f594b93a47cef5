"""The fenced code blocks of Markdown files."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
)
_FENCE = re.compile(r"^```([\w ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block: where it begins, its language, its text."""

    file: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Return "README.md:27"."""
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def blocks_of(file: Path) -> list[Block]:
    """Return a file's blocks in order."""
    text = file.read_text(encoding="utf-8")
    return [
        Block(file, text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]


def stray_fences(file: Path) -> list[int]:
    """Return the lines with a fence that begins or ends none of the file's blocks."""
    lines = file.read_text(encoding="utf-8").splitlines()
    ours = {
        number
        for block in blocks_of(file)
        for number in (block.line, block.line + block.text.count("\n") + 1)
    }
    fences = (n for n, line in enumerate(lines, 1) if line.lstrip(" >").startswith(("```", "~~~")))
    return [number for number in fences if number not in ours]


BLOCKS = [block for file in FILES if "node_modules" not in file.parts for block in blocks_of(file)]


def of(*languages: str) -> list[Block]:
    """Return the blocks in these languages."""
    return [block for block in BLOCKS if block.language in languages]
