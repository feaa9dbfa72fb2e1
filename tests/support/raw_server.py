"""A server on loopback that answers each path with given bytes: what stands on a port may be anything.

with RawServer({"/v1/models": answer(b"{}")}) as server:
    ... server.port ...
    assert server.asked == ["/v1/models"]
"""

import socket
import socketserver
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + body


class RawServer:
    """The server and what it was asked for."""

    def __init__(self, pages: Mapping[str, bytes], *, other: bytes = answer(b"", "404 Not Found")) -> None:
        """Answer a path of `pages` with its bytes, as they are, and every other path with `other`.

        Empty bytes mean no answer: the connection stays open until the server ends.
        """
        self.pages = dict(pages)
        self.other = other
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.ended = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, owner: RawServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what a test asked for."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Answer one request and close."""
        owner = self.server.owner
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(4096)
            if not piece:
                return
            head += piece
        path = head.split()[1].decode()
        owner.asked.append(path)
        owner.heads.append(head)
        content = owner.pages.get(path, owner.other)
        if content:
            self.request.sendall(content)
        else:
            owner.ended.wait(30)
