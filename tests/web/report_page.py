"""The HTML report, opened as a person would: from a file, without any server."""

import json
from pathlib import Path
from typing import Any

from browser import Browser, Picture, Scheme


class ReportPage:
    """A report in the browser."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self._browser = browser
        self._address = file.as_uri()

    def open(self, scheme: Scheme = "light", width: int = 1200) -> None:
        """Open the page and wait until its charts are drawn for a window of that width."""
        self._browser.open(self._address, scheme)
        self._browser.resize(width, 1000)
        self._browser.wait("document.body.dataset.state === 'ready'", 30)
        self.settle()

    def settle(self) -> None:
        """Wait until what changed is drawn: sizes are observed a frame later."""
        frame = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self._browser.evaluate(f"{frame}.then(() => null)")

    def faults(self) -> list[str]:
        """Return what went wrong: console errors, and whatever was asked for beside the page."""
        return self._browser.console + [
            url for url in self._browser.requests if url not in (self._address, "data:,")
        ]

    def picture(self, path: Path, width: int = 1200, *, full: bool = False) -> Picture:
        """Write a screenshot, of the whole page if `full`."""
        return self._browser.screenshot(path, width, 1000, full=full)

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression in the page."""
        return self._browser.evaluate(expression)

    def count(self, selector: str) -> int:
        """Return how many elements the selector finds."""
        return int(self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element that the selector finds."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return [str(text) for text in self.evaluate(f"{found}.map((one) => one.textContent)")]

    def click(self, selector: str) -> None:
        """Click the first element that the selector finds."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")
        self.settle()

    def enter(self, name: str, value: str) -> None:
        """Enter a value into the field with the given id."""
        field = f"document.getElementById({json.dumps(name)})"
        event = "new Event('input', {bubbles: true})"
        self.evaluate(f"({field}.value = {json.dumps(value)}, {field}.dispatchEvent({event}))")

    def press(self, key: str) -> None:
        """Press a key."""
        self._browser.press(key)
