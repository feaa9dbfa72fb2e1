"""Group commit: one task gathers what all runs want to write and commits it together, in a worker thread.

A sync to disk costs the same for one event as for a thousand, so runs that write at the same time share it. The
writer is shielded: a run that is being cancelled can still write its last event. A caller that is cancelled while
it waits loses nothing: what it queued is committed whole, only nobody waits for it any more. Above stands the
journal, below the store. It knows no event and no table.
"""

from collections import deque
from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import anyio.to_thread

from naestro.errors import JournalError, NaestroError
from naestro.runs.store import Job, Store, Write

BATCH_WRITES = 512
"""Bounds the time that one commit takes; 20 runs that each wait for theirs never come near it."""


class _Batch:
    """Writes that share a transaction, or one job; everyone who queued one waits for the same end."""

    __slots__ = ("done", "error", "is_taken", "job", "writes")

    def __init__(self, job: Job | None = None) -> None:
        self.job = job
        self.writes: list[Write] = []
        self.error: NaestroError | None = None
        self.is_taken = False
        """Whether it is being committed, so that nothing may join it."""
        self.done = anyio.Event()

    def has_room(self) -> bool:
        return self.job is None and not self.is_taken and len(self.writes) < BATCH_WRITES


class Writer:
    """Takes writes from any number of tasks; `serve` is the one task that commits them, in the order they came."""

    def __init__(self, store: Store, on_commit: Callable[[Sequence[Write]], None]) -> None:
        """Commit through `store`; `on_commit` is told of the writes of a transaction before their callers are."""
        self._store = store
        self._on_commit = on_commit
        self._queue: deque[_Batch] = deque()
        self._has_work = anyio.Event()
        self._is_closed = False
        self._limiter = anyio.CapacityLimiter(1)

    async def write(self, write: Write) -> None:
        """Return when `write` is durable.

        Raises:
            NaestroError: It was refused, or could not be stored; then nothing of it was.
        """
        batch = self._open_batch()
        batch.writes.append(write)
        await batch.done.wait()
        if error := write.error or batch.error:
            raise error

    async def apply(self, job: Job) -> None:
        """Run `job` in a transaction of its own, in turn with the writes; return when it is durable."""
        batch = self._queued(_Batch(job))
        await batch.done.wait()
        if batch.error is not None:
            raise batch.error

    def _open_batch(self) -> _Batch:
        """The batch that still takes writes; a new one when there is none."""
        if self._queue and not self._is_closed and self._queue[-1].has_room():
            return self._queue[-1]
        return self._queued(_Batch())

    def _queued(self, batch: _Batch) -> _Batch:
        if self._is_closed:
            raise JournalError("The journal was closed; nothing more can be written.")
        self._queue.append(batch)
        self._has_work.set()
        return batch

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
                    await self._commit_queued()
            finally:
                self._abandon()

    async def _commit_queued(self) -> None:
        self._has_work = anyio.Event()
        while self._queue:
            # Whoever was just told that a write is durable queues the next one first, so that it shares the sync.
            await anyio.lowlevel.checkpoint()
            batch = self._queue[0]
            batch.is_taken = True
            await anyio.to_thread.run_sync(self._commit, batch, limiter=self._limiter)
            self._queue.popleft()
            self._on_commit(batch.writes)
            batch.done.set()

    def _commit(self, batch: _Batch) -> None:
        try:
            if batch.job is None:
                self._store.commit(batch.writes)
            else:
                self._store.apply(batch.job)
        except NaestroError as error:
            batch.error = error

    def _abandon(self) -> None:
        """Nobody waits for ever, should the task end by a fault of its own."""
        self._is_closed = True
        for batch in self._queue:
            batch.error = JournalError("The journal's writer has ended; this was not written.")
            batch.done.set()
        self._queue.clear()
