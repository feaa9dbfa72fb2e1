"""What a process that keeps an index and its indexer tell one another, frame by frame.

`indexer_process` gives the orders, `indexer` carries them out. Both are of one version and one installation.
"""

import msgspec

from naestro.index.files.manifest import FileRecord
from naestro.index.found import IndexProgress
from naestro.index.indexing.difference import Difference
from naestro.index.storage.arrivals import Arrived
from naestro.index.taking.taken import Task
from naestro.index.text.statistics import TermCounts


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The first frame: for which index."""

    root: str
    """Of the workspace."""
    folder: str
    """Of its index."""
    vectors: str
    """The folder of the cache of vectors; empty: the person's own."""
    settings: bytes
    """The settings of the index, as JSON."""
    pins: tuple[str, int] | None
    """Name and dimension of an embedder that is slow to load, and not needed by the indexer; None: it loads its own."""
    lease: int
    """The descriptor of the lock, which the child inherits."""
    has_workers: bool
    """Whether files will have to be taken in, so that workers are started at once."""


class Work(msgspec.Struct, frozen=True, tag=True):
    """Take in what is different."""

    todo: list[Task]
    left_out: list[FileRecord]
    gone: set[str]
    known: dict[str, FileRecord]
    pending: set[str]
    is_followed: bool
    """Whether the other process searches new rows in its memory, so that the table and a compaction can wait."""

    @classmethod
    def of(cls, found: Difference, *, is_followed: bool) -> "Work":
        """That of a difference."""
        return cls(found.todo, found.left_out, found.gone, found.known, found.pending, is_followed)

    def difference(self) -> Difference:
        """What a run is made for."""
        return Difference(self.todo, self.left_out, self.gone, self.known, self.pending)


class Compact(msgspec.Struct, frozen=True, tag=True):
    """Compact the table; the counts are those of the chunks that were written since the last time."""

    chunks: int
    terms: int
    hashes: bytes
    holding: bytes

    @classmethod
    def of(cls, added: TermCounts) -> "Compact":
        """With the counts `added`."""
        return cls(added.chunks, added.terms, added.hashes.tobytes(), added.holding.tobytes())

    def added(self) -> TermCounts:
        """The counts."""
        import numpy as np

        hashes, holding = np.frombuffer(self.hashes, np.uint64), np.frombuffer(self.holding, np.uint32)
        return TermCounts(self.chunks, self.terms, hashes, holding)


class Heard(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Made` and `Wrote`."""

    is_kept: bool
    """Whether searches find it in memory, so that it can wait for the table, or, once it is there, for a compaction."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End the run soon; what was done stays."""


Order = Work | Compact | Heard | Stop


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The first answer: the process has come up."""


class Told(msgspec.Struct, frozen=True, tag=True):
    """How far the run is."""

    progress: IndexProgress


class Made(msgspec.Struct, frozen=True, tag=True):
    """The table will have `arrived` in the place of all rows of `paths`; nothing is said to be indexed before `Heard`.

    Where that is not kept, `Wrote` comes first.
    """

    paths: list[str]
    arrived: Arrived | None


class Wrote(msgspec.Struct, frozen=True, tag=True):
    """The table has new rows in the place of all those of `paths`; nothing is said to be indexed before `Heard`."""

    paths: list[str]
    rows: int


class Indexed(msgspec.Struct, frozen=True, tag=True):
    """The files at `paths` are said to be indexed now."""

    paths: list[str]


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The order is carried out, or failed."""

    kind: str = "done"
    """`done`, `stopped`, `damaged`, `unavailable`, or `failed`, which is a fault of Naestro's own."""
    message: str = ""
    hint: str = ""
    is_compacted: bool = False


Answer = Ready | Told | Made | Wrote | Indexed | Ended
