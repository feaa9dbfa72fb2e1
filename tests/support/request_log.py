"""What came in at the scripted server, and waiting for it.

Written by the server's thread, read by the test's: every change is told under one condition, on which `wait_until`
waits, so that no test sleeps. It knows no socket.
"""

import threading
from collections.abc import Callable
from typing import Literal

import anyio.to_thread
import msgspec

from tests.support.http11 import HttpRequest

WAIT_S = 10.0
"""How long `until` and `wait_until` wait before they fail."""

Outcome = Literal["open", "answered", "cut", "hung up"]


class Received:
    """One request that came in, and what became of it."""

    def __init__(self, number: int, request: HttpRequest) -> None:
        self.number = number
        """From 1, over all requests of the server."""
        self.method = request.method
        self.path = request.path
        self.headers = request.headers
        """Names in lower case."""
        self.body: dict = msgspec.json.decode(request.body) if request.body else {}
        self.pieces_sent = 0
        """Events of the stream that were sent."""
        self.outcome: Outcome = "open"

    @property
    def messages(self) -> list[dict]:
        """The chat's messages, as sent."""
        return self.body.get("messages", [])

    @property
    def last(self) -> str:
        """The text of the last message, empty where there is none."""
        return self.messages[-1]["content"] if self.messages else ""

    @property
    def is_chat(self) -> bool:
        """Whether it asks for a chat completion."""
        return self.path.endswith("/chat/completions")

    def __repr__(self) -> str:
        return f"<Received {self.number} {self.method} {self.path} {self.outcome}>"


class RequestLog:
    """The requests, in order."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.peak_open = 0
        """The largest number of chat completions that were open at once."""
        self.connections = 0
        """How many connections were opened."""
        self.open_connections = 0
        self._changed = threading.Condition()

    @property
    def chats(self) -> list[Received]:
        """The chat completions that came in, in order."""
        return [request for request in self.requests if request.is_chat]

    @property
    def open_chats(self) -> int:
        """The chat completions under way."""
        return sum(request.outcome == "open" for request in self.chats)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Block until `condition` holds, looked at after each change; `AssertionError` when it takes too long."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise AssertionError(f"waited {timeout_s} s in vain; requests: {self.requests}")

    async def until(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """`wait_until` for async tests."""
        await anyio.to_thread.run_sync(self.wait_until, condition, timeout_s)

    def note_connection(self, change: int) -> None:
        """A connection was opened (1) or closed (-1)."""
        self.connections += max(change, 0)
        self._tell(lambda: setattr(self, "open_connections", self.open_connections + change))

    def note(self, request: HttpRequest) -> Received:
        """A request came in."""
        received = Received(len(self.requests) + 1, request)
        self._tell(lambda: self.requests.append(received))
        self.peak_open = max(self.peak_open, self.open_chats)
        return received

    def settle(self, received: Received, outcome: Outcome) -> None:
        """That became of it, unless something did before."""
        if received.outcome == "open":
            self._tell(lambda: setattr(received, "outcome", outcome))

    def _tell(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def count_event(self, received: Received) -> None:
        """One more event of its stream was sent."""
        self._tell(lambda: setattr(received, "pieces_sent", received.pieces_sent + 1))
