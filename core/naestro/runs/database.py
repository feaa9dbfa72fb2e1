"""The journal's file as SQLite sees it: how it is opened, and what each of SQLite's errors means to a person.

Above stand the schema, the store and the reader. This is the one place where foreign errors of the journal are
mapped onto the tree. It knows no table.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from naestro.errors import JournalCorrupt, JournalError, JournalLocked, JournalUnwritable

FILE_NAME = "journal.db"
FILE_MODE = 0o600
FOLDER_MODE = 0o700

BUSY_TIMEOUT_S = 5.0
"""How long to wait while some other program holds SQLite's own lock; Naestro's own lock is another matter."""

CACHED_STATEMENTS = 64
"""More than the store has different statements, so that each is prepared once."""

WAL_PAGES = 4000
"""Checkpoint when the write-ahead log has this many pages (16 MB): pages that many commits touch, as those of the
index do, are then written back once. Reading that much again after a crash takes some 20 ms."""

WAL_KEPT_BYTES = 32 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint, should a batch have made it larger."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection for the one writer; transactions are begun and ended by hand."""
    return sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; any number of them, in any process."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def make_durable(connection: sqlite3.Connection) -> None:
    """Write ahead, and sync at each commit; on macOS down to the medium, which a plain fsync does not reach."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")


def _unwritable(path: Path, error: Exception) -> JournalError:
    return JournalUnwritable(f"The journal {path} cannot be written: {error}.")


def _full(path: Path, _: Exception) -> JournalError:
    return JournalUnwritable(f"There is no space left for the journal {path}.")


def _too_large(path: Path, _: Exception) -> JournalError:
    return JournalUnwritable(
        f"A value is larger than the journal {path} can store.",
        hint="Name fewer or smaller files; nothing that was shown is lost.",
    )


def _corrupt(path: Path, error: Exception) -> JournalError:
    return JournalCorrupt(f"The journal {path} is damaged: {error}.")


def _busy(path: Path, _: Exception) -> JournalError:
    return JournalLocked(
        f"Another program has the journal {path} locked.",
        hint="Close the program that has the file open (a database browser, a backup) and try again.",
    )


_MEANING = {
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_READONLY: _unwritable,
    sqlite3.SQLITE_PERM: _unwritable,
    sqlite3.SQLITE_CANTOPEN: _unwritable,
    sqlite3.SQLITE_IOERR: _unwritable,
    sqlite3.SQLITE_AUTH: _unwritable,
    sqlite3.SQLITE_TOOBIG: _too_large,
    sqlite3.SQLITE_CORRUPT: _corrupt,
    sqlite3.SQLITE_NOTADB: _corrupt,
    sqlite3.SQLITE_FORMAT: _corrupt,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
}
"""SQLite's primary result codes (sqlite.org/rescode.html) to what they mean here."""

PRIMARY_CODE = 0xFF
"""The low byte of an extended result code is the primary one."""


def journal_error(error: sqlite3.Error, path: Path) -> JournalError:
    """What `error` means to a person, as an error of the tree."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE
    if meaning := _MEANING.get(code):
        return meaning(path, error)
    return JournalError(f"The journal {path} could not do what was asked: {error}.")


@contextmanager
def mapped_errors(path: Path) -> Generator[None]:
    """Turn errors of SQLite and of the file system into errors of the tree."""
    try:
        yield
    except sqlite3.Error as error:
        raise journal_error(error, path) from error
    except OSError as error:
        raise JournalUnwritable(f"The journal {path} cannot be opened: {error.strerror or error}.") from error
