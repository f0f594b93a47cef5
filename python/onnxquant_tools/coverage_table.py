"""Prints how many lines of each folder of lib/ the tests run, and writes those that none does.

    scripts/python.sh -m onnxquant_tools.coverage_table COVERAGE.json UNCOVERED.txt --least 90

COVERAGE.json is gcovr's. Exits with 1 where lib/ as a whole is below --least per cent.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def lines_of(file: dict[str, Any]) -> dict[int, int]:
    """Return how often each line ran: a line of a template counts with all that it became."""
    counts: dict[int, int] = {}
    for line in file["lines"]:
        if not line.get("gcovr/noncode"):
            number = int(line["line_number"])
            counts[number] = max(counts.get(number, 0), int(line["count"]))
    return counts


def ranges(numbers: Iterable[int]) -> list[str]:
    """Return "3-5" for 3, 4, 5."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def main() -> int:
    """Print the table; say whether it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coverage", type=Path)
    parser.add_argument("uncovered", type=Path)
    parser.add_argument("--least", type=float, default=0)
    arguments = parser.parse_args()
    files = json.loads(arguments.coverage.read_text(encoding="utf-8"))["files"]
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    left = []
    for file in sorted(files, key=lambda file: file["file"]):
        counts = lines_of(file)
        missed = [number for number, count in counts.items() if count == 0]
        for name in (str(Path(file["file"]).parent), "lib, all of it"):
            totals[name][0] += len(counts) - len(missed)
            totals[name][1] += len(counts)
        left += [f"{file['file']}:{span}" for span in ranges(missed)]
    arguments.uncovered.write_text("".join(f"{line}\n" for line in left), encoding="utf-8")
    for name, (run, lines) in sorted(totals.items(), key=lambda item: ("," in item[0], item[0])):
        print(f"{name:20} {run:6} of {lines:6} lines  {100 * run / max(1, lines):5.1f} %")
    print(f"{arguments.uncovered} has the {len(left)} places that no test runs")
    run, lines = totals["lib, all of it"]
    if lines == 0 or 100 * run / lines < arguments.least:
        print(f"coverage: below {arguments.least} %", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
