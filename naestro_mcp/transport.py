"""Newline-delimited JSON over a stream of bytes, as the SDK's two streams of messages.

`plugin` above opens it on a connection's stream; the SDK's `Server.run` reads from the one stream and writes into the
other. What is no JSON-RPC message (`json_lines` says so) is answered here, and the SDK sees well-formed ones only.
A client that does not read makes the server's senders wait. It knows no method of the protocol.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage, JSONRPCRequest

from naestro.client.json_lines import INTERNAL_ERROR, BadLine, LineError, LineReader, parse_message
from naestro.types import Json
from naestro_mcp.about import Opening
from naestro_mcp.message import message_of

OPEN_REQUESTS_MAX = 1024
"""Requests that may wait for their answers; more are refused, so that a client that never reads fills no memory."""
QUEUE_LINES = 64
"""Lines that may wait for a client that reads slowly; beyond them senders wait."""
SETTLE_S = 0.5
"""How long requests may still be answered when the client has sent its last; the relay waits 0.7 s."""

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]
_encoder = msgspec.json.Encoder(enc_hook=str)


class LineTransport:
    """Both directions of one connection."""

    def __init__(self, stream: ByteStream, lines: LineReader, opening: Opening | None = None) -> None:
        """Write to `stream`, which the caller closes, and read `lines` of it behind `opening`."""
        self._stream = stream
        self._lines = lines
        self._opening = opening
        self._answers, self._waiting = anyio.create_memory_object_stream[bytes](QUEUE_LINES)
        self._open: set[object] = set()
        """The ids of requests that have no answer yet."""
        self._answered = anyio.Event()
        self._swallowed: object = None
        """The id of the opening, which is answered already."""

    @asynccontextmanager
    async def messages(self) -> AsyncGenerator[tuple[Incoming, Outgoing]]:
        """The client's messages, and the stream that takes those for it; the SDK closes both."""
        into_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, out_of_server = anyio.create_memory_object_stream[SessionMessage](0)
        with into_server, incoming, outgoing, out_of_server, self._answers, self._waiting:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, into_server, name="mcp reader")
                tasks.start_soon(self._take, out_of_server, name="mcp answers")
                tasks.start_soon(self._write, name="mcp writer")
                yield incoming, outgoing
                tasks.cancel_scope.cancel()

    async def _read(self, into_server: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        with into_server, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                try:
                    fields = await self._next()
                    if fields is None:
                        break
                    message = self._admitted(fields)
                except BadLine as fault:
                    await self._queue({"id": fault.request_id, "error": fault.error.shown()})
                    continue
                await into_server.send(SessionMessage(message))
            await self._settle()

    async def _next(self) -> dict[str, Json] | None:
        """The next message, the opening first; None at the end. Raises `BadLine`."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            self._swallowed = opening.message["id"] if opening.is_answered else None
            return opening.message
        line = await self._lines.next()
        return None if line is None else parse_message(line)

    async def _settle(self) -> None:
        """The end of the stream cancels what the server works on: let it answer what is quick."""
        with anyio.move_on_after(SETTLE_S):
            while self._open:
                await self._answered.wait()

    async def _take(self, out_of_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for item in out_of_server:
                request = (
                    None if isinstance(item.message, JSONRPCRequest) else getattr(item.message, "id", None)
                )
                if request is not None and request == self._swallowed:
                    self._swallowed = None
                else:
                    await self._queue(item.message.model_dump(mode="json", by_alias=True, exclude_unset=True))
                self._close(request)

    async def _write(self) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for line in self._waiting:
                await self._stream.send(line)

    async def _queue(self, message: dict[str, Json]) -> None:
        await self._answers.send(_encoder.encode({"jsonrpc": "2.0", **message}) + b"\n")

    def _admitted(self, fields: dict[str, Json]) -> JSONRPCMessage:
        """The message of `fields`. Raises `BadLine` where it is none, or too many requests are open."""
        message = message_of(fields)
        if isinstance(message, JSONRPCRequest):
            if len(self._open) >= OPEN_REQUESTS_MAX:
                hint = "Read the answers, and send fewer requests at once."
                error = LineError(INTERNAL_ERROR, f"More than {OPEN_REQUESTS_MAX} requests are open.", hint)
                raise BadLine(error, message.id)
            self._open.add(message.id)
        elif fields.get("method") == "notifications/cancelled":
            self._close(_cancelled_id(fields))  # it is never answered
        return message

    def _close(self, request: object) -> None:
        self._open.discard(request)
        if not self._open:
            self._answered.set()
            self._answered = anyio.Event()


def _cancelled_id(fields: dict[str, Json]) -> object:
    params = fields.get("params")
    # A JSON object's keys are strings.
    return params.get("requestId") if isinstance(params, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - see above
