"""What is asked of a worker and what it answers: files to take in, and what became of them.

Values only, as frames carry them. `taking` makes them, `indexing` writes them, `workers` passes them on.
"""

from typing import TYPE_CHECKING

import msgspec

from naestro.index.files.manifest import FileEntry, FileRecord
from naestro.index.files.walk import Stamp
from naestro.index.parsing.parsed import Chunk

if TYPE_CHECKING:
    import numpy as np

    from naestro.index.text.statistics import TermCounts


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A file to take in."""

    path: str
    stamp: Stamp
    hash: bytes
    """Of the content that the index holds of it already; empty where it holds none."""


class TakenChunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk made ready."""

    chunk: Chunk
    prepared: str
    hash: str
    """Of the text that is embedded."""
    is_new: bool = False
    """Whether its vector was made now, and the cache does not hold it yet."""


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """What became of a file."""

    path: str
    entry: FileEntry | None
    """As the manifest will hold it; None where the file is gone."""
    chunks: list[TakenChunk] = []


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Files that were taken in together."""

    files: list[Taken]
    vectors: bytes = b""
    """Of all their chunks in order, (n_chunks, dimension) float32, of unit length; empty without an embedder."""
    terms: int = 0
    """In all their chunks, 0 where they were not counted; then the hash of each term, and how many chunks hold it: see
    `TermCounts`."""
    hashes: bytes = b""
    holding: bytes = b""

    @property
    def chunks(self) -> list[TakenChunk]:
        """Those of all files, in order."""
        return [chunk for file in self.files for chunk in file.chunks]

    def matrix(self) -> "np.ndarray | None":
        """The vectors, (n_chunks, dimension) float32; None where there are none."""
        import numpy as np

        return np.frombuffer(self.vectors, np.float32).reshape(len(self.chunks), -1) if self.vectors else None

    def counts(self) -> "TermCounts":
        """The counts of the terms in all chunks."""
        import numpy as np

        from naestro.index.text.statistics import TermCounts

        hashes, holding = np.frombuffer(self.hashes, np.uint64), np.frombuffer(self.holding, np.uint32)
        return TermCounts(len(self.chunks), self.terms, hashes, holding)


def refused(task: Task, reason: str) -> Taken:
    """A file that is left out for `reason`."""
    return Taken(task.path, FileEntry(FileRecord(task.path, task.stamp, True, b"", skipped=reason)))
