"""What a server was given in secret, taken out of everything that it says: results, errors, descriptions, its log.

`way` above fills it when the server is started; `stdio` and `connection` pass through it what came. A value is hidden
as it is and as JSON and addresses write it. It knows no stream and no protocol.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from naestro.config_sources import is_table
from naestro.engines.guard import RotatingLog
from naestro.tools.servers.lines import is_list
from naestro.types import Json

MASK: Final = "********"
SECRET_CHARS_MIN: Final = 6
"""A shorter value is no secret, and stands in every other word."""


class Veil:
    """The secrets of one server."""

    def __init__(self) -> None:
        """Hide nothing yet."""
        self._texts: list[str] = []
        self._bytes: list[bytes] = []

    def hide(self, *values: str) -> None:
        """Hide `values` from now on, besides those before."""
        found = {form for value in values if len(value) >= SECRET_CHARS_MIN for form in _forms(value)}
        # The longest first: a shorter one may be a part of it.
        self._texts = sorted({*self._texts, *found}, key=len, reverse=True)
        self._bytes = [text.encode("utf-8", "surrogateescape") for text in self._texts]

    def text(self, text: str) -> str:
        """`text` without them."""
        for secret in self._texts:
            text = text.replace(secret, MASK)
        return text

    def json(self, value: Json) -> Json:
        """A value of JSON without them, in its names, too."""
        if isinstance(value, str):
            return self.text(value)
        if is_list(value):
            return [self.json(one) for one in value]
        if is_table(value):
            return {self.text(name): self.json(one) for name, one in value.items()}
        return value

    def data(self, data: bytes) -> bytes:
        """`data` without them."""
        for secret in self._bytes:
            data = data.replace(secret, MASK.encode())
        return data

    def begun_bytes(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        return max((_overlap(data, secret) for secret in self._bytes), default=0)


class VeiledLog:
    """A log without secrets, also where one comes in pieces."""

    def __init__(self, path: Path, veil: Veil) -> None:
        """Write into `path`, which is turned over when it is full."""
        self._log, self._veil, self._held = RotatingLog(path), veil, b""

    def write(self, data: bytes) -> None:
        """Write `data`, but for its end where that may be the beginning of a secret."""
        shown = self._veil.data(self._held + data)
        kept = len(shown) - self._veil.begun_bytes(shown)
        self._held = shown[kept:]
        if shown[:kept]:
            self._log.write(shown[:kept])

    def end(self) -> None:
        """Write what was held back: no more comes."""
        if self._held:
            self._log.write(self._held)
        self._held = b""


def _forms(value: str) -> Iterator[str]:
    """A value as it may be said again."""
    yield value
    for is_ascii in (True, False):
        yield json.dumps(value, ensure_ascii=is_ascii)[1:-1]
    for quoted in (quote, quote_plus):
        yield quoted(value, safe="", errors="replace")


def _overlap(data: bytes, secret: bytes) -> int:
    """The length of the longest end of `data` with which `secret`, longer than that, begins."""
    start = max(0, len(data) - len(secret) + 1)
    while (start := data.find(secret[:1], start)) >= 0:
        if secret.startswith(data[start:]):
            return len(data) - start
        start += 1
    return 0
