"""The changes that the mutation script makes: most compile, and each can be noticed."""

import pytest
from onnxquant_tools.mutations import mutations_of


def _changed(line: str) -> list[str]:
    text = f"void F() {{\n{line}\n}}"
    return [mutation.apply(text).split("\n")[1] for mutation in mutations_of(text)]


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("  if (a < b) return x;", "  if (a <= b) return x;"),
        ("  if (a < b) return x;", "  if (!(a < b)) return x;"),
        ("  if (a && b) {", "  if (a || b) {"),
        ("  total += 8 * size;", "  total += 9 * size;"),
        ("  total += 8 * size;", "  ;"),
        ("  names.push_back(name);", "  ;"),
        ("  return end - start;", "  return end + start;"),
        ("  bool changes = false;", "  bool changes = true;"),
        ("  x = std::max(a, b);", "  x = std::min(a, b);"),
    ],
)
def test_a_change_is_made(line: str, changed: str) -> None:
    assert changed in _changed(line)


@pytest.mark.parametrize(
    "line",
    [
        "#include <a.h>",
        "  // if a < b && c == 0",
        '  "a < b && c == 0",',
        "  absl::Span<const std::byte> bytes;",
        "  const std::vector<int>& all;",
        "  return value;",
        "template <typename T, int N = 3>",
        "using Row = std::array<int, 3>;",
    ],
)
def test_nothing_is_changed(line: str) -> None:
    assert _changed(line) == []


def test_each_change_is_one_of_one_line_and_says_where() -> None:
    text = "void F() {\n  if (a == 1) b = 2;\n}"
    for mutation in mutations_of(text):
        lines = mutation.apply(text).split("\n")
        assert (lines[0], lines[2]) == ("void F() {", "}")
        assert mutation.describe().startswith("2: ")


def test_a_change_is_refused_by_another_text() -> None:
    mutation = mutations_of("  if (a == b) {")[0]
    with pytest.raises(AssertionError):
        mutation.apply("  if (c) return;")
