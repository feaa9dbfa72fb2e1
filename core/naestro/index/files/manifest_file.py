"""The SQLite file of a manifest: its tables, and reading and writing it from any thread.

`manifest` and `manifest_names` say what stands in it. Readers of other processes read while one writes.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

FORMAT = 2
"""Of the file; another one is a rebuild."""
BUSY_S = 10.0
"""Seconds that a write waits for another process's."""

Row: TypeAlias = tuple[Any, ...]
"""What the columns of a question hold: SQLite knows no types that a checker could read."""

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, inode INTEGER NOT NULL,
    is_settled INTEGER NOT NULL, hash BLOB NOT NULL,
    language TEXT NOT NULL, chunks INTEGER NOT NULL, skipped TEXT NOT NULL, lacks TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS definitions (
    file INTEGER NOT NULL, name TEXT NOT NULL, qualified TEXT NOT NULL, kind TEXT NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, signature TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS definitions_name ON definitions (name COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS definitions_file ON definitions (file);
CREATE TABLE IF NOT EXISTS uses (file INTEGER PRIMARY KEY, names BLOB NOT NULL, imports BLOB NOT NULL);
"""


class ManifestDamaged(Exception):
    """The file is no manifest that can be used: damaged, or of another format. `workspace_index` builds it anew."""


class ManifestFile:
    """The open file; `close` it."""

    def __init__(self, path: Path, *, is_writer: bool) -> None:
        """Open the file at `path`; a writer makes it where it is missing.

        Raises ManifestDamaged where it cannot be used; a reader also where there is none yet.
        """
        self.path = path
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        try:
            if is_writer:
                self._writer = self._made()
            self._reader = self._opened("ro")
            found = self.rows("SELECT value FROM facts WHERE name = 'format'")
        except sqlite3.Error as error:
            self.close()
            raise ManifestDamaged(str(error)) from error
        if found != [(str(FORMAT),)]:
            self.close()
            raise ManifestDamaged(f"it has another format than {FORMAT}")

    def rows(self, question: str, *values: object) -> list[Row]:
        """The answer to a question. Raises sqlite3.Error."""
        with self._read_lock:
            if self._reader is None:
                raise sqlite3.ProgrammingError("the manifest is closed")
            try:
                with closing(self._reader.execute(question, values)) as cursor:
                    return cursor.fetchall()
            except sqlite3.OperationalError as error:
                if str(error).startswith("Could not decode"):  # a flipped byte, which has no code of its own
                    raise sqlite3.DatabaseError(str(error)) from error
                raise

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction: all of it is kept or nothing. Raises sqlite3.Error."""
        with self._write_lock:
            connection = self._writer
            if connection is None:
                raise sqlite3.ProgrammingError("the manifest is open for reading only, or closed")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends the transaction by itself
                    connection.execute("ROLLBACK")
                raise

    def checkpoint(self) -> None:
        """Fold the log of writes into the file, so that it does not grow."""
        with self._write_lock:
            if self._writer is not None:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._write_lock, self._read_lock:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    def _opened(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, check_same_thread=False, timeout=BUSY_S)
        connection.isolation_level = None
        return connection

    def _made(self) -> sqlite3.Connection:
        connection = self._opened("rwc")
        # NORMAL: a lost machine may lose the last commits; the next run then reads those files again.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-4096"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_TABLES)
        connection.execute("INSERT OR IGNORE INTO facts VALUES ('format', ?)", (str(FORMAT),))
        return connection
