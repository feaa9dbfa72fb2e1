"""The events of an attempt on their way to the journal: in order, in as few transactions as honesty allows.

An attempt puts events into its outbox without waiting; the run's `Courier` writes them about every 50 ms, at once
when one is urgent, and the attempt itself waits only where a promise needs it (a result; a call that cannot be
made twice). Every write is guarded, so an attempt that was overtaken finds out at its next write, which ends it.
Above stand attempts and runs, below the journal. Nothing here knows what the events mean.
"""

from collections.abc import Callable
from typing import Protocol

import anyio

from naestro.errors import JournalError, JournalUnwritable
from naestro.runs.drafts import Draft, Guard
from naestro.runs.guards import DropGuard, StartGuard
from naestro.runs.journal import Journal
from naestro.types import EventData, Tokens

BATCH_S = 0.05
"""How long text and other events that nobody waits for are gathered: short for an eye, long for a disk."""

WRITE_S = 30.0
"""A write that takes longer than this has met a disk that does not answer."""


class TokenSource(Protocol):
    """A call whose text waits to be written."""

    def take(self) -> Tokens | None:
        """The text since the last time, as an event; None when there is none."""
        ...

    def written(self) -> None:
        """What was put and taken before is durable now."""
        ...


class Outbox:
    """The events of one attempt that are not written yet."""

    def __init__(self, journal: Journal, start: StartGuard, notify: Callable[["Outbox", bool], None]) -> None:
        """`notify(outbox, is_urgent)` is called when something waits to be written."""
        self.place = start.place
        self.fault: JournalError | None = None
        """Why this attempt can write no more."""
        self.scope = anyio.CancelScope()
        """The scope of the attempt's work; cancelled when a write failed."""
        self._journal = journal
        self._notify = notify
        self._drafts: list[Draft] = []
        self._artifacts: list[bytes] = []
        self._sources: list[TokenSource] = []
        self._start = start
        self._is_begun = False
        self._order = anyio.Lock()

    def put(self, *data: EventData, artifacts: tuple[bytes, ...] = (), is_urgent: bool = False) -> None:
        """Add events, to be written in this order; does not wait."""
        self._add(data, artifacts)
        self._notify(self, is_urgent)

    def _add(self, data: tuple[EventData, ...], artifacts: tuple[bytes, ...] = ()) -> None:
        self._drafts += map(self.place.draft, data)
        self._artifacts += artifacts

    def follow(self, source: TokenSource) -> None:
        """Write the text of `source` with what else is written, until `unfollow`."""
        self._sources.append(source)

    def unfollow(self, source: TokenSource) -> None:
        """Put the rest of the text of `source`, so that its end can follow."""
        self._sources.remove(source)
        self._take_text(source)

    def text_waits(self) -> None:
        """Say that a source has text; it is written with the next batch."""
        self._notify(self, False)

    async def flush(self, *data: EventData, artifacts: tuple[bytes, ...] = ()) -> None:
        """Write what waits and then `data` in one transaction; durable when it returns.

        Raises:
            StaleAttempt: The attempt is no longer the current one. Nothing of this call was kept.
            JournalError: The journal cannot be written.
        """
        async with self._order:
            await self._write(data, artifacts, self._guard())

    async def flush_last(self, *data: EventData) -> None:
        """As `flush`, also after the attempt has failed: for dropping its step."""
        await self.flush()
        async with self._order:
            await self._write(data, (), DropGuard(self.place))

    async def _write(self, data: tuple[EventData, ...], artifacts: tuple[bytes, ...], guard: Guard) -> None:
        if self.fault is not None:
            raise self.fault
        for source in self._sources:
            self._take_text(source)
        self._add(data, artifacts)
        if self._drafts:
            await self._write_drafts(guard)

    def _take_text(self, source: TokenSource) -> None:
        tokens = source.take()
        if tokens is not None:
            self._drafts.append(self.place.draft(tokens))

    def _guard(self) -> Guard:
        return self.place.guard() if self._is_begun else self._start

    async def _write_drafts(self, guard: Guard) -> None:
        drafts, self._drafts = self._drafts, []
        artifacts, self._artifacts = self._artifacts, []
        sources = list(self._sources)
        try:
            await write_shielded(self._journal, self.place.run, drafts, artifacts, guard)
        except JournalError as error:
            self.fault = error
            self.scope.cancel()
            raise
        self._is_begun = True
        for source in sources:
            source.written()


class Courier:
    """The run's own task that writes what waits in the outboxes of its attempts."""

    def __init__(self) -> None:
        """Begin with nothing to write; `run` must be started as a task."""
        self._waiting: dict[Outbox, None] = {}
        self._some = anyio.Event()
        self._urgent = anyio.Event()

    def notify(self, outbox: Outbox, is_urgent: bool) -> None:
        """Write `outbox` with the next batch, or at once."""
        self._waiting[outbox] = None
        self._some.set()
        if is_urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._some.wait()
            with anyio.move_on_after(BATCH_S):
                await self._urgent.wait()
            self._some, self._urgent = anyio.Event(), anyio.Event()
            await self.deliver()

    async def deliver(self) -> None:
        """Write everything that waits now, to the end. A write that fails ends its own attempt, nothing else."""
        waiting, self._waiting = self._waiting, {}
        with anyio.move_on_after(WRITE_S, shield=True):
            async with anyio.create_task_group() as group:
                for outbox in waiting:
                    group.start_soon(_deliver_one, outbox)


async def _deliver_one(outbox: Outbox) -> None:
    try:
        await outbox.flush()
    except JournalError:
        return  # kept as `outbox.fault`, and raised to the step by its own next write


async def write_shielded(
    journal: Journal, run: str, drafts: list[Draft], artifacts: list[bytes], guard: Guard | None
) -> None:
    """Write to the end although the caller is cancelled: half a wait would leave unknown what was kept."""
    with anyio.move_on_after(WRITE_S, shield=True):
        await journal.write(run, *drafts, artifacts=artifacts, guard=guard)
        return
    # No test can have a disk that hangs for so long.
    raise JournalUnwritable(f"The journal did not answer in {WRITE_S:.0f} s.")  # pragma: no cover - see above
