"""No two headers of the library define a type of one name in one namespace.

The linker would take either one's functions for both, which no compiler sees.
"""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPENED = re.compile(r"^namespace ([\w:]+) \{", re.MULTILINE)
DEFINED = re.compile(r"^(?:struct|class|enum class) (\w+)\b[^;]*?\{", re.MULTILINE)


def definitions() -> dict[str, list[str]]:
    """Return the headers that define each type, by its whole name."""
    places: dict[str, list[str]] = defaultdict(list)
    for folder in ("lib", "include", "tools"):
        for header in sorted((ROOT / folder).rglob("*.h")):
            text = header.read_text(encoding="utf-8")
            namespaces = [(found.start(), found[1]) for found in OPENED.finditer(text)]
            for found in DEFINED.finditer(text):
                around = [name for start, name in namespaces if start < found.start()]
                whole = "::".join([*around[-1:], found[1]])
                places[whole].append(str(header.relative_to(ROOT)))
    return places


def test_a_type_is_defined_in_one_header() -> None:
    places = definitions()
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
