"""Writes lib/targets/kernels.txt: which float types each runtime takes in each operator.

    scripts/python.sh -m onnxquant_tools.kernel_table FOLDER RUNTIME@VERSION=RESULT.json…

of what probe_models, probe_runtime.py, probe_runtime.mjs and kernel_docs have found.
"""

import argparse
import json
import re
from pathlib import Path

from onnxquant_tools.product import ROOT

TABLE = ROOT / "lib" / "targets" / "kernels.txt"
# What says that a kernel is missing, or that what stands for it is refused. Of all else the probe
# may be the reason, so that nothing is known.
_REFUSED = re.compile(
    r"Could not find an implementation|fallback to CPU EP has been explicitly disabled|"
    r"TransformerMemcpy|Failed to find kernel|Type parameter \(\w+\) of Optype|_inlfunc_|"
    r"ERROR_CODE: 9,"
)
_HEAD = """\
# Which float types a node of each operator may have, so that a runtime loads it: f float32,
# h float16, b bfloat16, d float64. Made by scripts/kernel_table.sh from models of one node that
# each runtime was given: on webgpu the CPU was not allowed beside it; the CPU and wasm take float16
# where they have kernels of float32, between casts. Of cuda and coreml no machine was asked: these
# are the lists of ONNX Runtime's source (kernel_docs.py); that of coreml names no types.
# Of an operator: the first opset that a row holds for, the types that were tried, and those that
# loaded, by runtime and version of ONNX Runtime; '-' none of them; of those behind a '?', or of
# all, nothing is known.
"""


def _says(text: str) -> bool:
    return text == "" or _REFUSED.search(text) is not None


def _cell(tried: str, found: dict[str, str]) -> str:
    known = [letter for letter in tried if _says(found[letter])]
    unknown = "".join(letter for letter in tried if letter not in known)
    if not known:
        return "?"
    loaded = "".join(letter for letter in known if not found[letter]) or "-"
    return loaded + (f"?{unknown}" if unknown else "")


def _rows(folder: Path, runtimes: dict[str, Path]) -> list[list[str]]:
    results = {
        name: json.loads(path.read_text(encoding="utf-8"))["results"]
        for name, path in runtimes.items()
    }
    cases: dict[tuple[str, int], dict[str, str]] = {}
    for row in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        cases.setdefault((row["operator"], row["since"]), {})[row["letter"]] = row["file"]
    rows: list[list[str]] = []
    for (operator, since), files in cases.items():
        # What no runtime could be asked is left out.
        tried = "".join(
            letter
            for letter, file in files.items()
            if any(_says(found[file]) for found in results.values())
        )
        cells = [
            _cell(tried, {letter: found[files[letter]] for letter in tried})
            for found in results.values()
        ]
        if not tried or all(cell == "?" for cell in cells):
            continue
        row = [operator, str(since), tried, *cells]
        if rows and rows[-1][0] == operator and rows[-1][2:] == row[2:]:
            continue
        rows.append(row)
    return rows


def _text(rows: list[list[str]], runtimes: list[str]) -> str:
    table = [["operator", "since", "tried", *runtimes], *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    return _HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("results", nargs="+", metavar="RUNTIME@VERSION=RESULT.json")
    options = parser.parse_args()
    pairs = [text.split("=", 1) for text in options.results]
    runtimes = {name: Path(path) for name, path in pairs}
    text = _text(_rows(options.folder, runtimes), list(runtimes))
    TABLE.write_text(text, encoding="utf-8")
    print(f"{TABLE}: {len(text.splitlines())} lines, {len(text)} bytes")


if __name__ == "__main__":
    main()
