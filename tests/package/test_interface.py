"""What the library shows: its headers, its symbols, and what it needs."""

import itertools
import re
from pathlib import Path

import pytest
from conftest import ROOT, Installed, must_run

HEADERS = sorted(path.name for path in (ROOT / "include" / "onnxquant").glob("*.h"))
GOLDEN = Path(__file__).with_name("symbols.txt")
_OURS = ("#include <", '#include "absl/', '#include "onnxquant/')


def _symbols(library: Path) -> list[str]:
    """Return what the library offers to others, without abseil's and libstdc++'s ABI names."""
    listed = must_run("nm", "-D", "--defined-only", "-C", library).splitlines()
    names = {line.split(" ", 2)[2] for line in listed}
    return sorted(
        re.sub(r"absl::\w+::", "absl::", name).replace("std::__cxx11::", "std::") for name in names
    )


def test_the_shared_library_shows_what_the_golden_file_lists(installed: Installed) -> None:
    """After a wanted change: write the new list into tests/package/symbols.txt."""
    found = _symbols(installed.prefix / "lib" / "libonnxquant.so")
    assert found == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_the_shared_library_needs_neither_onnx_nor_protobuf(installed: Installed) -> None:
    needed = must_run("readelf", "-d", installed.prefix / "lib" / "libonnxquant.so")
    assert "libabsl_status" in needed
    assert "protobuf" not in needed and "libonnx." not in needed


def test_the_installed_headers_are_all_of_the_source(installed: Installed) -> None:
    folder = installed.prefix / "include" / "onnxquant"
    assert sorted(path.name for path in folder.iterdir()) == HEADERS


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone(header: str, installed: Installed, tmp_path: Path) -> None:
    onnx_prefix = installed.onnx_dir.parents[2]
    source = tmp_path / "alone.cc"
    source.write_text(f'#include "onnxquant/{header}"\n#include "onnxquant/{header}"\n')
    must_run(
        *("g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
        *("-DONNX_ML=1", "-DONNX_NAMESPACE=onnx", "-isystem", onnx_prefix / "include"),
        *("-I", installed.prefix / "include", source),
    )


@pytest.mark.parametrize("header", [name for name in HEADERS if name != "onnx_model.h"])
def test_a_header_shows_only_the_standard_library_and_abseil(header: str) -> None:
    text = (ROOT / "include" / "onnxquant" / header).read_text(encoding="utf-8")
    included = [line for line in text.splitlines() if line.startswith("#include")]
    assert [line for line in included if not line.startswith(_OURS)] == []


@pytest.mark.parametrize("header", HEADERS)
def test_every_public_function_and_type_has_a_comment(header: str) -> None:
    lines = (ROOT / "include" / "onnxquant" / header).read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r"(ONNXQUANT_EXPORT|(struct|class|enum class) \w+ .*\{)", line)
        and not before.startswith(("//", "ONNXQUANT_EXPORT", "  "))
    ]
    assert bare == []
