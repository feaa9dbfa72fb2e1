"""Just enough HTTP/1.1 for a test server: read a request, write a whole or a chunked response.

Written by hand, so that a test can also break the protocol on purpose. `scripted_server` above uses it; it knows no
engine and no answer.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
from anyio.abc import ByteStream

HEAD_MAX_BYTES = 64 * 1024
BODY_MAX_BYTES = 64 * 1024 * 1024
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""What anyio raises when the other side, or we, closed the connection."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, read whole."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(slots=True)
class HttpConnection:
    """One connection of a client."""

    stream: ByteStream
    buffer: bytearray = field(default_factory=bytearray)

    async def read_request(self) -> HttpRequest | None:
        """The next request; None where the client closed the connection instead."""
        try:
            head = await self._read_until(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            pairs = (line.partition(":") for line in lines[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = await self._read(int(headers.get("content-length", "0")))
        except GONE:
            return None
        return HttpRequest(method, path, headers, body)

    async def wait_for_hang_up(self) -> None:
        """Return when the client closed the connection; bytes that come meanwhile are kept."""
        try:
            while True:
                self.buffer += await self.stream.receive()
        except GONE:
            return

    async def send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """A response with its length."""
        fields = {"content-type": "application/json", **headers, "content-length": str(len(body))}
        await self.stream.send(_head(status, fields) + body)

    async def send_stream_head(self, headers: dict[str, str]) -> None:
        """The head of a response of server-sent events, in chunks."""
        fields = {"content-type": "text/event-stream", **headers, "transfer-encoding": "chunked"}
        await self.stream.send(_head(200, fields))

    async def send_chunk(self, data: bytes) -> None:
        """One chunk; an empty one ends the response."""
        await self.stream.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def _read_until(self, end: bytes) -> bytes:
        while (index := self.buffer.find(end)) < 0:
            if len(self.buffer) > HEAD_MAX_BYTES:
                raise anyio.EndOfStream
            self.buffer += await self.stream.receive()
        found = bytes(self.buffer[:index])
        del self.buffer[: index + len(end)]
        return found

    async def _read(self, size: int) -> bytes:
        if size > BODY_MAX_BYTES:
            raise anyio.EndOfStream
        while len(self.buffer) < size:
            self.buffer += await self.stream.receive()
        found = bytes(self.buffer[:size])
        del self.buffer[:size]
        return found


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
