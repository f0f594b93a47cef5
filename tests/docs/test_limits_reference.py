"""docs/limits.md names every bound of lib/base/limits.h with its value, in its order."""

import re

from blocks import ROOT

CONSTANT = re.compile(r"inline constexpr [\w:]+ (k\w+) = ([^;]+);")
ROW = re.compile(r"^\| (k\w+) \| (\d+) \| (.+) \|$", re.MULTILINE)


def _value(expression: str) -> int:
    """Products, shifts and casts of literals."""
    factors = re.sub(r"std::\w+\{(\d+)\}", r"\1", expression)
    assert re.fullmatch(r"[\d <*]+", factors), f"{expression} is more than this test can read"
    return int(eval(factors))


def test_the_page_has_every_bound_of_the_header() -> None:
    header = (ROOT / "lib" / "base" / "limits.h").read_text(encoding="utf-8")
    bounds = [(name, _value(value)) for name, value in CONSTANT.findall(header)]
    assert len(bounds) == header.count("inline constexpr") > 0
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    assert [(name, int(value)) for name, value, _ in ROW.findall(page)] == bounds
