"""One page, served to this machine only."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sfm.errors import InputError

HOST = "127.0.0.1"


class PageServer(ThreadingHTTPServer):
    """Serves one HTML file at `/`, read anew at each request, and nothing else.

    Parameters
    ----------
    page
        The file.
    port
        Where to listen on this machine; 0 for any free port.

    Raises
    ------
    InputError
        If the port is taken or not allowed.
    """

    def __init__(self, page: Path, port: int = 0) -> None:
        self.page = page
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"Port {port} cannot be used ({error.strerror}): choose another one.") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            body = self.server.page.read_bytes()
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "The report is gone")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the terminal belongs to the command."""
