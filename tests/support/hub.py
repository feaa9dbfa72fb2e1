"""A model hub on loopback: one file over real HTTP/1.1, with ranges, and with the faults that a test asks for.

with Hub(content) as hub:
    hub.cut_after = [1000]          # the first answer breaks off after 1000 bytes of its body
    ... hub.url ...
    assert hub.ranges == [None, "bytes=1000-"]
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PIECE_BYTES = 16_384


class Hub:
    """The server and what it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag = '"v1"'
        """Empty: no entity tag is sent."""
        self.status = 200
        """Another one is answered without a body."""
        self.cut_after: list[int] = []
        """For one answer after the other: bytes after which the connection is cut."""
        self.says_length = True
        self.ignores_range = False
        self.garbles_range = False
        self.holds = threading.Event()
        """While it is not set, an answer stops before its last piece."""
        self.holds.set()
        self.ranges: list[str | None] = []
        """The Range header of each request."""
        self.conditions: list[str | None] = []
        """The If-Range header of each request."""
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """What takes the place of the hub's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.holds.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def start_of(self, wanted: str | None, condition: str | None) -> int:
        """The first byte to send."""
        if wanted is None or condition != self.etag or self.ignores_range:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what a test asked for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        hub = self.server.hub
        hub.ranges.append(self.headers["Range"])
        hub.conditions.append(self.headers["If-Range"])
        start = hub.start_of(self.headers["Range"], self.headers["If-Range"])
        if hub.status != 200 or start >= len(hub.content):
            self.send_response(416 if hub.status == 200 else hub.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send_head(start)
        self._send_body(hub.content[start:])

    def _send_head(self, start: int) -> None:
        hub = self.server.hub
        self.send_response(206 if start else 200)
        if start:
            told = start + 1 if hub.garbles_range else start
            self.send_header("Content-Range", f"bytes {told}-{len(hub.content) - 1}/{len(hub.content)}")
        if hub.etag:
            self.send_header("ETag", hub.etag)
        if hub.says_length:
            self.send_header("Content-Length", str(len(hub.content) - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, body: bytes) -> None:
        hub = self.server.hub
        cut = hub.cut_after.pop(0) if hub.cut_after else len(body)
        for at in range(0, min(cut, len(body)), PIECE_BYTES):
            if at + PIECE_BYTES >= len(body):
                hub.holds.wait(10)
            self.wfile.write(body[at : min(at + PIECE_BYTES, cut)])
        self.close_connection = cut < len(body) or not hub.says_length

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named by the base class
        """Say nothing: a test's output is its own."""
