"""Group commit: one task gathers what all runs want to write and commits it together, in a worker thread.

A sync to disk costs the same for one event as for a thousand, so runs that write at the same time share it. The
writer is shielded: a run that is being cancelled can still write its last event. A caller that is cancelled while
it waits loses nothing: what it queued is committed whole, only nobody waits for it any more. Above stands the
journal, below the store. It knows no event and no table.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from naestro.errors import JournalError, NaestroError
from naestro.runs.store import Job, Store, Write

BATCH_WRITES = 512
"""Bounds the time that one commit takes; 20 runs that each wait for theirs never come near it."""

T = TypeVar("T", Write, Job)


class _Item:
    """Something queued, and what tells its caller that it is done."""

    __slots__ = ("done", "error", "work")

    def __init__(self, work: Write | Job) -> None:
        self.work = work
        self.done = anyio.Event()
        self.error: NaestroError | None = None


class Writer:
    """Takes writes from any number of tasks; `serve` is the one task that commits them, in the order they came."""

    def __init__(self, store: Store, on_commit: Callable[[Write], None]) -> None:
        """Commit through `store`; `on_commit` is told of each write that was kept, before its caller is."""
        self._store = store
        self._on_commit = on_commit
        self._queue: deque[_Item] = deque()
        self._has_work = anyio.Event()
        self._is_closed = False
        self._limiter = anyio.CapacityLimiter(1)

    async def write(self, write: Write) -> None:
        """Return when `write` is durable.

        Raises:
            NaestroError: It was refused, or could not be stored; then nothing of it was.
        """
        await self._do(_Item(write))

    async def apply(self, job: Job) -> None:
        """Run `job` in a transaction of its own, in turn with the writes; return when it is durable."""
        await self._do(_Item(job))

    async def _do(self, item: _Item) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise JournalError("The journal was closed; nothing more can be written.")
        self._queue.append(item)
        self._has_work.set()
        await item.done.wait()
        if item.error is not None:
            raise item.error

    def close(self) -> None:
        """Take nothing more; `serve` ends when everything that was queued is done."""
        self._is_closed = True
        self._has_work.set()

    async def serve(self) -> None:
        """Commit what comes until `close` was called and nothing is left. Cancelling it does not stop it."""
        with anyio.CancelScope(shield=True):
            try:
                while self._queue or not self._is_closed:
                    await self._has_work.wait()
                    # Those who were just told that their write is durable queue the next one first: it shares the sync.
                    await anyio.lowlevel.checkpoint()
                    await self._commit_queued()
            finally:
                self._abandon()

    async def _commit_queued(self) -> None:
        self._has_work = anyio.Event()
        while batch := self._next_batch():
            await anyio.to_thread.run_sync(self._commit, batch, limiter=self._limiter)
            for item in batch:
                self._settle(item)
            await anyio.lowlevel.checkpoint()

    def _next_batch(self) -> list[_Item]:
        """The writes at the head of the queue, or the one job that stands there."""
        if self._queue and not isinstance(self._queue[0].work, Write):
            return [self._queue.popleft()]
        batch: list[_Item] = []
        while self._queue and len(batch) < BATCH_WRITES and isinstance(self._queue[0].work, Write):
            batch.append(self._queue.popleft())
        return batch

    def _commit(self, batch: Sequence[_Item]) -> None:
        writes = [item.work for item in batch if isinstance(item.work, Write)]
        if writes:
            self._store.commit(writes)
            return
        for item in batch:
            self._apply(item)

    def _apply(self, item: _Item) -> None:
        assert not isinstance(item.work, Write)
        try:
            self._store.apply(item.work)
        except NaestroError as error:
            item.error = error

    def _settle(self, item: _Item) -> None:
        if isinstance(item.work, Write):
            item.error = item.work.error
            if item.error is None:
                self._on_commit(item.work)
        item.done.set()

    def _abandon(self) -> None:
        """Nobody waits for ever, should the task end by a fault of its own."""
        self._is_closed = True
        for item in self._queue:
            item.error = JournalError("The journal's writer has ended; this was not written.")
            item.done.set()
        self._queue.clear()
