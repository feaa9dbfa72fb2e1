"""A cache in one SQLite file: bytes by their keys, bounded, used by several processes and threads at once.

`vectors` and `parts` lie above and say what the bytes are. It is a cache, so nothing that happens to it is an error:
damaged, it is thrown away; too large, what was used longest ago goes; full or locked, it holds nothing.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_DROPPED_SHARE: Final = 0.2
"""Of what is held when it is too much, so that dropping happens seldom."""
_ASKED_AT_ONCE: Final = 1_000
_BUSY_TIMEOUT_S: Final = 5
_DAY_S: Final = 86_400
_SCHEMA: Final = """
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
PRAGMA wal_autocheckpoint = 64;
PRAGMA journal_size_limit = 1048576;
CREATE TABLE IF NOT EXISTS held (key BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON held (key);
"""
"""The log is folded in at 1 MB, since workers that write it are ended, not closed. Large pages and rows in the order of
their coming: 6 µs a vector written, 4 read, where keyed rows take 21 and 6."""
_TO_DROP: Final = "DELETE FROM held WHERE rowid IN (SELECT rowid FROM held ORDER BY used, rowid LIMIT ?)"


class CacheFile:
    """An open cache. Thread-safe; `close` it."""

    def __init__(self, path: Path, *, size_limit_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """Open the file at `path`, which is made where it is missing; `clock` gives seconds since 1970.

        Raises sqlite3.Error or OSError where no file can be made there.
        """
        self.path = path
        self._size_limit_bytes = size_limit_bytes
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            self._connection = self._made_anew(error)

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values that are there."""
        wanted = list(dict.fromkeys(keys))
        return dict(self._tried(lambda: self._read(wanted), []))

    def put(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep these values under their keys; a key that is there keeps its own."""
        today = self._today()
        dated = sorted((key, value, today) for key, value in rows)
        self._tried(lambda: self._write(dated), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _today(self) -> int:
        return int(self._clock() // _DAY_S)

    def _read(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        today = self._today()
        found: list[tuple[bytes, bytes]] = []
        stale: list[tuple[int, int]] = []
        for asked in _parts(keys):
            places = ",".join("?" * len(asked))
            query = f"SELECT key, value, rowid, used FROM held WHERE key IN ({places})"  # noqa: S608  Question marks alone.
            for key, value, row, used in self._connection.execute(query, asked):
                found.append((key, value))
                if used < today:
                    stale.append((today, row))
        if stale:  # Once a day and row.
            with self._connection:
                self._connection.executemany("UPDATE held SET used = ? WHERE rowid = ?", stale)
        return found

    def _write(self, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO held VALUES (?, ?, ?)", rows)
            if self._size_bytes() > self._size_limit_bytes:
                (held,) = self._connection.execute("SELECT count(*) FROM held").fetchone()
                self._connection.execute(_TO_DROP, [int(held * _DROPPED_SHARE) + 1])

    def _size_bytes(self) -> int:
        """Of what is held; room that was given up is used again before the file grows."""
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _tried(self, work: Callable[[], _T], otherwise: _T) -> _T:
        """What `work` gives; `otherwise` where the file cannot be used now, thrown away if it is damaged."""
        with self._lock:
            try:
                return work()
            except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
                _log.info("%s is not used this time: %s", self.path.name, error)
            except sqlite3.DatabaseError as error:
                with suppress(sqlite3.Error, OSError):  # closed then, and not used any more
                    self._connection = self._made_anew(error)
        return otherwise

    def _made_anew(self, error: sqlite3.Error) -> sqlite3.Connection:
        _log.warning("%s is damaged (%s) and is begun anew.", self.path.name, error)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _ASKED_AT_ONCE):
        yield keys[start : start + _ASKED_AT_ONCE]
