"""The demo page of examples/web, driven as a person would: open it, press Generate, read."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from browser import Browser, Scheme

# Loading takes 15 to 40 s and a token 4 to 7 s on two cores; compiling shaders for the first time
# half a minute more. A loaded machine is several times slower.
SECONDS = 600
SHOWN = ("gpu", "error-text", "error-hint", "text", "tokens", "speed", "first", "loading", "size")


@dataclass
class Generation:
    """What the page showed when it had finished."""

    state: str  # "done" or "failed"
    text: str
    tokens: list[int]
    shown: dict[str, str]  # the text of each element of SHOWN, by its id

    def __str__(self) -> str:
        """Give the figures on one line, for the log."""
        s = self.shown
        return (
            f"{self.state}: {self.text!r} {self.tokens}; {s['size']}, loading {s['loading']}, "
            f"first token {s['first']}, {s['speed']} {s['error-text']}"
        )


class DemoPage:
    """The page on a server that has it at / and everything that it needs below."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self._address = address

    def open(self, scheme: Scheme = "light", **settings: str | int) -> str:
        """Open the page with the given form values and wait until it is ready; return its title."""
        local = {"library": "/library/transformers.min.js", "wasm": "/wasm/", "models": "/models/"}
        title = self.browser.open(f"{self._address}/?{urlencode(local | settings)}", scheme)
        self.browser.wait("document.body.dataset.state === 'idle'", 60)
        return title

    def generate(self) -> Generation:
        """Press the button and wait for the end, good or bad."""
        self.browser.evaluate("document.getElementById('start').click()")
        self.browser.wait("['done', 'failed'].includes(document.body.dataset.state)", SECONDS)
        shown = {name: self.text_of(name) for name in SHOWN}
        tokens = [int(token) for token in shown["tokens"].split()]
        state = str(self.browser.evaluate("document.body.dataset.state"))
        return Generation(state, shown["text"], tokens, shown)

    def text_of(self, name: str) -> str:
        """Return the text of the element with the given id."""
        return str(self.browser.evaluate(f"document.getElementById('{name}').textContent"))

    def is_visible(self, name: str) -> bool:
        """Whether the element with the given id takes up space on the page."""
        found: Any = self.browser.evaluate(
            f"document.getElementById('{name}').getClientRects().length > 0"
        )
        return bool(found)
