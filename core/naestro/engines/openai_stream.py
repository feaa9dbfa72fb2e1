"""A streamed chat completion under way: text out piece by piece, then the whole, or an error of the tree.

`openai` above opens the response and closes it; this module reads it. A class with `__anext__`, not an async
generator, since each wait stands under a deadline and a generator may not yield inside a cancel scope. It
knows no retry.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from naestro.engines.engine import Completion
from naestro.engines.openai_answer import Answer, Source
from naestro.engines.sse import EventReader, EventTooLarge
from naestro.engines.wire_errors import error_of_exception
from naestro.errors import EngineTimeout

if TYPE_CHECKING:
    import httpx2

EVENT_MAX_BYTES = 1 << 20
"""One event carries a few tokens, or a tool call whole."""
DRAIN_S = 0.25
"""How long to wait for the response's own end after `[DONE]`, so that the connection can be used again."""
CLOSE_S = 0.1
"""How long closing may take; the socket is closed at once, TLS may want a word more."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When waiting ends, on anyio's clock, and what was allowed in seconds."""

    first_token_at: float
    total_at: float
    first_token_s: float
    total_s: float

    def passed(self, engine: str, *, is_begun: bool = False) -> EngineTimeout:
        """The error that one of them passed: the total one where the answer `is_begun`, or where it came first."""
        if is_begun or self.first_token_at >= self.total_at:
            return EngineTimeout(f"The engine {engine} did not finish its answer within {self.total_s:g} s.")
        return EngineTimeout(f"The engine {engine} sent no token within {self.first_token_s:g} s.")


class OpenAIStream:
    """The `ChatStream` of an OpenAI-compatible server; used by one task."""

    def __init__(
        self, response: "httpx2.Response", source: Source, deadlines: Deadlines, max_bytes: int
    ) -> None:
        self._response = response
        self._received: AsyncGenerator[bytes] = response.aiter_bytes()
        self._reader = EventReader(event_max_bytes=EVENT_MAX_BYTES)
        self._answer = Answer(source)
        self._source = source
        self._deadlines = deadlines
        self._pieces: deque[str] = deque()
        self._bytes_left = max_bytes

    def __aiter__(self) -> AsyncIterator[str]:
        """Itself: there is one iteration."""
        return self

    async def __anext__(self) -> str:
        """The next piece of text, not empty; raises an `EngineError` when there is none to come."""
        while not self._pieces:
            if self._answer.is_done:
                raise StopAsyncIteration
            await self._read()
        return self._pieces.popleft()

    def completion(self) -> Completion:
        """What came back, whole; `EngineMalformed` before the iteration ended, or where it ended in an error."""
        if not self._answer.is_done or self._pieces:
            raise self._source.malformed("it is not whole")
        return self._answer.completion()

    async def aclose(self) -> None:
        """Close the connection unless the response came to its end; bounded by `CLOSE_S`, also when cancelled."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._received.aclose()
            await self._response.aclose()

    async def _read(self) -> None:
        """Wait for bytes once and take what they complete."""
        try:
            self._take(await self._wait())
        except EventTooLarge as error:
            raise self._source.malformed(f"it sent {error}") from error
        if self._answer.is_done:
            await self._drain()

    async def _wait(self) -> bytes:
        """The next bytes; empty at the end."""
        import httpx2

        deadlines = self._deadlines
        deadline = deadlines.total_at if self._answer.is_begun else deadlines.first_token_at
        received: bytes | None = None
        try:
            with anyio.CancelScope(deadline=deadline):
                received = await anext(self._received, b"")
        except (httpx2.HTTPError, httpx2.StreamError) as foreign:
            raise error_of_exception(foreign, self._source.engine, self._source.address) from foreign
        if received is None:
            raise deadlines.passed(self._source.engine, is_begun=self._answer.is_begun)
        return received

    def _take(self, received: bytes) -> None:
        self._bytes_left -= len(received)
        if self._bytes_left < 0:
            raise self._source.malformed("it is longer than the limit that protects this machine's memory")
        if not received:
            raise self._source.malformed("it ended before [DONE]")
        for data in self._reader.feed(received):
            if self._answer.is_done:
                return
            if text := self._answer.take(data):
                self._pieces.append(text)

    async def _drain(self) -> None:
        """Read the response to its end, so that its connection serves the next request too."""
        import httpx2

        try:
            with anyio.move_on_after(DRAIN_S):
                while await anext(self._received, b""):
                    pass
        except httpx2.HTTPError:
            return  # the answer is whole; the connection is not used again
