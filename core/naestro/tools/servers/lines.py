"""Messages of a server as lines, within bounds: a line that is too long is let go as it comes, and told by its ends.

`stdio` above feeds it what it reads. Memory stays at one message and two scraps however much a server sends. It knows
no process.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from naestro.config_sources import is_table
from naestro.types import Json

SCRAP_BYTES = 4_096
"""Kept of both ends of a line that is too long: the id of what it answers stands in one of them."""
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*[,}]')
_ID_LAST = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line that was let go."""

    head: bytes
    tail: bytes
    size_bytes: int


class BoundedLines:
    """Splits what a server writes into lines of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        """Keep one line at a time."""
        self._max_bytes = max_bytes
        self._line = bytearray()
        self._head = b""
        self._tail = b""
        self._let_go_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes | Overlong]:
        """The lines that `data` completes, in order."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take(data[start:end])
            yield self._end()
            start = end + 1
        self._take(data[start:])

    def _take(self, piece: bytes) -> None:
        if not self._let_go_bytes and len(self._line) + len(piece) <= self._max_bytes:
            self._line += piece
            return
        if not self._let_go_bytes:
            self._line += piece[: SCRAP_BYTES * 2]
            self._head, self._tail = bytes(self._line[:SCRAP_BYTES]), bytes(self._line[-SCRAP_BYTES:])
            self._let_go_bytes = len(self._line) - len(piece[: SCRAP_BYTES * 2])
            self._line = bytearray()
        self._tail = (self._tail + piece[-SCRAP_BYTES:])[-SCRAP_BYTES:]
        self._let_go_bytes += len(piece)

    def _end(self) -> bytes | Overlong:
        if self._let_go_bytes:
            overlong = Overlong(self._head, self._tail, self._let_go_bytes)
            self._let_go_bytes = 0
            return overlong
        line, self._line = bytes(self._line), bytearray()
        return line


def mended(line: bytes) -> Json:
    """The JSON of a message that strict readers refuse for one sign, that sign replaced. Raises `ValueError`.

    Servers cut texts in the middle of an emoji, and some write in the code page of their system.
    """
    return _without_halves(json.loads(line.decode("utf-8", "replace"), parse_constant=_no_number))


def _no_number(name: str) -> None:
    """`NaN` and its like say nothing."""


def _without_halves(value: Json) -> Json:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_list(value):
        return [_without_halves(one) for one in value]
    if is_table(value):
        return {str(_without_halves(name)): _without_halves(one) for name, one in value.items()}
    return value


def is_list(value: Json) -> TypeGuard[list[Json]]:
    """Whether `value` is a list of JSON."""
    return isinstance(value, list)


def answered_id(head: bytes, tail: bytes, pending: Collection[int]) -> int | None:
    """The request that a message which cannot be read answers: by its ends, or since only one is open."""
    for found in (_ID_FIRST.match(head), _ID_LAST.search(tail)):
        if found and int(found[1]) in pending:
            return int(found[1])
    return next(iter(pending)) if len(pending) == 1 else None
