"""The runs that this process works on: each in a task of its own, followed by whoever wants to.

`local` above starts and ends them here; below stand the journal and `execution`. It knows no command and no engine.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from naestro.errors import RunStateError
from naestro.runs.execution import Execution, Flow
from naestro.runs.history import ENDINGS
from naestro.runs.journal import Journal
from naestro.types import Delta, Event


@dataclass(frozen=True, slots=True)
class Work:
    """One run in hand."""

    execution: Execution
    last_seq: int
    """The newest event when the work began: an ending after it ends this work."""
    done: anyio.Event = field(default_factory=anyio.Event)

    def is_ended_by(self, item: Event | Delta) -> bool:
        """Whether `item` is the last that this work shows."""
        return isinstance(item, Event) and item.seq > self.last_seq and type(item.data) in ENDINGS


class Working:
    """The runs in hand, by id."""

    def __init__(self, journal: Journal, tasks: TaskGroup) -> None:
        """Work in `tasks`, which the caller owns: when they are cancelled, the runs are parked."""
        self._journal = journal
        self._tasks = tasks
        self._runs: dict[str, Work] = {}

    def __contains__(self, run: str) -> bool:
        """Whether the run is in hand."""
        return run in self._runs

    def begin(self, run: str, flow: Flow, *, last_seq: int) -> str:
        """Work on `run`, whose newest event is `last_seq`; its id."""
        self._runs[run] = work = Work(Execution(self._journal, run, flow), last_seq)
        self._tasks.start_soon(self._do, work, name=f"run {run}")
        return run

    async def cancel(self, run: str, reason: str) -> None:
        """Cancel a run; returns when that is recorded. Raises `RunStateError` when it is not in hand."""
        work = self._in_hand(run)
        work.execution.cancel(reason)
        await work.done.wait()

    async def park(self, run: str) -> None:
        """Leave a run for later; returns when that is recorded. Raises `RunStateError` when it is not in hand."""
        work = self._in_hand(run)
        work.execution.park()
        await work.done.wait()

    @asynccontextmanager
    async def follow(self, run: str, after: int) -> AsyncGenerator[AsyncIterator[Event | Delta]]:
        """What is recorded of `run` after number `after`, then what comes, until it is no longer in hand."""
        follower = _Follower(self._journal, run, after, lambda: self._runs.get(run))
        async with aclosing(follower.items()) as items:
            yield items

    def _in_hand(self, run: str) -> Work:
        if run not in self._runs:
            raise RunStateError(f"Nobody works on the run {run} here.")
        return self._runs[run]

    async def _do(self, work: Work) -> None:
        try:
            await work.execution.run()
        finally:
            del self._runs[work.execution.run_id]
            work.done.set()


class _Follower:
    """One reader of a run. When it falls behind it loses its feed, and reads on from the journal."""

    def __init__(self, journal: Journal, run: str, after: int, work: Callable[[], Work | None]) -> None:
        self._journal = journal
        self._run = run
        self._seen = after
        self._work = work
        self._is_over = False

    async def items(self) -> AsyncGenerator[Event | Delta]:
        """Every event once and in order, with the text between them as it comes."""
        while not self._is_over:
            async with aclosing(self._portion()) as portion:
                async for item in portion:
                    yield item

    async def _portion(self) -> AsyncGenerator[Event | Delta]:
        """What one feed gives: until the work ends, or the feed is lost."""
        async with self._journal.live(self._run) as live:
            work = self._work()
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

    def _take(self, item: Event | Delta, work: Work | None) -> bool:
        """Note how far the reader is and whether that was the end; whether the item is new to it."""
        self._is_over = self._is_over or (work is not None and work.is_ended_by(item))
        is_new = isinstance(item, Delta) or item.seq > self._seen
        self._seen = max(self._seen, item.seq) if isinstance(item, Event) else self._seen
        return is_new
