"""The journal's one writing connection, and the counters that go with it: many writes in, one transaction out.

Above stands the writer, which calls it from one worker thread at a time; below the views, the schema and SQLite.
It knows no task and no event loop. What it keeps in memory of a run is dropped whenever a transaction fails, so
memory never runs ahead of the file.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from naestro.errors import JournalCorrupt, NaestroError, NotInJournal, RunStateError, StaleAttempt
from naestro.runs.clock import rfc3339
from naestro.runs.database import journal_error
from naestro.runs.drafts import Draft, Guard, digest_of
from naestro.runs.schema import current_fence, in_transaction, roll_back
from naestro.runs.views import (
    OF_STEPS_OR_ARTIFACTS,
    RunRow,
    StepRow,
    artifacts_named,
    first_row,
    fold_run,
    step_row,
)
from naestro.types import Event, Fault, RunStarted, RunStatus, Usage, decode_data, encode

EventRow = tuple[int, int, int, int, int, str, str | None, int | None, int | None, str]
Job = Callable[[sqlite3.Connection], None]

_INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_ARTIFACT = "INSERT OR IGNORE INTO artifacts VALUES (?, ?)"
_INSERT_USE = "INSERT OR IGNORE INTO uses VALUES (?, ?)"
_PUT_STEP = "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_RUN = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)"
RUN_COLUMNS = "r.id, r.workspace, r.fence, r.status, r.usage, r.fault, r.interrupts, l.time_ms, l.run, l.seq"
"""A row of `runs` as r, with its last event as l: what `run_row` takes."""
LAST_EVENT = (
    "JOIN ids i ON i.id = r.id "
    "JOIN events l ON l.run = i.run AND l.seq = (SELECT max(seq) FROM events WHERE run = i.run)"
)
_SELECT_RUN = f"SELECT {RUN_COLUMNS} FROM runs r {LAST_EVENT} WHERE r.id = ?"  # noqa: S608 -- constants


@dataclass(eq=False, slots=True)
class Write:
    """One call's events and artifacts, and what became of them."""

    run: str
    drafts: Sequence[Draft]
    texts: Sequence[str]
    """The data of each draft as JSON."""
    artifacts: Sequence[bytes]
    guard: Guard | None
    time_ms: int
    events: list[Event] = field(default_factory=list[Event])
    first_number: int = 0
    """The global number of the first of `events`."""
    error: NaestroError | None = None


@dataclass(slots=True)
class _Pending:
    """Rows of the open transaction that were not sent to SQLite yet."""

    events: list[EventRow] = field(default_factory=list[EventRow])
    artifacts: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    uses: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    steps: dict[tuple[str, str], StepRow] = field(default_factory=dict[tuple[str, str], StepRow])
    runs: dict[str, RunRow] = field(default_factory=dict[str, RunRow])

    def fold(self, row: RunRow, draft: Draft, time_ms: int, fence: int) -> None:
        """Take the next event of the run into `row`, and note what it means for the views."""
        if fold_run(row, draft.data, time_ms):
            self.runs[row.id] = row
        if draft.data.TYPE not in OF_STEPS_OR_ARTIFACTS:
            return
        self.uses += [(row.id, digest) for digest in artifacts_named(draft.data)]
        if step := step_row(row.id, draft, fence):
            self.steps[step.run, step.step] = step

    def send(self, tx: sqlite3.Connection) -> None:
        """Write everything and begin anew."""
        if self.artifacts:
            tx.executemany(_INSERT_ARTIFACT, self.artifacts)
        if self.events:
            tx.executemany(_INSERT_EVENT, self.events)
        if self.uses:
            tx.executemany(_INSERT_USE, self.uses)
        if self.steps:
            tx.executemany(_PUT_STEP, [msgspec.structs.astuple(step) for step in self.steps.values()])
        if self.runs:
            tx.executemany(_PUT_RUN, [_run_values(row) for row in self.runs.values()])
        for rows in (self.artifacts, self.events, self.uses, self.steps, self.runs):
            rows.clear()


class Store:
    """The one writing connection; used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, fence: int) -> None:
        """Write through `connection` as the owner `fence`; `path` is for messages."""
        self._connection = connection
        self._path = path
        self.fence = fence
        self.newest_run: str | None = connection.execute("SELECT max(id) FROM ids").fetchone()[0]
        """The largest id when this owner began."""
        self._pending = _Pending()
        self._runs: dict[str, RunRow] = {}
        self._number: int | None = None
        """The last global number; read from the file when it is first needed."""
        self._time: tuple[int, str] = (0, "")

    def commit(self, writes: Sequence[Write]) -> None:
        """Make all `writes` durable in one transaction; each that fails alone carries its error.

        When the transaction itself fails, each write is tried in one of its own, so that one that is too large for
        the space that is left takes no other with it.
        """
        try:
            self._commit(writes)
        except sqlite3.Error as error:
            self._commit_singly(writes, error)
        except StaleAttempt as error:
            for write in writes:
                write.events, write.error = [], error

    def _commit_singly(self, writes: Sequence[Write], error: sqlite3.Error) -> None:
        for write in writes:
            write.events, write.error = [], None
        if len(writes) == 1:
            writes[0].error = journal_error(error, self._path)
            return
        for write in writes:
            self.commit([write])

    def apply(self, job: Job) -> None:
        """Run `job` in a transaction of its own; what memory knew of runs is read again afterwards.

        Raises:
            JournalError: SQLite could not do it; nothing of it was kept.
        """
        try:
            in_transaction(self._connection, self._checked(job))
        except sqlite3.Error as error:
            raise journal_error(error, self._path) from error
        finally:
            self._forget()

    def _checked(self, job: Job) -> Job:
        def work(tx: sqlite3.Connection) -> None:
            self._check_owner(tx)
            job(tx)

        return work

    def _commit(self, writes: Sequence[Write]) -> None:
        tx = self._connection
        try:
            tx.execute("BEGIN IMMEDIATE")
            self._check_owner(tx)
            if self._number is None:
                self._number = last_number(tx)
            for write in writes:
                self._number = self._stage(write, self._number)
            self._pending.send(tx)
            tx.execute("COMMIT")
        except BaseException:
            roll_back(tx)
            self._forget()
            raise
        self._release_ended(writes)

    def _check_owner(self, tx: sqlite3.Connection) -> None:
        if (newest := current_fence(tx)) != self.fence:
            raise StaleAttempt(
                f"This process (owner {self.fence}) no longer owns the journal {self._path}: "
                f"owner {newest} took it over. Nothing was kept.",
                hint="End this process; the other one goes on with the runs.",
            )

    def _forget(self) -> None:
        """Memory may be ahead of the file: read the file again."""
        self._pending = _Pending()
        self._runs.clear()
        self._number = None

    def _release_ended(self, writes: Sequence[Write]) -> None:
        for write in writes:
            row = self._runs.get(write.run)
            if row is not None and row.status is not RunStatus.RUNNING:
                del self._runs[write.run]

    def _stage(self, write: Write, number: int) -> int:
        """Take `write` into the transaction after the global `number`; the new last number."""
        try:
            row = self._row(write)
            if write.guard is not None:
                self._pending.send(self._connection)
                write.guard.check(self._connection)
        except NaestroError as error:
            write.error = error
            return number
        if not row.number:
            row.number = _enlist(self._connection, row.id)
        self._runs[row.id] = row
        self._pending.artifacts += [(digest_of(data), data) for data in write.artifacts]
        self._append(write, row, number)
        return number + len(write.drafts)

    def _append(self, write: Write, row: RunRow, number: int) -> None:
        """Number the drafts of `write` and note their rows: the hot path, so it looks things up once."""
        time_ms = max(write.time_ms, row.updated_ms)
        time, run, fence, rows = self._told(time_ms), row.id, self.fence, self._pending.events
        write.first_number = number + 1
        for draft, text in zip(write.drafts, write.texts, strict=True):
            number += 1
            self._pending.fold(row, draft, time_ms, fence)
            data, step, revision, attempt = draft.data, draft.step, draft.revision, draft.attempt
            seq, kind = row.last_seq, draft.data.TYPE
            rows.append((number, row.number, seq, time_ms, fence, kind, step, revision, attempt, text))
            write.events.append(
                Event(
                    run=run,
                    seq=seq,
                    time=time,
                    type=kind,
                    step=step,
                    revision=revision,
                    attempt=attempt,
                    data=data,
                )
            )

    def _told(self, time_ms: int) -> str:
        if self._time[0] != time_ms:
            self._time = (time_ms, rfc3339(time_ms))
        return self._time[1]

    def _row(self, write: Write) -> RunRow:
        begins = write.drafts[0].data if write.drafts else None
        row = self._runs.get(write.run) or read_run(self._connection, write.run)
        if isinstance(begins, RunStarted):
            if row is not None:
                raise RunStateError(f"The run {write.run} has begun already.")
            return first_row(begins, write.run, write.time_ms, self.fence)
        if row is None:
            raise NotInJournal(f"No run {write.run} is in the journal.")
        return row


def _enlist(tx: sqlite3.Connection, run: str) -> int:
    (number,) = tx.execute("INSERT INTO ids (id) VALUES (?) RETURNING run", (run,)).fetchone()
    return number


def last_number(tx: sqlite3.Connection) -> int:
    """The largest global number ever given, also when its event was pruned since."""
    (number,) = tx.execute(
        "SELECT max(coalesce((SELECT max(number) FROM events), 0), "
        "(SELECT value FROM meta WHERE key = 'pruned'))"
    ).fetchone()
    return number


def used_bytes(tx: sqlite3.Connection) -> int:
    """The bytes of all pages that hold something."""
    (pages,) = tx.execute("PRAGMA page_count").fetchone()
    (free,) = tx.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = tx.execute("PRAGMA page_size").fetchone()
    return (pages - free) * page_bytes


def _run_values(row: RunRow) -> tuple[object, ...]:
    fault = _text(row.fault) if row.fault else None
    status, usage, interrupts = row.status.value, _text(row.usage), _text(row.interrupts)
    return (row.id, row.workspace, row.fence, status, usage, fault, interrupts)


def _text(value: object) -> str:
    return encode(value).decode()


@contextmanager
def unreadable(what: str) -> Generator[None]:
    """Raise `JournalCorrupt` when stored text is not what was once written."""
    try:
        yield
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise JournalCorrupt(f"The journal is damaged: {what} cannot be read ({error}).") from error


RunValues = tuple[str, str, int, str, str, str | None, str, int, int, int]


def run_row(values: RunValues) -> RunRow:
    """A row of the table `runs`, with the time and number of its last event, as the view that it is."""
    run, workspace, fence, status, usage, fault, interrupts, updated_ms, number, last_seq = values
    with unreadable(f"what it knows of run {run}"):
        return RunRow(
            run,
            workspace,
            fence,
            updated_ms,
            number,
            last_seq,
            status=RunStatus(status),
            usage=msgspec.json.decode(usage, type=Usage),
            fault=msgspec.json.decode(fault, type=Fault) if fault else None,
            interrupts=msgspec.json.decode(interrupts, type=list[str]),
        )


def read_run(tx: sqlite3.Connection, run: str) -> RunRow | None:
    """The row of `run`, if it is in the journal."""
    values: RunValues | None = tx.execute(_SELECT_RUN, (run,)).fetchone()
    return None if values is None else run_row(values)


def rebuild(tx: sqlite3.Connection) -> None:
    """Make the views anew from the events alone, within the caller's transaction."""
    for table in ("runs", "steps", "uses"):
        tx.execute(f"DELETE FROM {table}")  # noqa: S608 -- the three names above
    pending = _Pending()
    runs: dict[str, RunRow] = {}
    for run, time_ms, fence, draft in _recorded(tx):
        if isinstance(draft.data, RunStarted):
            runs[run] = first_row(draft.data, run, time_ms, fence)
        pending.fold(runs[run], draft, time_ms, fence)
    pending.send(tx)


def _recorded(tx: sqlite3.Connection) -> Iterator[tuple[str, int, int, Draft]]:
    rows = tx.execute(
        "SELECT id, time_ms, fence, type, step, revision, attempt, data FROM events JOIN ids USING (run) "
        "ORDER BY number"
    )
    for run, time_ms, fence, type_name, step, revision, attempt, text in rows:
        with unreadable(f"an event of run {run}"):
            data = decode_data(type_name, text.encode())
        yield run, time_ms, fence, Draft(data, step, revision, attempt)
