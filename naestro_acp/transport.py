"""Newline-delimited JSON over a stream of bytes, as the SDK's message-level transport.

`plugin` above opens it on a connection's stream and runs its writer; the SDK's `Connection` receives from it and
sends into it. What is no JSON-RPC message (`json_lines` says so) is answered here, and the connection sees well-formed
ones only. Messages leave in the order in which `send` was called, and whole, even when a sender is
cancelled; a client that does not read makes its senders wait. It knows no method of the protocol.
"""

import json
from collections.abc import Mapping

import anyio
import msgspec
from acp.exceptions import RequestError
from anyio.abc import ByteStream

from naestro.client.json_lines import INTERNAL_ERROR, BadLine, LineError, LineReader, parse_message
from naestro.types import Json

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is skipped: no prompt has a reason to be larger, and the daemon serves others, too."""

OPEN_REQUESTS_MAX = 1024
"""Requests that may wait for their answers; more are refused, so that a client that never reads fills no memory."""

QUEUE_LINES = 64
"""Lines that may wait for a client that reads slowly; beyond them senders wait."""

BATCH_BYTES = 64 * 1024
"""Lines that wait are written together up to this size: one write instead of one a token."""

FLUSH_S = 1.0
"""How long a connection that ends tries to write what still waits."""

_encoder = msgspec.json.Encoder(enc_hook=str)


class LineTransport:
    """Both directions of one connection. `receive`, `send` and `close` are what the SDK's `Transport` asks for."""

    def __init__(self, stream: ByteStream, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        """Work on `stream`, which `close` closes; the caller runs `run_writer` as long as the connection lives."""
        self._stream = stream
        self._lines = LineReader(stream, max_line_bytes)
        self._outbox, self._waiting = anyio.create_memory_object_stream[bytes](QUEUE_LINES)
        self._is_written = anyio.Event()
        self._open_requests = 0

    async def receive(self) -> dict[str, Json] | None:
        """The next message; None when the client has gone. Lines that hold none are answered and passed over."""
        while True:
            try:
                line = await self._lines.next()
                return None if line is None else self._admitted(parse_message(line))
            except BadLine as fault:
                answer = {"jsonrpc": "2.0", "id": fault.request_id, "error": fault.error.shown()}
            try:
                await self._queue(answer)
            except ConnectionError:
                return None

    async def send(self, message: Mapping[str, Json]) -> None:
        """Queue one message; waits while the client does not read. Raises `ConnectionError` when it has gone."""
        await self._queue(message)
        if "method" not in message and "id" in message:
            self._open_requests -= 1

    async def run_writer(self) -> None:
        """Write what is sent, until the transport is closed or the client gone."""
        try:
            with self._waiting:
                async for line in self._waiting:
                    await self._stream.send(self._with_waiting(line))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            self._is_written.set()

    async def close(self) -> None:
        """Write what waits, for at most `FLUSH_S` seconds, and close the stream."""
        self._outbox.close()
        with anyio.move_on_after(FLUSH_S):
            await self._is_written.wait()
        self._waiting.close()
        await self._stream.aclose()

    def _admitted(self, message: dict[str, Json]) -> dict[str, Json]:
        """`message`; raises `BadLine` for a request when too many of them are open."""
        if "method" in message and "id" in message:
            if self._open_requests >= OPEN_REQUESTS_MAX:
                hint = "Read the answers, and send fewer requests at once."
                error = LineError(INTERNAL_ERROR, f"More than {OPEN_REQUESTS_MAX} requests are open.", hint)
                raise BadLine(error, message["id"])
            self._open_requests += 1
        return message

    async def _queue(self, message: Mapping[str, Json]) -> None:
        try:
            await self._outbox.send(_line_of(message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise ConnectionError("The client has gone.") from error

    def _with_waiting(self, line: bytes) -> bytes:
        """`line`, and the lines behind it that wait already."""
        lines = [line]
        size_bytes = len(line)
        while size_bytes < BATCH_BYTES:
            try:
                lines.append(self._waiting.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
            size_bytes += len(lines[-1])
        return b"".join(lines)


def error_object(error: RequestError) -> dict[str, Json]:
    """`error` as JSON-RPC shows it, without a `data` that says nothing."""
    shown: dict[str, Json] = {"code": error.code, "message": str(error)}
    return shown if error.data is None else shown | {"data": error.data}


def _line_of(message: Mapping[str, Json]) -> bytes:
    try:
        return _encoder.encode(message) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which a model may have made: strict readers refuse it
        return json.dumps(message, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
