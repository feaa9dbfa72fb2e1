"""The journal's tables, their version, and the way from each older version to this one.

The version stands in the file (`user_version`), the sign that it is a journal in `application_id`. Before anything
of an older file is changed it is copied aside, and the change itself is one transaction: a process killed in it
leaves the old file. Above stands the journal, below the views, of which a migration makes the tables anew.

Version 2 is this one. Version 1 had no documents. Version 0 was the first sketch: events without a global number or
an owner, and no views:

    CREATE TABLE events (run TEXT, seq INTEGER, time TEXT, type TEXT, step TEXT, revision INTEGER,
                         attempt INTEGER, data TEXT, PRIMARY KEY (run, seq));
    CREATE TABLE artifacts (digest TEXT PRIMARY KEY, data BLOB);
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from naestro.errors import JournalCorrupt, JournalTooNew
from naestro.runs.database import FILE_MODE, make_durable

SCHEMA = 2
VIEWS_SINCE = 1
"""The first version with the views, and with pages that are given back: what an older file gets anew, in full."""
APPLICATION_ID = 0x4E414553
"""`NAES` in ASCII."""

RUN_TABLES = (
    # A small number for each run keeps the index of events, which every event grows, at half the size.
    "CREATE TABLE ids (run INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    # number: the global sequence. fence: the owner that wrote it, so that the views can be made anew from events.
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        fence INTEGER NOT NULL, type TEXT NOT NULL, step TEXT, revision INTEGER, attempt INTEGER,
        data TEXT NOT NULL, UNIQUE (run, seq))""",
    "CREATE TABLE artifacts (digest TEXT PRIMARY KEY, data BLOB NOT NULL)",
    # fence: the number of the newest owner. pruned: the largest global number that was given and then deleted.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('fence', 0), ('pruned', 0)",
    # The three views, see views.py. The last number and time of a run are those of its last event, not kept twice:
    # so an event that changes nothing else costs one row.
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, workspace TEXT NOT NULL, fence INTEGER NOT NULL, status TEXT NOT NULL,
        usage TEXT NOT NULL, fault TEXT, interrupts TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE steps (
        run TEXT NOT NULL, step TEXT NOT NULL, revision INTEGER NOT NULL, attempt INTEGER NOT NULL,
        fence INTEGER NOT NULL, state TEXT NOT NULL, output TEXT, PRIMARY KEY (run, step)) WITHOUT ROWID""",
    "CREATE TABLE uses (run TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (run, digest)) WITHOUT ROWID",
    "CREATE INDEX uses_by_digest ON uses (digest)",
)

DOCUMENTS = """CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    UNIQUE (collection, key))"""
"""What protocol servers keep beside the runs. number: the order in which they were last put."""

TABLES = (*RUN_TABLES, DOCUMENTS)

QUICK_CHECK_BYTES = 32 * 1024 * 1024
"""Files up to this size are checked whole when opened (about 1 ms a MiB); larger ones page by page as they are read."""

Rebuild = Callable[[sqlite3.Connection], None]


def version_of(connection: sqlite3.Connection, path: Path) -> int | None:
    """The file's version; nothing when it is new and empty.

    Raises:
        JournalCorrupt: It is a database, but no journal.
        JournalTooNew: It is of a later version than this.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables and not version and not application:
        return None
    if application not in (APPLICATION_ID, 0) or "events" not in tables:
        raise JournalCorrupt(f"{path} is no journal of Naestro but another program's database.")
    if version > SCHEMA:
        raise JournalTooNew(
            f"The journal {path} has version {version}; this Naestro knows versions up to {SCHEMA}."
        )
    return version


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Look for damage in a file of moderate size; raises `JournalCorrupt`."""
    if path.stat().st_size > QUICK_CHECK_BYTES:
        return
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise JournalCorrupt(f"The journal {path} is damaged: {finding}.")


def prepare(connection: sqlite3.Connection, path: Path, rebuild: Rebuild) -> None:
    """Bring the file behind `connection` to this version; `rebuild` makes the views anew after a migration."""
    version = version_of(connection, path)
    if version is None:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        make_durable(connection)
        in_transaction(connection, _create)
        return
    check(connection, path)
    if version < SCHEMA:
        keep_copy(connection, path.with_name(f"{path.name}.v{version}.bak"))
        _migrate(connection, version, rebuild)
    make_durable(connection)


def in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], None]) -> None:
    """Do `work` whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        work(connection)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """End the open transaction, if there still is one: some errors have ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def bump_fence(connection: sqlite3.Connection) -> int:
    """Take the number of a new owner, larger than any before."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")
    return current_fence(connection)


def current_fence(connection: sqlite3.Connection) -> int:
    """The number of the newest owner."""
    (fence,) = connection.execute("SELECT value FROM meta WHERE key = 'fence'").fetchone()
    return fence


def keep_copy(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the database to `copy`, readable by its owner alone, whole or not at all."""
    half = copy.with_name(f"{copy.name}.half")
    half.unlink(missing_ok=True)
    os.close(os.open(half, os.O_CREAT | os.O_WRONLY | os.O_EXCL, FILE_MODE))
    with closing(sqlite3.connect(half)) as target:
        connection.backup(target)
    half.replace(copy)


def _create(tx: sqlite3.Connection) -> None:
    for statement in TABLES:
        tx.execute(statement)
    tx.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    tx.execute(f"PRAGMA user_version = {SCHEMA}")


def _from_0(tx: sqlite3.Connection) -> None:
    tx.execute("ALTER TABLE events RENAME TO old_events")
    tx.execute("ALTER TABLE artifacts RENAME TO old_artifacts")
    for statement in RUN_TABLES:
        tx.execute(statement)
    tx.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    tx.execute("INSERT INTO ids (id) SELECT run FROM old_events GROUP BY run ORDER BY run")
    tx.execute(
        "INSERT INTO events (run, seq, time_ms, fence, type, step, revision, attempt, data) "
        "SELECT ids.run, seq, CAST(ROUND((julianday(time) - 2440587.5) * 86400000) AS INTEGER), 0, "
        "type, step, revision, attempt, data FROM old_events JOIN ids ON ids.id = old_events.run "
        "ORDER BY time, old_events.run, seq"
    )
    tx.execute("INSERT INTO artifacts SELECT digest, data FROM old_artifacts")
    tx.execute("DROP TABLE old_events")
    tx.execute("DROP TABLE old_artifacts")


def _from_1(tx: sqlite3.Connection) -> None:
    tx.execute(DOCUMENTS)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {0: _from_0, 1: _from_1}
"""From each older version to the next; each leaves the tables that the next expects."""


def _migrate(connection: sqlite3.Connection, version: int, rebuild: Rebuild) -> None:
    def work(tx: sqlite3.Connection) -> None:
        for step in range(version, SCHEMA):
            MIGRATIONS[step](tx)
        tx.execute(f"PRAGMA user_version = {SCHEMA}")
        if version < VIEWS_SINCE:
            rebuild(tx)

    in_transaction(connection, work)
    if version < VIEWS_SINCE:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
