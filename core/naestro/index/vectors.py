"""Vectors by the text that they were made of, over all workspaces and branches: no text is embedded twice.

`indexing` lies above. One SQLite file an embedder; several processes may use it at once. It is a cache, so nothing that
happens to it is an error: damaged, it is thrown away; too large, what was used longest ago goes; full or locked, it
holds nothing. It knows no embedder, only hashes and vectors.
"""

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import numpy as np

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

SIZE_LIMIT_BYTES: Final = 512 << 20
"""Some 800,000 vectors of 256 numbers."""
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
CREATE TABLE IF NOT EXISTS vectors (hash BLOB NOT NULL, vector BLOB NOT NULL, used INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_hash ON vectors (hash);
"""
"""Large pages and rows in the order of their coming: 6 µs a vector written, 4 read, where keyed rows take 21 and 6."""
_TO_DROP: Final = (
    "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)"
)


def hash_of(text: str) -> str:
    """The name of `text` in the cache: 32 hexadecimal digits."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


class VectorCache:
    """The vectors of one embedder. Thread-safe; `close` it."""

    def __init__(
        self,
        folder: Path,
        embedder: str,
        dimension: int,
        *,
        size_limit_bytes: int = SIZE_LIMIT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the file of `embedder` in `folder`, which is there; `clock` gives seconds since 1970.

        Raises sqlite3.Error or OSError where no file can be made there.
        """
        self.file = folder / f"vectors-{_as_file_name(embedder)}-{dimension}.sqlite"
        self.dimension = dimension
        self._size_limit_bytes = size_limit_bytes
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            self._connection = self._made_anew(error)

    def get(self, hashes: Sequence[str]) -> dict[str, "np.ndarray"]:
        """The vectors that are there, each (dimension,) float32, as exact as float16."""
        import numpy as np

        wanted = [bytes.fromhex(digest) for digest in dict.fromkeys(hashes)]
        rows = self._tried(lambda: self._read(wanted), [])
        width = np.dtype(np.float16).itemsize * self.dimension
        held = [(digest, vector) for digest, vector in rows if len(vector) == width]
        matrix = np.frombuffer(b"".join(vector for _, vector in held), np.float16).astype(np.float32)
        rows_of_matrix = matrix.reshape(len(held), self.dimension)
        return {digest.hex(): vector for (digest, _), vector in zip(held, rows_of_matrix, strict=True)}

    def put(self, hashes: Sequence[str], vectors: "np.ndarray") -> None:
        """Keep `vectors`, (n, dimension), under `hashes`."""
        import numpy as np

        halves = np.ascontiguousarray(vectors, np.float16).tobytes()
        width = len(halves) // max(1, len(hashes))
        today = self._today()
        rows = sorted(
            (bytes.fromhex(digest), halves[at * width : (at + 1) * width], today)
            for at, digest in enumerate(hashes)
        )
        self._tried(lambda: self._write(rows), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _today(self) -> int:
        return int(self._clock() // _DAY_S)

    def _read(self, hashes: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        today = self._today()
        found: list[tuple[bytes, bytes]] = []
        stale: list[tuple[int, int]] = []
        for asked in _parts(hashes):
            places = ",".join("?" * len(asked))
            query = f"SELECT hash, vector, rowid, used FROM vectors WHERE hash IN ({places})"  # noqa: S608  Question marks alone.
            for digest, vector, row, used in self._connection.execute(query, asked):
                found.append((digest, vector))
                if used < today:
                    stale.append((today, row))
        if stale:  # Once a day and row.
            with self._connection:
                self._connection.executemany("UPDATE vectors SET used = ? WHERE rowid = ?", stale)
        return found

    def _write(self, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)
            if self._size_bytes() > self._size_limit_bytes:
                (held,) = self._connection.execute("SELECT count(*) FROM vectors").fetchone()
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
            except sqlite3.OperationalError as error:
                _log.info("%s is not used this time: %s", self.file.name, error)
            except sqlite3.DatabaseError as error:
                self._connection = self._made_anew(error)
        return otherwise

    def _made_anew(self, error: sqlite3.Error) -> sqlite3.Connection:
        _log.warning("%s is damaged (%s) and is begun anew.", self.file.name, error)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _parts(hashes: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(hashes), _ASKED_AT_ONCE):
        yield hashes[start : start + _ASKED_AT_ONCE]


def _as_file_name(embedder: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", embedder)[:40]
    return plain if plain == embedder else f"{plain}-{hash_of(embedder)[:8]}"
