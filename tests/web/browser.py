"""A headless Chromium, driven through driver.mjs."""

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Scheme = Literal["light", "dark"]


class BrowserError(Exception):
    """A command failed in the browser: what it was, why, and what the page's console said."""


@dataclass
class Picture:
    """What a screenshot looks like: how many colours it has, its mean brightness from 0 to 1."""

    colours: int
    brightness: float


class Browser:
    """One browser for many pages; `open` replaces the page.

    `web` is the folder that scripts/setup_browser.sh has filled; `profile` holds the browser's own
    files.
    """

    def __init__(self, web: Path, profile: Path) -> None:
        log = profile / "chromium.log"
        profile.mkdir(parents=True, exist_ok=True)
        self._log = log
        self.console: list[str] = []  # warnings and errors of the page that is open
        self.requests: list[str] = []  # what it asked for, itself first
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [
                    *("node", str(Path(__file__).with_name("driver.mjs"))),
                    *(str(web / "chromium" / "chromium"), str(profile / "profile")),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ
                | {
                    "NODE_MODULES": str(web),
                    # Lavapipe keeps compiled shaders here from one run to the next.
                    "MESA_SHADER_CACHE_DIR": str(web / "shaders"),
                    "HOME": str(profile),
                    "XDG_RUNTIME_DIR": str(profile),
                },
            )
        self._answer("the browser's start", 60)

    def open(self, url: str, scheme: Scheme = "light") -> str:
        """Open a page and return its title; modules may still be running."""
        self.console.clear()
        self.requests.clear()
        return str(self._send({"open": url, "scheme": scheme}, 60))

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression in the page."""
        return self._send({"evaluate": expression}, 60)

    def wait(self, expression: str, seconds: float) -> None:
        """Wait until an expression is true in the page."""
        self._send({"wait": expression, "seconds": seconds}, seconds + 30)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self._send({"resize": True, "width": width, "height": height}, 60)

    def press(self, key: str) -> None:
        """Press a key, such as Tab or Enter."""
        self._send({"press": key}, 60)

    def screenshot(
        self, path: Path, width: int = 1100, height: int = 900, *, full: bool = False
    ) -> Picture:
        """Write a PNG of the page in a window of the given size; return what it looks like.

        A `full` one goes on to the end of the page.
        """
        command = {
            "screenshot": str(path),
            "width": width,
            "height": height,
            "full": full,
        }
        return Picture(**self._send(command, 60))

    def close(self) -> None:
        """End the browser."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _send(self, command: dict[str, Any], seconds: float) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer(json.dumps(command), seconds)

    def _answer(self, what: str, seconds: float) -> Any:
        """Return the answer's value. A browser that never answers is ended: nothing else helps."""
        assert self._process.stdout
        clock = threading.Timer(seconds, self._process.kill)
        clock.start()
        line = self._process.stdout.readline()
        clock.cancel()
        if not line:
            raise BrowserError(
                f"{what}: no answer within {seconds:.0f} s; the browser said\n"
                + self._log.read_text()[-3000:]
            )
        answer = json.loads(line)
        self.console += answer.get("console", [])
        self.requests += answer.get("requests", [])
        if "error" in answer:
            console = "\n".join(answer.get("console", []))
            raise BrowserError(f"{what}: {answer['error']}\nconsole: {console}")
        return answer["value"]
