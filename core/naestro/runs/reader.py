"""Reading the journal: any process, any number of readers, no lock, and never in a writer's way.

Each call is one short query. A journal that does not exist yet reads as an empty one. Above stand the projections
and the client, below SQLite. It never writes and knows no event but by its type.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from naestro.errors import JournalCorrupt, JournalError, NotInJournal
from naestro.runs.clock import rfc3339
from naestro.runs.database import FILE_NAME, connect_read_only, mapped_errors
from naestro.runs.drafts import digest_of
from naestro.runs.lock import is_held
from naestro.runs.schema import SCHEMA, TABLES, current_fence, version_of
from naestro.runs.store import LAST_EVENT, RUN_COLUMNS, RunValues, run_row, unreadable, used_bytes
from naestro.runs.views import RunRow, StepRow
from naestro.types import Digest, Event, RunInfo, RunStarted, decode_data

LAST = "last"
"""Names the newest run."""

_EVENTS = (
    "SELECT number, id, seq, time_ms, type, step, revision, attempt, data FROM events e JOIN ids USING (run) "
)
_RUNS = (
    f"SELECT {RUN_COLUMNS}, e.time_ms, e.data FROM runs r "  # noqa: S608 -- constants
    f"{LAST_EVENT} JOIN events e ON e.run = i.run AND e.seq = 1 "
)

EventValues = tuple[int, str, int, int, str, str | None, int | None, int | None, str]


class Reader:
    """A read-only view of one journal. Close it, or use it as a context manager."""

    def __init__(self, home: Path, is_owned: Callable[[], bool] | None = None) -> None:
        """Read the journal in `home`; `is_owned` tells whether a live process runs its runs (default: ask the lock)."""
        self._home = home
        self._path = home / FILE_NAME
        self._is_owned = is_owned or (lambda: is_held(home))
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        """The events of `run` with a `seq` above `after`, in order, at most `limit`; none for an unknown run."""
        with self._reading() as tx:
            rows = tx.execute(
                f"{_EVENTS} WHERE id = ? AND seq > ? ORDER BY seq LIMIT ?", (run, after, _limit(limit))
            )
            return [_event(values) for values in rows]

    def all_events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The events of all runs with a global number above `after`, in order, each with its number."""
        with self._reading() as tx:
            rows = tx.execute(f"{_EVENTS} WHERE number > ? ORDER BY number LIMIT ?", (after, _limit(limit)))
            return [(values[0], _event(values)) for values in rows]

    def artifact(self, digest: Digest) -> bytes:
        """The bytes of that name.

        Raises:
            NotInJournal: There is none.
            JournalCorrupt: The bytes are not what the name says.
        """
        with self._reading() as tx:
            row: tuple[bytes] | None = tx.execute(
                "SELECT data FROM artifacts WHERE digest = ?", (digest,)
            ).fetchone()
        if row is None:
            raise NotInJournal(f"No artifact {digest} is in the journal.")
        if digest_of(row[0]) != digest:
            raise JournalCorrupt(f"The journal {self._path} is damaged: artifact {digest} has other bytes.")
        return row[0]

    def runs(self, limit: int = 50, workspace: str | None = None) -> list[RunInfo]:
        """The newest runs, newest first; only those of the `workspace` (absolute path of its root) if one is given."""
        where, values = ("WHERE r.workspace = ? ", [workspace]) if workspace else ("", [])
        with self._reading() as tx:
            return self._infos(tx, f"{where}ORDER BY r.id DESC LIMIT ?", [*values, limit])

    def run(self, run_id_or_prefix: str) -> RunInfo:
        """The run of that id, of a unique beginning of its id, or the newest for `last`.

        Raises:
            NotInJournal: None is meant, or more than one.
        """
        wanted = run_id_or_prefix.strip().lower()
        if wanted == LAST:
            found = self.runs(limit=1)
        else:
            with self._reading() as tx:
                found = self._infos(
                    tx, "WHERE substr(r.id, 1, ?) = ? ORDER BY r.id LIMIT 2", [len(wanted), wanted]
                )
        if len(found) == 1 and wanted:
            return found[0]
        if len(found) > 1:
            raise NotInJournal(f"More than one run begins with {run_id_or_prefix!r}: give more of the id.")
        raise NotInJournal(f"No run {run_id_or_prefix!r} is in the journal.")

    def runs_with(self, step: str) -> list[str]:
        """The ids of the runs that have a step of that name, the newest run first."""
        with self._reading() as tx:
            rows = tx.execute("SELECT run FROM steps WHERE step = ? ORDER BY run DESC", (step,))
            return [run for (run,) in rows]

    def steps(self, run: str) -> list[StepRow]:
        """The newest revision and attempt of each step of `run`, by name."""
        with self._reading() as tx:
            rows = tx.execute(
                "SELECT run, step, revision, attempt, fence, state, output FROM steps WHERE run = ? ORDER BY step",
                (run,),
            )
            return [StepRow(*values) for values in rows]

    def document(self, collection: str, key: str) -> bytes | None:
        """The document under `key`, as JSON; None where there is none."""
        with self._reading() as tx:
            row: tuple[bytes] | None = tx.execute(
                "SELECT value FROM documents WHERE collection = ? AND key = ?", (collection, key)
            ).fetchone()
        return None if row is None else row[0]

    def documents(self, collection: str) -> list[tuple[str, bytes]]:
        """All of a collection by key, the latest put first."""
        with self._reading() as tx:
            return tx.execute(
                "SELECT key, value FROM documents WHERE collection = ? ORDER BY number DESC", (collection,)
            ).fetchall()

    def left_open(self, since_ms: int) -> list[str]:
        """The ids of the runs that have not ended and whose last event is not older than `since_ms`, oldest first."""
        with self._reading() as tx:
            rows = tx.execute(
                f"SELECT r.id FROM runs r {LAST_EVENT} "  # noqa: S608 -- constants
                "WHERE r.status IN ('running', 'stopped') AND l.time_ms >= ? ORDER BY r.id",
                (since_ms,),
            )
            return [run for (run,) in rows]

    def version(self) -> int:
        """A number that changes when another connection has committed something; 0 while there is no journal."""
        with self._reading() as tx:
            (version,) = tx.execute("PRAGMA data_version").fetchone()
            return version if self._connection is not None else 0

    def size_bytes(self) -> int:
        """The bytes of the journal that are in use."""
        with self._reading() as tx:
            return used_bytes(tx)

    def damage(self) -> list[str]:
        """What a full check of the file finds wrong, in SQLite's words; empty when it is sound. Reads all of it."""
        try:
            with self._reading() as tx:
                findings = [finding for (finding,) in tx.execute("PRAGMA integrity_check")]
        except JournalCorrupt as error:
            return [error.message]
        return [] if findings == ["ok"] else findings

    def _infos(self, tx: sqlite3.Connection, rest: str, values: list[object]) -> list[RunInfo]:
        rows: list[tuple[RunValues, int, str]] = [
            (row[:-2], row[-2], row[-1]) for row in tx.execute(_RUNS + rest, values)
        ]
        if not rows:
            return []
        fence = current_fence(tx)
        is_owned = self._is_owned()
        return [_info(run_row(run), begun, text, fence if is_owned else None) for run, begun, text in rows]

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with mapped_errors(self._path):
            if self._connection is not None:
                yield self._connection
            elif self._path.exists() and self._path.stat().st_size:
                self._connection = self._open()
                yield self._connection
            else:
                with closing(_empty()) as nothing:
                    yield nothing

    def _open(self) -> sqlite3.Connection:
        connection = connect_read_only(self._path)
        try:
            version = version_of(connection, self._path)
            if version is not None and version < SCHEMA:
                raise JournalError(
                    f"The journal {self._path} was written by an older version and is not brought up to date yet.",
                    hint="Start or resume any run once: that brings it up to date and keeps a copy.",
                )
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(home: Path) -> Reader:
    """A reader of the journal in `home`, which need not exist yet. Takes no lock, opens nothing until it is used."""
    return Reader(home)


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _empty() -> sqlite3.Connection:
    """What a journal that does not exist yet reads as."""
    connection = sqlite3.connect(":memory:")
    for statement in TABLES:
        connection.execute(statement)
    return connection


def _event(values: EventValues) -> Event:
    _, run, seq, time_ms, type_name, step, revision, attempt, text = values
    with unreadable(f"event {seq} of run {run}"):
        data = decode_data(type_name, text.encode())
    return Event(
        run=run,
        seq=seq,
        time=rfc3339(time_ms),
        type=type_name,
        step=step,
        revision=revision,
        attempt=attempt,
        data=data,
    )


def _info(row: RunRow, started_ms: int, text: str, live_fence: int | None) -> RunInfo:
    with unreadable(f"the beginning of run {row.id}"):
        started = msgspec.json.decode(text, type=RunStarted)
    return RunInfo(
        id=row.id,
        command=started.command,
        task=started.task,
        workspace=row.workspace,
        origin=started.origin,
        status=row.shown_status(is_owned=row.fence == live_fence),
        started=rfc3339(started_ms),
        updated=rfc3339(row.updated_ms),
        last_seq=row.last_seq,
        usage=row.usage,
        fault=row.fault,
        forked_from=started.forked_from,
    )
