"""What clang-tidy's answer for a file hangs on."""

from pathlib import Path

from onnxquant_tools.tidy_keys import key_of, project_files


def tree(root: Path) -> dict[str, Path]:
    """A small project: a source, its header, another source."""
    files = {name: root / "lib" / name for name in ("one.cc", "one.h", "two.cc")}
    for path in files.values():
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)
    return files


def test_a_source_comes_with_the_headers_of_the_project_that_it_includes(tmp_path: Path) -> None:
    files = tree(tmp_path)
    build = tmp_path / "build" / "release"
    lines = [
        "a.o: #deps 4, deps mtime 1 (VALID)",
        "    ../../lib/one.cc",
        "    /usr/include/vector",
        "    generated.h",
        "    ../../lib/one.h",
        "",
        "b.o: #deps 1, deps mtime 1 (VALID)",
        "    ../../lib/two.cc",
    ]
    assert project_files(lines, build, tmp_path) == {
        files["one.cc"]: [files["one.cc"], files["one.h"]],
        files["two.cc"]: [files["two.cc"]],
    }


def test_a_key_changes_with_any_of_the_files_and_not_with_their_order(tmp_path: Path) -> None:
    files = tree(tmp_path)
    both = [files["one.cc"], files["one.h"]]
    key = key_of(both, tmp_path)
    assert key == key_of(reversed(both), tmp_path)
    files["one.h"].write_text("other")
    assert key != key_of(both, tmp_path)
