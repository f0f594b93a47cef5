"""What ONNX Runtime's own lists say of one-node models, for providers that no machine here has.

    scripts/python.sh -m onnxquant_tools.kernel_docs FOLDER cuda OperatorKernels.md RESULT.json
    scripts/python.sh -m onnxquant_tools.kernel_docs FOLDER coreml \
        coreml_supported_mlprogram_ops.md RESULT.json

FOLDER is what probe_models has written; RESULT.json is for kernel_table. The lists are docs/ and
tools/ci_build/github/apple/ of ONNX Runtime's source, at the release's tag.
"""

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

_PROVIDERS = {"cuda": "CUDAExecutionProvider"}
_LETTERS = {"float": "f", "float16": "h", "bfloat16": "b", "double": "d"}
_ORDER = "fhbd"


@dataclass(frozen=True)
class Kernel:
    """A kernel: the versions of the operator that it is for, and its float types."""

    first: int
    last: int | None  # None: open to the end
    letters: str

    def takes(self, version: int) -> bool:
        """Return whether a node of this version of the operator gets the kernel.

        One that is open to the end is for the version that it was written for: where the operator
        has a newer one, the kernel is not taken.
        """
        return self.first == version if self.last is None else self.first <= version <= self.last


Kernels = dict[str, list[Kernel]]


def _types(text: str) -> dict[str, str]:
    """Return the letters of each named set of types."""
    found = {}
    for name, types in re.findall(r"\*\*(\w+)\*\* = ([^*]+?)(?:<br/>|$)", text):
        letters = {_LETTERS.get(kind, "") for kind in re.findall(r"(?<!\()tensor\((\w+)\)", types)}
        found[name] = "".join(letter for letter in _ORDER if letter in letters)
    return found


def _letters(parameters: str, types: dict[str, str]) -> str:
    """Return the float types of the first input that has any, else of the first output."""
    for variant in parameters.split("<br><br>or<br><br>"):
        slots = re.findall(r"\*(in|out)\* [\w. ]+:\*\*([\w()]+)\*\*", variant)
        named = {kind for _, kind in slots if "(" not in kind}
        if not named <= types.keys():
            continue
        for _, kind in slots:
            letters = types.get(kind) or _LETTERS.get(kind[len("tensor(") : -1], "")
            if letters:
                return letters
    return ""


def _versions(text: str) -> tuple[int, int | None]:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if text.endswith("+"):
        return numbers[0], None
    return numbers[0], numbers[-1]


def kernels_of(text: str, provider: str) -> Kernels:
    """Return what OperatorKernels.md lists of a provider, by operator."""
    section = text.split(f"## Operators implemented by {provider}")[1].split("\n## ")[0]
    kernels: Kernels = {}
    domain = name = parameters = ""
    for line in section.splitlines():
        if match := re.match(r"\|\*\*Operator Domain:\*\* \*([\w.]+)\*", line):
            domain = "" if match[1] == "ai.onnx" else f"{match[1]}::"
            continue
        cells = line.split("|")
        if len(cells) < 6 or not re.fullmatch(r"\[\d+, \d+\]|\d+\+?", cells[3]):
            continue
        if cells[1]:
            name, parameters = domain + cells[1], cells[2]
        letters = _letters(parameters, _types(cells[4]))
        kernels.setdefault(name, []).append(Kernel(*_versions(cells[3]), letters))
    return kernels


def names_of(text: str) -> set[str]:
    """Return the operators that the list of CoreML's ML programs names."""
    names = re.findall(r"^\|([\w.]+):(\w+)\|", text, re.MULTILINE)
    return {name if domain == "ai.onnx" else f"{domain}::{name}" for domain, name in names}


def _has_body(operator: str, version: int) -> bool:
    """Return whether ONNX says what the operator is made of: then its parts may have kernels."""
    if "::" in operator or not onnx.defs.has(operator):
        return False
    schema: Any = onnx.defs.get_schema(operator, version)
    return bool(schema.has_function or schema.has_context_dependent_function)


def said_by_kernels(kernels: Kernels, operator: str, version: int, letter: str) -> str:
    """Return what a runtime would say of a node: "" where it has a kernel."""
    if any(k.takes(version) and letter in k.letters for k in kernels.get(operator, [])):
        return ""
    if operator not in kernels and _has_body(operator, version):
        return "not listed, and made of other operators"
    return "Could not find an implementation: it is not listed"


def said_by_names(names: set[str], operator: str, version: int) -> str:
    """Return the same of a list that says nothing of types."""
    if operator in names:
        return "listed, without its types"
    if _has_body(operator, version):
        return "not listed, and made of other operators"
    return "Could not find an implementation: it is not listed"


def main() -> None:
    """Write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("runtime", choices=("cuda", "coreml"))
    parser.add_argument("list", type=Path)
    parser.add_argument("result", type=Path)
    options = parser.parse_args()
    text = options.list.read_text(encoding="utf-8")
    results = {}
    for row in json.loads((options.folder / "index.json").read_text(encoding="utf-8")):
        operator, version, letter = row["operator"], row["since"], row["letter"]
        if options.runtime == "coreml":
            said = said_by_names(names_of(text), operator, version)
        else:
            kernels = kernels_of(text, _PROVIDERS[options.runtime])
            said = said_by_kernels(kernels, operator, version, letter)
        results[row["file"]] = said
    options.result.write_text(json.dumps({"results": results}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
