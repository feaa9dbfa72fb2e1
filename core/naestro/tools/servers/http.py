"""A server of tools at an address, spoken to over streamable HTTP, within bounds.

`connection` above hands the streams to the protocol's library, whose transport is used as it is; its HTTP client is
this module's, which lets no answer grow without limit. Redirects stay within the address's origin, as the library does.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError

from naestro.tools.servers.gate import FLOOD_SHARE, Gate

CONNECT_S = 10.0
READ_S = 300.0
"""Between two pieces of an answer; the call's own time is bounded above."""


@asynccontextmanager
async def open_address(
    url: str, headers: Mapping[str, str], gate: Gate
) -> AsyncGenerator[tuple["_Reading", "_Writing"]]:
    """The streams to the server at `url`; leaving ends its session."""
    bounded = _Bounded(httpx2.AsyncHTTPTransport(), gate)
    # A compressed answer may be a hundred times as long as it looks.
    sent = {**headers, "accept-encoding": "identity"}
    timeout = httpx2.Timeout(CONNECT_S, read=READ_S)
    client = httpx2.AsyncClient(headers=sent, timeout=timeout, transport=bounded)
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=gate.message_max_bytes) as (
            read,
            write,
        ),
    ):
        yield _Reading(read, gate), _Writing(write, gate)


class _Reading:
    """What comes from the server, through the gate."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], gate: Gate) -> None:
        self._inner, self._gate = inner, gate

    @property
    def last_context(self) -> object:
        """The context in which the last message was sent; the library looks for it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        item = await self._inner.receive()
        if isinstance(item, Exception):
            return item
        self._gate.count(0)
        item.message = self._gate.admit(item.message)
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Writing:
    """What goes to the server, noted by the gate."""

    def __init__(self, inner: WriteStream[SessionMessage], gate: Gate) -> None:
        self._inner, self._gate = inner, gate

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        self._gate.sent(item.message)
        await self._inner.send(item)

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Bounded(httpx2.AsyncBaseTransport):
    """A transport whose answers are bounded and not compressed, and that never raises.

    What goes wrong becomes an answer that says so: an exception would end the library's whole connection, and with it
    every other call.
    """

    def __init__(self, inner: httpx2.AsyncHTTPTransport, gate: Gate) -> None:
        self._inner, self._gate = inner, gate

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`."""
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            return _failed(f"{str(error) or type(error).__name__}.")
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            await stream.aclose()
            return _failed("Its answer is compressed, which was not asked for.")
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        most = self._gate.message_max_bytes * (FLOOD_SHARE if is_stream else 1)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(stream, most),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    """A body of at most `most` bytes; it ends there, or where the connection breaks, and what it says is not whole."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._most = inner, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        with suppress(httpx2.TransportError):
            async for piece in self._inner:
                left -= len(piece)
                if left < 0:
                    return
                yield piece

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()


def _failed(words: str) -> httpx2.Response:
    """An answer that says what went wrong, as the library takes it."""
    error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=INTERNAL_ERROR, message=words))
    content = error.model_dump_json(by_alias=True).encode()
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=content)
