"""The append-only journal of all runs: the only truth about them. Start reading here.

Whoever opens it for writing holds its lock and is its one owner; everybody else reads (`open_reader`). An event
that was shown was first written: `write` returns, and live readers learn of it, when it is durable. Above stand
runs and the client; below, in the order in which a write passes them: `drafts` (what is written), `writer` (group
commit), `store` (one transaction), `views` (the tables derived from events), `schema` and `database` (the file).
The journal knows no step, engine or command beyond the types of their events.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from naestro.runs.clock import Clock, now_ms
from naestro.runs.database import FILE_MODE, FILE_NAME, FOLDER_MODE, connect, mapped_errors
from naestro.runs.drafts import AttemptGuard, Draft, Guard, digest_of
from naestro.runs.feed import Feed
from naestro.runs.ids import RunIds
from naestro.runs.lock import hold_lock
from naestro.runs.reader import Reader, open_reader
from naestro.runs.retention import PruneReport, prune
from naestro.runs.schema import bump_fence, prepare
from naestro.runs.store import Job, Store, Write, rebuild
from naestro.runs.writer import Writer
from naestro.types import Delta, Event, RunStarted, encode

__all__ = ["AttemptGuard", "Draft", "Guard", "Journal", "Reader", "digest_of", "open_journal", "open_reader"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Journal:
    """The journal in the hands of its owner; `open_journal` makes it."""

    def __init__(self, home: Path, store: Store, writer: Writer, feed: Feed, clock: Clock) -> None:
        """Use `open_journal`."""
        self.home = home
        self.fence = store.fence
        """This owner's number, larger than any before."""
        self.reader = Reader(home, is_owned=lambda: True)
        self._writer = writer
        self._feed = feed
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(1)
        self.pruned: PruneReport | None = None
        """What was deleted on opening because the journal was larger than it may be."""
        self._ids = RunIds(store.newest_run)
        self.is_open = True
        """Whether more can come."""

    def close(self) -> None:
        """End every live stream and let go of the reader; `open_journal` calls it."""
        self.is_open = False
        self._feed.close()
        self.reader.close()

    async def write(
        self, run: str, *drafts: Draft, artifacts: Sequence[bytes] = (), guard: Guard | None = None
    ) -> list[Event]:
        """Append `drafts` to `run` and store `artifacts`, all or nothing; durable when it returns.

        The events come back with their numbers. An artifact belongs in the same write as the event that names it:
        what no event names goes with the next pruning. `guard` is checked inside the transaction. Cancelled while it
        waits, the write may still be kept, whole.

        Raises:
            NotInJournal: There is no such run.
            JournalError: It could not be stored; nothing of it was. The same call may work later.
            NaestroError: What the guard raises.
        """
        texts = [encode(draft.data).decode() for draft in drafts]
        write = Write(run, drafts, texts, artifacts, guard, self._clock())
        await self._writer.write(write)
        return write.events

    async def create_run(self, data: RunStarted, *more: Draft) -> str:
        """Begin a run with `data` as its first event, and `more` in the same transaction.

        Its id has 26 characters; later runs sort later.
        """
        run = self._ids.next(self._clock())
        await self.write(run, Draft(data), *more)
        return run

    def live(self, run: str) -> AbstractAsyncContextManager[MemoryObjectReceiveStream[Event | Delta]]:
        """Everything of `run` from now on. The stream ends when its reader is too slow: read on from the journal."""
        return self._feed.listen(run)

    def live_all(self) -> AbstractAsyncContextManager[MemoryObjectReceiveStream[tuple[int, Event]]]:
        """Every event from now on with its global number, of all runs. The stream ends as that of `live` does."""
        return self._feed.listen_to_all()

    def end_live(self, run: str) -> None:
        """End every live stream of `run`: nobody works on it any more, and no event says so."""
        self._feed.end(run)

    def publish(self, delta: Delta) -> None:
        """Show a piece of text to live readers; it is not written."""
        self._feed.publish(delta)

    async def read(self, query: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a method of `reader` in a worker thread, one at a time."""
        return await anyio.to_thread.run_sync(query, *args, limiter=self._limiter)

    async def rebuild(self) -> None:
        """Make the views (the tables of runs and steps) anew from the events."""
        await self._writer.apply(rebuild)

    async def apply(self, job: Job) -> None:
        """Run `job` on the tables in a transaction of its own: for retention and documents, not for events."""
        await self._writer.apply(job)


@asynccontextmanager
async def open_journal(
    home: Path, *, holder: str, max_size_bytes: int | None = None, clock: Clock = now_ms
) -> AsyncGenerator[Journal]:
    """Own the journal in the folder `home`, made on first use, until the block ends. `holder` names the command.

    A journal larger than `max_size_bytes` loses its oldest ended runs first, see `Journal.pruned`.

    Raises:
        JournalLocked: Another process owns it; the message names it.
        JournalCorrupt: The file is damaged, or no journal; it is left as it is.
        JournalTooNew: A newer version wrote it.
        JournalUnwritable: The folder or the file cannot be made or written.
    """
    with ExitStack() as held:
        # In a worker thread, since a check or a migration takes its time.
        store = await anyio.to_thread.run_sync(held.enter_context, _owned(home, holder))
        feed = Feed()
        writer = Writer(store, feed.publish_written)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(writer.serve)
                with closing(writer), closing(Journal(home, store, writer, feed, clock)) as journal:
                    if max_size_bytes is not None:
                        journal.pruned = await prune(journal, max_size_bytes=max_size_bytes)
                    yield journal
        except BaseExceptionGroup as group:
            # One error is the caller's own, and the group only the task group's wrapping. More: the writer failed too.
            error: BaseException = group.exceptions[0] if len(group.exceptions) == 1 else group
            raise error from error.__cause__


@contextmanager
def _owned(home: Path, holder: str) -> Generator[Store]:
    path = home / FILE_NAME
    with ExitStack() as held:
        with mapped_errors(path):
            home.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            held.enter_context(hold_lock(home, holder))
            path.touch(mode=FILE_MODE)
            path.chmod(FILE_MODE)
            connection = held.enter_context(closing(connect(path)))
            prepare(connection, path, rebuild)
            store = Store(connection, path, bump_fence(connection))
        yield store
