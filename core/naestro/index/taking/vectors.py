"""Vectors by the text that they were made of, over all workspaces and branches: no text is embedded twice.

`taking` and `late_vectors` lie above, `cache_file` below: one file an embedder, and nothing that happens to it is an
error. It knows no embedder, only hashes and vectors.
"""

import re
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from naestro.index.taking.cache_file import CacheFile

if TYPE_CHECKING:
    import numpy as np

SIZE_LIMIT_BYTES: Final = 512 << 20
"""Some 800,000 vectors of 256 numbers."""


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
        self._held = CacheFile(self.file, size_limit_bytes=size_limit_bytes, clock=clock)

    def get(self, hashes: Sequence[str]) -> dict[str, "np.ndarray"]:
        """The vectors that are there, each (dimension,) float32, as exact as float16."""
        import numpy as np

        width = np.dtype(np.float16).itemsize * self.dimension
        found = self._held.get(map(bytes.fromhex, hashes))
        held = {digest: vector for digest, vector in found.items() if len(vector) == width}
        matrix = np.frombuffer(b"".join(held.values()), np.float16).astype(np.float32)
        rows = matrix.reshape(len(held), self.dimension)
        return {digest.hex(): vector for digest, vector in zip(held, rows, strict=True)}

    def put(self, hashes: Sequence[str], vectors: "np.ndarray") -> None:
        """Keep `vectors`, (n, dimension), under `hashes`."""
        import numpy as np

        halves = np.ascontiguousarray(vectors, np.float16).tobytes()
        width = len(halves) // max(1, len(hashes))
        self._held.put(
            (bytes.fromhex(digest), halves[at * width : (at + 1) * width]) for at, digest in enumerate(hashes)
        )

    def close(self) -> None:
        """Close the file."""
        self._held.close()


def _as_file_name(embedder: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", embedder)[:40]
    return plain if plain == embedder else f"{plain}-{hash_of(embedder)[:8]}"
