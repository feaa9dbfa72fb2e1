"""Vectors by the text that they were made of, over all workspaces and branches: no text is embedded twice.

`indexing` lies above. One SQLite file an embedder; several processes may use it at once. It is a cache: damaged, it is
thrown away; too large, what was used longest ago goes. It knows no embedder, only hashes and vectors.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

SIZE_LIMIT_BYTES: Final = 512 << 20
"""Some 800,000 vectors of 256 numbers."""
_KEPT_SHARE: Final = 0.8
"""What is left after too much was thrown away, so that this happens seldom."""
_ASKED_AT_ONCE: Final = 1_000
_BUSY_TIMEOUT_S: Final = 10
_DAY_S: Final = 86_400
_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS vectors (hash BLOB PRIMARY KEY, vector BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
"""


def hash_of(text: str) -> str:
    """The name of `text` in the cache: 32 hexadecimal digits."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


class VectorCache:
    """The vectors of one embedder. Thread-safe; `close` it."""

    def __init__(
        self, folder: Path, embedder: str, dimension: int, *, size_limit_bytes: int = SIZE_LIMIT_BYTES
    ) -> None:
        self.file = folder / f"vectors-{_as_file_name(embedder)}-{dimension}.sqlite"
        self.dimension = dimension
        self._size_limit_bytes = size_limit_bytes
        self._lock = threading.Lock()
        self._connection = self._opened()

    def get(self, hashes: Sequence[str]) -> dict[str, "np.ndarray"]:
        """The vectors that are there, each (dimension,) float32, of unit length."""
        import numpy as np

        with self._lock:
            rows = list(self._read([bytes.fromhex(hash) for hash in hashes]))
        matrix = np.frombuffer(b"".join(vector for _, vector in rows), np.float16).astype(np.float32)
        matrix = matrix.reshape(len(rows), self.dimension)
        return {hash.hex(): vector for (hash, _), vector in zip(rows, matrix, strict=True)}

    def put(self, hashes: Sequence[str], vectors: "np.ndarray") -> None:
        """Keep `vectors`, (n, dimension), under `hashes`."""
        import numpy as np

        halves = vectors.astype(np.float16)
        today = int(time.time() // _DAY_S)
        rows = [(bytes.fromhex(hash), half.tobytes(), today) for hash, half in zip(hashes, halves, strict=True)]
        with self._lock:
            self._connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)
            self._connection.commit()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _read(self, hashes: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for start in range(0, len(hashes), _ASKED_AT_ONCE):
            asked = hashes[start : start + _ASKED_AT_ONCE]
            places = ",".join("?" * len(asked))
            yield from self._connection.execute(
                f"SELECT hash, vector FROM vectors WHERE hash IN ({places})", asked
            )

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        connection.executescript(_SCHEMA)
        return connection


def _as_file_name(embedder: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", embedder)[:40]
    return plain if plain == embedder else f"{plain}-{hash_of(embedder)[:8]}"
