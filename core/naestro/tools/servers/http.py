"""A server of tools at an address, spoken to over streamable HTTP, within bounds.

`connection` above hands the streams to the protocol's library, whose transport is used as it is; its HTTP client is
this module's, which lets no answer grow without limit. Redirects stay within the address's origin, as the library does.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from logging import CRITICAL, getLogger
from typing import Final, Self

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError
from pydantic_core import from_json

from naestro.config_sources import is_table
from naestro.tools.servers.gate import FLOOD_SHARE, Gate
from naestro.tools.servers.lines import mended

MEND_BY: Final = (
    "name the variable that holds it as `bearer_env` in the settings, or write the header `Authorization` in "
    ".mcp.json"
)
CONNECT_S = 10.0
READ_S = 300.0
"""Between two pieces of an answer; the call's own time is bounded above."""


@asynccontextmanager
async def open_address(
    url: str, headers: Mapping[str, str], gate: Gate
) -> AsyncGenerator[tuple["_Reading", "_Writing"]]:
    """The streams to the server at `url`; leaving ends its session."""
    # What it says of an answer repeats pieces of that, and all of it is told by errors anyway.
    getLogger("mcp.client.streamable_http").setLevel(CRITICAL)
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
        item.message = await self._gate.admit(item.message)
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
        kind = response.headers.get("content-type", "").lower()
        is_stream = kind.startswith("text/event-stream")
        most = self._gate.message_max_bytes * (FLOOD_SHARE if is_stream else 1)
        bounded = _BoundedStream(stream, most)
        words = _refusal(request, response)
        body: httpx2.AsyncByteStream = bounded
        if words is None and kind.startswith("application/json") and request.method == "POST":
            words, content = await _whole(bounded)
            if response.status_code >= 500 and not _is_protocol_error(content):
                words = f"It answered with the status {_status(response.status_code)}."
            # Its length may be another one by now.
            response.headers.pop("content-length", None)
            body = _Given(content, bounded)
        if words is not None:
            await stream.aclose()
            return _failed(words)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=body,
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    """A body of at most `most` bytes; it ends there, or where the connection breaks, and what it says is not whole."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._most = inner, most
        self.fault = ""
        """Why it is not whole."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        try:
            async for piece in self._inner:
                left -= len(piece)
                if left < 0:
                    self.fault = f"Its answer has more than {self._most:,} bytes."
                    return
                yield piece
        except httpx2.TransportError:
            self.fault = "The connection broke in the middle of its answer."

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()


class _Given(httpx2.AsyncByteStream):
    """A body that was read from another one."""

    def __init__(self, content: bytes, inner: httpx2.AsyncByteStream) -> None:
        self._content, self._inner = content, inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()


async def _whole(stream: _BoundedStream) -> tuple[str | None, bytes]:
    """What is wrong with the JSON of `stream`, and the JSON, as strict readers take it."""
    content = b"".join([piece async for piece in stream])
    if stream.fault:
        return stream.fault, b""
    try:
        from_json(content)
    except ValueError:
        try:
            return None, json.dumps(mended(content)).encode()
        except (ValueError, RecursionError):
            return ("Its answer is no valid JSON.", b"") if content.strip() else (None, b"")
    return None, content


def _refusal(request: httpx2.Request, response: httpx2.Response) -> str | None:
    """What is wrong with an answer by its head; None where the protocol's library has to judge.

    That knows what 400, 404 and 405 say of a server's version and session, and errors of the protocol in JSON.
    """
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        return "Its answer is compressed, which was not asked for."
    status = _status(response.status_code)
    match response.status_code:
        case 401 if "authorization" in request.headers:
            return f"It refuses the token ({status}): that may have expired, or be for something else."
        case 401 if "resource_metadata" in response.headers.get("www-authenticate", ""):
            return (
                f"It wants you to sign in by OAuth ({status}), which Naestro does not do: get a token from those who "
                f"run it, and {MEND_BY}."
            )
        case 401:
            return f"It wants a token ({status}): {MEND_BY}."
        case 403:
            return f"It refuses access ({status}): the token may lack a right, or is missing."
        case code if code >= 500 or code in (402, 407, 408, 429):
            is_error = response.headers.get("content-type", "").lower().startswith("application/json")
            return None if is_error else f"It answered with the status {status}."
        case _:
            return None


def _is_protocol_error(content: bytes) -> bool:
    try:
        found: object = from_json(content)
    except ValueError:
        return False
    return is_table(found) and "error" in found and "jsonrpc" in found


def _status(code: int) -> str:
    known = {one.value: f"{one.value} {one.phrase}" for one in HTTPStatus}
    return known.get(code, str(code))


def _failed(words: str) -> httpx2.Response:
    """An answer that says what went wrong, as the library takes it."""
    error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=INTERNAL_ERROR, message=words))
    content = error.model_dump_json(by_alias=True).encode()
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=content)
