"""Pages served to this machine only: a finished report, or a map while it grows."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sfm.errors import InputError
from sfm.report.live import LivePage, state_json

HOST = "127.0.0.1"
# A version of a map, not a number that takes a minute to read.
_DECIMAL = re.compile(r"[0-9]{1,18}")
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTML, _JSON = "text/html; charset=utf-8", "application/json"


class LocalServer(ThreadingHTTPServer):
    """Answers this machine only, by what `answer` says.

    Parameters
    ----------
    port
        Where to listen on this machine; 0 for any free port.

    Raises
    ------
    InputError
        If the port is taken or not allowed.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"Port {port} cannot be used ({error.strerror}): choose another one.") from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over connections that were closed or reset at the other end; show what else goes wrong."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def is_asked_for(self, host: str | None) -> bool:
        """Whether a request's Host header names this server: pages of others may lead their own name here."""
        port = self.server_address[1]
        return host in (f"{HOST}:{port}", f"localhost:{port}")

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def answer(self, path: str, query: str) -> tuple[str, bytes] | None:
        """Return content type and content of what lies at `path`; None if there is no such thing."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer in a thread of its own until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()


class PageServer(LocalServer):
    """Serves one HTML file at `/`, read anew at each request, and nothing else.

    Parameters
    ----------
    page
        The file.
    port
        See `LocalServer`.
    """

    def __init__(self, page: Path, port: int = 0) -> None:
        self.page = page
        super().__init__(port)

    def answer(self, path: str, query: str) -> tuple[str, bytes] | None:
        """Return the page."""
        try:
            return (_HTML, self.page.read_bytes()) if path == "/" else None
        except OSError:
            return None


class LiveServer(LocalServer):
    """Serves the page of a run under way at `/`, and its state at `/state`, which the page polls.

    Parameters
    ----------
    page
        The page.
    port
        See `LocalServer`.
    """

    def __init__(self, page: LivePage, port: int = 0) -> None:
        self.page = page
        super().__init__(port)

    def answer(self, path: str, query: str) -> tuple[str, bytes] | None:
        """Return the page or its state."""
        try:
            if path == "/":
                return _HTML, self.page.html().encode()
        except OSError:
            return None
        if path == "/state":
            seen = parse_qs(query).get("seen", ["0"])[0]
            return _JSON, state_json(self.page, int(seen) if _DECIMAL.fullmatch(seen) else 0)
        return None


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        if not self.server.is_asked_for(self.headers.get("Host")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path, _, query = self.path.partition("?")
        found = self.server.answer(path, query)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content_type, body = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            # A page that was closed in the meantime is no fault.
            with suppress(ConnectionError):
                self.wfile.write(body)

    def end_headers(self) -> None:
        """Add to every answer what keeps browsers from guessing its type, framing or keeping it."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the terminal belongs to the command."""
