"""A local HTTP server for the demo page, its libraries and model folders, on a port of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class _Handler(SimpleHTTPRequestHandler):
    """Serves files below several folders, isolated from other origins (COOP, COEP)."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }
    mounts: dict[str, Path]

    def translate_path(self, path: str) -> str:
        """Map a URL's path to a file: the longest mounted prefix wins, '..' goes nowhere."""
        clean = unquote(urlsplit(path).path)
        prefix = max((p for p in self.mounts if clean.startswith(p)), key=len)
        folder = self.mounts[prefix].resolve()
        file = (folder / clean.removeprefix(prefix)).resolve()
        return str(file if file.is_relative_to(folder) else folder / "no such file")

    def end_headers(self) -> None:
        """Add what makes the page cross-origin isolated: threads in wasm need that."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file; a page that is closed meanwhile is no error."""
        with suppress(ConnectionError):
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def serve(mounts: dict[str, Path]) -> Iterator[str]:
    """Serve folders at URL prefixes such as '/' and '/models/'; give the address, without '/'."""
    handler = type("Handler", (_Handler,), {"mounts": mounts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
