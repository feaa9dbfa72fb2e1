"""Readers of what happens: of one run, or of all. A reader that falls behind loses its feed, never an event.

`working` and `local` above hand them out; below stands the journal with its live feeds, which wait for nobody: who is
cut off reads on from the journal. It knows no command and works on no run.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import anyio

from naestro.errors import NaestroError
from naestro.runs.journal import Journal
from naestro.types import Delta, Event

PAGE_EVENTS = 500
"""Events of all runs that are read from the journal at a time."""


class Followed(Protocol):
    """Work on a run, as far as a reader must know it."""

    error: NaestroError | None
    """Why it ended without an ending in the journal."""

    def is_ended_by(self, item: Event | Delta) -> bool:
        """Whether `item` is the last that this work shows."""
        ...


class RunFollower:
    """One reader of a run."""

    def __init__(self, journal: Journal, run: str, after: int, work: Callable[[], Followed | None]) -> None:
        """Follow `run` from number `after` on, for as long as `work` gives somebody's work on it."""
        self._journal = journal
        self._run = run
        self._seen = after
        self._work = work
        self._last: Followed | None = None
        self._is_over = False

    async def items(self) -> AsyncGenerator[Event | Delta]:
        """Every event once and in order, with the text between them as it comes.

        Raises at the end what ended the work without an event, such as a journal that cannot be written.
        """
        while not self._is_over:
            async with aclosing(self._portion()) as portion:
                async for item in portion:
                    yield item
        if self._last is not None and self._last.error is not None:
            raise self._last.error

    async def _portion(self) -> AsyncGenerator[Event | Delta]:
        """What one feed gives: until the work ends, or the feed is lost."""
        async with self._journal.live(self._run) as live:
            work = self._work()
            self._last = work or self._last
            self._is_over = work is None
            for event in await self._journal.read(self._journal.reader.events, self._run, self._seen):
                self._take(event, work)
                yield event
            while not self._is_over:
                try:
                    item = await live.receive()
                except anyio.EndOfStream:
                    return
                if self._take(item, work):
                    yield item

    def _take(self, item: Event | Delta, work: Followed | None) -> bool:
        """Note how far the reader is and whether that was the end; whether the item is new to it."""
        self._is_over = self._is_over or (work is not None and work.is_ended_by(item))
        is_new = isinstance(item, Delta) or item.seq > self._seen
        self._seen = max(self._seen, item.seq) if isinstance(item, Event) else self._seen
        return is_new


async def follow_all(journal: Journal, after: int) -> AsyncGenerator[tuple[int, Event]]:
    """The events of all runs after the global number `after`, each with its number, as long as the journal is open."""
    while journal.is_open:
        async with journal.live_all() as live:
            while page := await journal.read(journal.reader.all_events, after, PAGE_EVENTS):
                for item in page:
                    yield item
                after = page[-1][0]
            async for number, event in live:
                if number > after:
                    after = number
                    yield number, event
