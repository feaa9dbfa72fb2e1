"""Server-sent events, read from bytes: the part of the format that chat completions use.

httpx2 has an `EventSource` of its own; it is not used because it leaves its inner generators to the garbage collector
when a stream is left early, and here leaving early must close the connection at once. This reader holds no stream:
bytes go in, the data of whole events comes out. Format: the HTML standard, "Server-sent events", 9.2.6.
"""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """One event is larger than the limit."""


class EventReader:
    """Cuts a stream of bytes into events; keeps what is not yet whole."""

    def __init__(self, *, event_max_bytes: int) -> None:
        self._event_max_bytes = event_max_bytes
        self._rest = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The `data` of each event that `received` completes, in order; raises `EventTooLarge`."""
        text = self._rest + received
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(text.removesuffix(held) if held else text)
        self._rest = rest + held
        events = [data for line in lines if (data := self._line(line)) is not None]
        if self._data_bytes + len(self._rest) > self._event_max_bytes:
            raise EventTooLarge(f"an event of more than {self._event_max_bytes} bytes")
        return events

    def _line(self, line: bytes) -> bytes | None:
        """Take one line; the event's data where the line, an empty one, ends an event."""
        if line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value)
        elif not line and self._data:
            data = b"\n".join(self._data)
            self._data.clear()
            self._data_bytes = 0
            return data
        return None
