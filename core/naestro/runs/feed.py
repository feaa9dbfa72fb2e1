"""Events and text deltas as they happen, for readers in this process. Knows no storage and waits for nobody.

A reader that does not keep up has its stream closed rather than slow a run down: the end of the stream is the mark
that it must read on from the journal. Above stands the journal.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from naestro.runs.store import Write
from naestro.types import Delta, Event

BUFFER_ITEMS = 4096
"""Half a minute of a fast engine's deltas for one reader; a few hundred kilobytes at most."""

Live = Event | Delta
Numbered = tuple[int, Event]
"""An event with its global number."""


class Feed:
    """Hands each item of a run to everyone who listens to that run, or to all of them, at the moment."""

    def __init__(self) -> None:
        """Begin with no listener."""
        self._listeners: defaultdict[str, set[MemoryObjectSendStream[Live]]] = defaultdict(set)
        self._of_all: set[MemoryObjectSendStream[Numbered]] = set()

    def publish(self, item: Live) -> None:
        """Give `item` to the listeners of its run; never waits."""
        for stream in tuple(self._listeners.get(item.run, ())):
            try:
                stream.send_nowait(item)
            except (anyio.WouldBlock, anyio.BrokenResourceError):
                self._drop(item.run, stream)

    def publish_written(self, writes: Sequence[Write]) -> None:
        """Give the events of each of `writes` that was kept to the listeners."""
        if not self._listeners and not self._of_all:
            return
        for write in writes:
            for number, event in enumerate(write.events, start=write.first_number):
                self.publish(event)
                self._publish_numbered((number, event))

    def _publish_numbered(self, item: Numbered) -> None:
        for stream in tuple(self._of_all):
            try:
                stream.send_nowait(item)
            except (anyio.WouldBlock, anyio.BrokenResourceError):
                self._drop_of_all(stream)

    @asynccontextmanager
    async def listen(self, run: str) -> AsyncGenerator[MemoryObjectReceiveStream[Live]]:
        """Everything of `run` from now on. The stream ends when its reader is too slow, or the journal closes."""
        send, receive = anyio.create_memory_object_stream[Live](BUFFER_ITEMS)
        self._listeners[run].add(send)
        try:
            with receive:
                yield receive
        finally:
            self._drop(run, send)

    @asynccontextmanager
    async def listen_to_all(self) -> AsyncGenerator[MemoryObjectReceiveStream[Numbered]]:
        """Every event from now on, without the text between them. The stream ends as that of `listen` does."""
        send, receive = anyio.create_memory_object_stream[Numbered](BUFFER_ITEMS)
        self._of_all.add(send)
        try:
            with receive:
                yield receive
        finally:
            self._drop_of_all(send)

    def end(self, run: str) -> None:
        """End every stream of `run`: nothing more comes, and no event says so."""
        for stream in tuple(self._listeners.get(run, ())):
            self._drop(run, stream)

    def close(self) -> None:
        """End every stream."""
        for run in tuple(self._listeners):
            self.end(run)
        for stream in tuple(self._of_all):
            self._drop_of_all(stream)

    def _drop_of_all(self, stream: MemoryObjectSendStream[Numbered]) -> None:
        stream.close()
        self._of_all.discard(stream)

    def _drop(self, run: str, stream: MemoryObjectSendStream[Live]) -> None:
        stream.close()
        if streams := self._listeners.get(run):
            streams.discard(stream)
            if not streams:
                del self._listeners[run]
