"""Small changes of C++ source, each of which a test should notice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One change of one line."""

    line: int  # from 0
    column: int
    before: str
    after: str

    def apply(self, text: str) -> str:
        """Return the text with this change."""
        lines = text.split("\n")
        line = lines[self.line]
        end = self.column + len(self.before)
        assert line[self.column : end] == self.before, "the text is another"
        lines[self.line] = line[: self.column] + self.after + line[end:]
        return "\n".join(lines)

    def describe(self) -> str:
        """Return line and change, as an editor counts lines."""
        return f"{self.line + 1}: '{self.before.strip()}' becomes '{self.after.strip()}'"


# Operators stand between blanks, since '<' also opens templates, '*' and '&' declare, and so on.
_SWAPS = {
    " < ": (" <= ", " >= "),
    " <= ": (" < ",),
    " > ": (" >= ", " <= "),
    " >= ": (" > ",),
    " == ": (" != ",),
    " != ": (" == ",),
    " && ": (" || ",),
    " || ": (" && ",),
    " + ": (" - ",),
    " - ": (" + ",),
    " / ": (" * ",),
    " % ": (" / ",),
    " += ": (" -= ",),
    " -= ": (" += ",),
    "std::max(": ("std::min(",),
    "std::min(": ("std::max(",),
    "continue;": ("break;",),
}
_WORDS = {"true": "false", "false": "true", "begin()": "end()"}
_NUMBER = re.compile(r"(?<![\w.'])(\d{1,6})(?=(?:U|UL|ULL)?[^\w.'])")
_CONDITION = re.compile(r"\bif \((?!constexpr)(.+)\)(?= \{$| return\b| continue;$)")
# A call or an assignment that stands alone; no declaration, which begins with a type.
_STATEMENT = re.compile(
    r"^\s+(?!(?:return|case|using|const|auto|for|if|else|delete|friend)\b)"
    r"(?:\*?[\w.\[\]>()-]+ (?:[-+|&]?=) .+;|\+\+[\w.]+;|[\w.:>-]+\(.*\);)$"
)
_PASSED_OVER = re.compile(
    r"^\s*(?:#|//|static_assert|namespace|using|template|HWY_(?:EXPORT|BEFORE|AFTER))"
)
_HIDDEN = re.compile(r'"(?:[^"\\]|\\.)*"|//.*$|\'(?:[^\'\\]|\\.)\'')


def _hidden(line: str) -> list[tuple[int, int]]:
    """Return where texts and comments stand in a line."""
    return [match.span() for match in _HIDDEN.finditer(line)]


def _of_line(number: int, line: str) -> Iterator[Mutation]:
    for before, afters in _SWAPS.items():
        for match in re.finditer(re.escape(before), line):
            yield from (Mutation(number, match.start(), before, after) for after in afters)
    for word, other in _WORDS.items():
        for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", line):
            yield Mutation(number, match.start(), word, other)
    for match in _NUMBER.finditer(line):
        yield Mutation(number, match.start(1), match[1], str(int(match[1]) + 1))
    for match in _CONDITION.finditer(line):
        yield Mutation(number, match.start(1), match[1], f"!({match[1]})")
    if _STATEMENT.match(line):
        content = line.strip()
        yield Mutation(number, line.index(content), content, ";")


def mutations_of(text: str) -> list[Mutation]:
    """Return every change of a file, in order; what stands in texts, comments or types is left."""
    found = []
    for number, line in enumerate(text.split("\n")):
        if _PASSED_OVER.match(line):
            continue
        hidden = _hidden(line)
        for mutation in _of_line(number, line):
            if not any(first <= mutation.column < last for first, last in hidden):
                found.append(mutation)
    return found
