"""Small tables for notebooks, without style sheets or scripts."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

MOST_ROWS = 60


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return an HTML table; numbers are right-aligned, rows beyond MOST_ROWS are counted."""
    every = list(rows)
    head = "".join(f"<th style='text-align:left'>{escape(h)}</th>" for h in headings)
    body = "".join(
        "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in every[:MOST_ROWS]
    )
    more = len(every) - MOST_ROWS
    rest = f"<p>and {more:,} more: see to_pandas()</p>" if more > 0 else ""
    title = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = "" if value is None else str(value)
        return f"<td style='text-align:left'>{escape(text)}</td>"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return f"<td style='text-align:right'>{text}</td>"


def preformatted(text: str) -> str:
    """Return text that is shown as it is."""
    return f"<pre>{escape(text)}</pre>"
