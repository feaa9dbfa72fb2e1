"""What is kept of old runs: by age, by size, or by name. Only the owner of the journal prunes.

By age and size only runs that have ended go, oldest first; one that can be resumed goes only when it is named.
Numbers are never given twice, so what was cut leaves a gap in the global sequence and nowhere else. Above stands
the journal, which prunes on opening when it is over its limit, and the command line; below the tables.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from naestro.errors import NotInJournal, RunStateError
from naestro.runs.clock import Clock, now_ms
from naestro.runs.schema import current_fence
from naestro.runs.store import Job, last_number, used_bytes
from naestro.types import RunStatus, Value

DAY_MS = 24 * 60 * 60 * 1000

RUNS_A_TRANSACTION = 16
"""Runs that go at once, so that work in progress waits for a moment only."""


class PruneReport(Value, frozen=True):
    """What was deleted, or would be."""

    runs: list[str]
    """Ids, in the order in which they went."""
    freed_bytes: int
    size_bytes: int
    """What the journal holds afterwards."""
    is_dry_run: bool
    is_over_limit: bool
    """Whether the journal is still larger than asked: what is left can be resumed."""

    def __str__(self) -> str:
        megabytes = f"{self.freed_bytes / 1e6:.1f} MB freed, {self.size_bytes / 1e6:.1f} MB left"
        return f"{megabytes}, which is over the limit" if self.is_over_limit else megabytes


class Prunable(Protocol):
    """A journal in the hands of its owner."""

    async def apply(self, job: Job) -> None:
        """Run `job` in a transaction of its own."""
        ...


@dataclass(slots=True)
class _Pruning:
    """One pruning, over as many transactions as it takes."""

    oldest_ms: int | None
    """Ended runs with a last event before this go."""
    max_size_bytes: int | None
    named: Sequence[str]
    is_dry: bool
    deleted: list[str]
    before_bytes: int | None = None
    after_bytes: int = 0
    is_done: bool = False

    def work(self, tx: sqlite3.Connection) -> None:
        """One transaction's share of it; all of it, then taken back, when it is dry."""
        tx.execute("SAVEPOINT pruning")
        self._delete_some(tx)
        self.after_bytes = used_bytes(tx)
        if self.is_dry:
            tx.execute("ROLLBACK TO pruning")
        else:
            give_back_pages(tx)
        tx.execute("RELEASE pruning")

    def _delete_some(self, tx: sqlite3.Connection) -> None:
        if self.before_bytes is None:
            self.before_bytes = used_bytes(tx)
            delete_unused(tx)
        for count, run in enumerate(self._due(tx), start=1):
            delete_run(tx, run)
            self.deleted.append(run)
            if count == RUNS_A_TRANSACTION and not self.is_dry:
                return
        self.is_done = True

    def _due(self, tx: sqlite3.Connection) -> Iterator[str]:
        """The runs that must go, as long as they must."""
        yield from (run for run in self.named if run not in self.deleted)
        for run, updated_ms in _ended(tx):
            is_old = self.oldest_ms is not None and updated_ms < self.oldest_ms
            if is_old or self.is_over(used_bytes(tx)):
                yield run

    def is_over(self, size_bytes: int) -> bool:
        """Whether a journal of that size is larger than asked."""
        return self.max_size_bytes is not None and size_bytes > self.max_size_bytes

    def report(self) -> PruneReport:
        """What became of it."""
        return PruneReport(
            runs=self.deleted,
            freed_bytes=max(0, (self.before_bytes or 0) - self.after_bytes),
            size_bytes=self.after_bytes,
            is_dry_run=self.is_dry,
            is_over_limit=self.is_over(self.after_bytes),
        )


async def prune(
    journal: Prunable,
    *,
    keep_days: float | None = None,
    max_size_bytes: int | None = None,
    dry_run: bool = False,
    runs: Iterable[str] = (),
    clock: Clock = now_ms,
) -> PruneReport:
    """Delete the ended runs whose last event is older than `keep_days`, then the oldest until the size fits.

    `runs` (whole ids) go in any case, also those that could be resumed. With `dry_run` nothing is deleted.

    Raises:
        NotInJournal: One of `runs` is not there; nothing was deleted.
        RunStateError: One of `runs` is being worked on; nothing was deleted.
    """
    named = list(dict.fromkeys(runs))
    oldest_ms = None if keep_days is None else clock() - round(keep_days * DAY_MS)
    pruning = _Pruning(oldest_ms, max_size_bytes, named, dry_run, [])
    await journal.apply(lambda tx: _check_named(tx, named))
    while not pruning.is_done:
        await journal.apply(pruning.work)
    return pruning.report()


def _check_named(tx: sqlite3.Connection, named: Sequence[str]) -> None:
    fence = current_fence(tx)
    for run in named:
        row: tuple[str, int] | None = tx.execute(
            "SELECT status, fence FROM runs WHERE id = ?", (run,)
        ).fetchone()
        if row is None:
            raise NotInJournal(f"No run {run} is in the journal; nothing was deleted.")
        if row == (RunStatus.RUNNING.value, fence):
            raise RunStateError(
                f"The run {run} is being worked on; nothing was deleted.",
                hint="Cancel it first.",
            )


def _ended(tx: sqlite3.Connection) -> list[tuple[str, int]]:
    """The runs that have ended, with the time of their last event, oldest first."""
    rows: list[tuple[str, str, int]] = tx.execute(
        "SELECT r.id, r.status, (SELECT time_ms FROM events e WHERE e.run = i.run ORDER BY seq DESC LIMIT 1) "
        "FROM runs r JOIN ids i USING (id) ORDER BY r.id"
    ).fetchall()
    return [(run, updated_ms) for run, status, updated_ms in rows if RunStatus(status).is_final]


def delete_run(tx: sqlite3.Connection, run: str) -> None:
    """Delete the run and every artifact that no other run names; its numbers are not given again."""
    tx.execute("UPDATE meta SET value = ? WHERE key = 'pruned'", (last_number(tx),))
    tx.execute(
        "DELETE FROM artifacts WHERE digest IN (SELECT digest FROM uses WHERE run = ?1) AND NOT EXISTS "
        "(SELECT 1 FROM uses WHERE uses.digest = artifacts.digest AND uses.run != ?1)",
        (run,),
    )
    tx.execute("DELETE FROM events WHERE run = (SELECT run FROM ids WHERE id = ?)", (run,))
    for table, column in (("uses", "run"), ("steps", "run"), ("runs", "id"), ("ids", "id")):
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))  # noqa: S608 -- the four names above


def delete_unused(tx: sqlite3.Connection) -> None:
    """Delete the artifacts that no event names."""
    tx.execute("DELETE FROM artifacts WHERE NOT EXISTS (SELECT 1 FROM uses WHERE digest = artifacts.digest)")


def give_back_pages(tx: sqlite3.Connection) -> None:
    """Shorten the file by its free pages, at the next checkpoint; run from Python, the pragma frees one at a time."""
    (free,) = tx.execute("PRAGMA freelist_count").fetchone()
    for _ in range(free):
        tx.execute("PRAGMA incremental_vacuum(1)")
