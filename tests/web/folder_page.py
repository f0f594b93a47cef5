"""The page folders.html: Transformers.js loads a folder of models there, and runs it."""

import json
from typing import Any

from browser import Browser, BrowserError
from folder_kinds import Kind

# One dtype for all sessions, or one for each by its name.
Dtype = str | dict[str, str]
# A run takes a second or two; compiling shaders for the first time, on a loaded machine, minutes.
SECONDS = 600


class FolderPage:
    """The page on a server that has tests/web at / and the folders below /models/."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self.console: list[str] = []  # what the last run wrote there: warnings and errors
        self.files: set[str] = set()  # the files that the last run asked for
        self._open()

    def _open(self) -> None:
        self._browser.open(f"{self._address}/folders.html")
        self._browser.wait("globalThis.start !== undefined", 60)

    def has_half_precision(self) -> bool:
        """Whether WebGPU computes in 16 bits here."""
        found: Any = self._browser.evaluate(
            "navigator.gpu?.requestAdapter().then((it) => it?.features.has('shader-f16')) ?? false"
        )
        return bool(found)

    def run(self, kind: Kind, dtype: Dtype, device: str) -> dict[str, Any]:
        """Load a kind's folder, and return what the page makes of its input."""
        inputs = {
            name: {"type": str(array.dtype), "dims": array.shape, "data": array.ravel().tolist()}
            for name, array in kind.inputs().items()
        }
        request = {
            "folder": kind.folder, "type": kind.type, "dtype": dtype, "device": device,
            "inputs": inputs, "count": kind.count,
        }  # fmt: skip
        self._browser.console.clear()
        self._browser.requests.clear()
        self._browser.evaluate(f"start({json.dumps(request)})")
        self._browser.wait("globalThis.outcome !== undefined", SECONDS)
        outcome = self._browser.evaluate("globalThis.outcome")
        self.console = list(self._browser.console)
        self.files = {url.rpartition("/")[2] for url in self._browser.requests if "/onnx/" in url}
        if "error" in outcome:
            self._open()  # Transformers.js runs nothing more after a run that failed
            raise BrowserError("\n".join([outcome["error"], *self.console]))
        result: dict[str, Any] = outcome["result"]
        return result
