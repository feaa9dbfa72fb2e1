"""Lines of bytes, and the JSON-RPC message in one: what is none of either is said, never guessed.

The protocol servers read with it and answer the faults; it knows neither a connection nor a method of a protocol.
Sources: JSON-RPC 2.0, sections 4 to 6; the transport rules of ACP and MCP (one message a line, requests' ids are null,
integers or strings, parameters are an object).
"""

import json
import re
from dataclasses import dataclass
from typing import cast

import anyio
import msgspec
from anyio.abc import ByteReceiveStream

from naestro.types import Json

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32602, -32603
"""Codes of JSON-RPC 2.0, section 5.1."""
CHUNK_BYTES = 64 * 1024
HEAD_BYTES = 4 * 1024
"""How much of a line that is too long is kept, to find the id of its request."""

_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){0,200}")\s*[,}]')
_decoder = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class LineError:
    """An error of JSON-RPC."""

    code: int
    message: str
    hint: str = ""

    def shown(self) -> dict[str, Json]:
        """As the wire shows it, without a `data` that says nothing."""
        told: dict[str, Json] = {"code": self.code, "message": self.message}
        return told | {"data": {"hint": self.hint}} if self.hint else told


class BadLine(Exception):
    """A line that holds no message: the error to answer, and the id of the request where one can be told."""

    def __init__(self, error: LineError, request_id: Json = None) -> None:
        """Keep both."""
        super().__init__(error.message)
        self.error = error
        self.request_id = request_id


class LineReader:
    """The lines of a stream, without their ends; of one that is too long only the head is kept in memory."""

    def __init__(self, stream: ByteReceiveStream, max_line_bytes: int) -> None:
        """Read from `stream`, which the caller closes."""
        self._stream = stream
        self._max_line_bytes = max_line_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._head: bytes | None = None
        self._is_over = False

    async def next(self) -> bytes | None:
        """The next line that is not empty; None at the end. Raises `BadLine` for one that is too long."""
        while True:
            line = self._take()
            if line is None:
                if self._is_over:
                    return None
                await self._fill()
            elif self._head is not None:
                head, self._head = self._head, None
                raise BadLine(too_long(self._max_line_bytes), _id_in(head))
            elif stripped := line.strip():
                return stripped

    def _take(self) -> bytes | None:
        """One line out of the buffer; at the end of the stream, what is left."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0 and self._is_over and (self._buffer or self._head is not None):
            end = len(self._buffer)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        if end > self._max_line_bytes:
            self._skip()
        line = bytes(self._buffer[:end]) if self._head is None else b""
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    async def _fill(self) -> None:
        if len(self._buffer) > self._max_line_bytes or self._head is not None:
            self._skip()
            self._buffer.clear()
            self._searched = 0
        try:
            self._buffer += await self._stream.receive(CHUNK_BYTES)
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._is_over = True

    def _skip(self) -> None:
        """From here to the end of its line, nothing is kept."""
        if self._head is None:
            self._head = bytes(self._buffer[:HEAD_BYTES])


def too_long(max_bytes: int) -> LineError:
    """What is said of a message with more than `max_bytes`."""
    return LineError(
        INVALID_REQUEST,
        f"The message is longer than {max_bytes / (1024 * 1024):g} MiB and was skipped.",
        "Send less at once: name files instead of embedding them.",
    )


def parse_message(line: bytes) -> dict[str, Json]:
    """The JSON-RPC message in `line`. Raises `BadLine` where there is none."""
    message = _object_in(line)
    request_id = message.get("id")
    if not _is_id(request_id):
        raise _invalid("An id must be an integer, a string or null.")
    if "method" in message:
        _check_call(message, request_id)
    elif "id" not in message or not ("result" in message or isinstance(message.get("error"), dict)):
        raise _invalid("A message has a method, or a result, or an error.", request_id)
    return message


def _object_in(line: bytes) -> dict[str, Json]:
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError) as error:
        raise BadLine(LineError(PARSE_ERROR, f"The line is no JSON: {error}.")) from error
    if not isinstance(value, dict):
        raise _invalid("A message must be a JSON object: a batch of several is not taken.")
    return cast("dict[str, Json]", value)


def _decode(line: bytes) -> Json:
    """The value in `line`. Half a surrogate pair, which editors may send, becomes a question mark."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        if b"\\u" not in line:
            raise
        text = json.dumps(json.loads(line), ensure_ascii=False)
        return _decoder.decode(text.encode("utf-8", "replace"))


def _check_call(message: dict[str, Json], request_id: Json) -> None:
    if message.get("jsonrpc") != "2.0":
        raise _invalid('A message must carry `"jsonrpc": "2.0"`.', request_id)
    if not isinstance(message["method"], str):
        raise _invalid("A method must be a string.", request_id)
    if not isinstance(message.get("params"), dict | None):
        raise BadLine(LineError(INVALID_PARAMS, "The parameters must be an object."), request_id)


def _is_id(value: Json) -> bool:
    return value is None or (isinstance(value, int | str) and not isinstance(value, bool))


def _invalid(sentence: str, request_id: Json = None) -> BadLine:
    return BadLine(LineError(INVALID_REQUEST, sentence), request_id)


def _id_in(head: bytes) -> Json:
    """The id of the request that begins with `head`, where it stands before the parameters."""
    found = _ID.search(head.partition(b'"params"')[0])
    return None if found is None else _decoder.decode(found[1])
