"""The chunks of one workspace in a LanceDB table: written by one process, searched by many, by words and by vectors.

`workspace_index` and `search` lie above; below, `queries` asks the table, `indexes` keeps it quick, `recent` holds what
these do not have yet. The store knows no file and no grammar: it takes rows, and gives those that may answer a
question, which `rank` puts in order. All calls block and may come from any thread; who writes holds the folder's lock.
"""

import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from naestro.errors import IndexDamaged, IndexUnavailable
from naestro.index import columns, indexes, lance, queries, record
from naestro.index.indexes import Coverage
from naestro.index.parsed import Chunk
from naestro.index.recent import Recent
from naestro.index.records import FILE as RECORDS
from naestro.index.records import Records
from naestro.index.schema import (
    CHUNK_COLUMNS,
    Candidate,
    Pins,
    Row,
    chunks_of_table,
    sayable,
    schema_of,
)
from naestro.index.statistics import FILE as STATISTICS
from naestro.index.statistics import Statistics, Tally, TermCounts

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa

_T = TypeVar("_T")

_TABLE: Final = "chunks"
_PATHS_AT_ONCE: Final = 500
"""In one filter: a longer one takes longer to read than to run."""
_RECENT_ROWS: Final = 4_000
"""Rows outside the indexes that are kept in memory (25 MB); with more, searches are slower until the next `compact`."""
_ROWS_UNTIL_COMPACTION: Final = 1_000
_UPDATES_UNTIL_COMPACTION: Final = 60
"""Each leaves a few small files, in which the next one looks for what it replaces: 10 ms at first, 30 ms after 150."""
_RECORDS_LACKING: Final = 20
"""Records of one search that may come from the table: 3 ms."""
_REST_S: Final = 30
"""Between two compactions: each writes the whole table anew."""
_KEPT_VERSION_S: Final = 5
"""An old version's files live this long for a reader in another process that is in the midst of a search."""
_NOTHING_KEPT_S: Final = 0.001
"""LanceDB warns of 0."""


def erase(folder: Path) -> None:
    """Take away what a store has in `folder`, damaged or not."""
    (folder / RECORDS).unlink(missing_ok=True)
    shutil.rmtree(folder / f"{_TABLE}.lance", ignore_errors=True)
    (folder / STATISTICS).unlink(missing_ok=True)


class Store:
    """The chunks of a workspace. `open` makes one; `close` it."""

    def __init__(self, folder: Path, pins: Pins, *, is_writer: bool) -> None:
        """Use `open`."""
        self.folder = folder
        self.pins = pins
        self.is_writer = is_writer
        self.rebuild_reason = ""
        """Why this index must be made anew (another embedder or layout), as a sentence: `erase` and `open` then."""
        self._writing = threading.Lock()
        self._looking = threading.Lock()
        self._recent = Recent()
        self._retired = Recent()
        self._coverage = Coverage()
        self._updates = 0
        self._has_old_versions = False
        self._records = Records(folder)
        self._lacks_records = False
        """Whether a search had to ask the table for many records: a compaction writes them."""
        self._compacted = float("-inf")
        self._is_first = False
        """Whether the table was made here and never compacted: then nobody reads an old version of it."""
        self._tally = Tally(folder, is_writer=is_writer)
        self._table = self._ask(self._opened, "Opening the index")

    @classmethod
    def open(cls, folder: Path, embedder: str, dimension: int, *, is_writer: bool) -> "Store":
        """The store in `folder`; a writer makes an empty one where none is.

        `dimension` 0 is an index without vectors. Raises `IndexDamaged` where what lies there cannot be read (`erase`
        it), `IndexUnavailable` where there is no room, no right, or, for a reader, nothing yet.
        """
        return cls(folder, Pins(embedder, dimension), is_writer=is_writer)

    @property
    def needs_compaction(self) -> bool:
        """Whether enough was written since the last `compact` to make searches slower or the folder larger."""
        is_slow = (
            self._lacks_records or not self._coverage.words or len(self._recent) >= _ROWS_UNTIL_COMPACTION
        )
        is_large = self._has_old_versions or self._updates >= _UPDATES_UNTIL_COMPACTION
        is_rested = time.monotonic() - self._compacted > _REST_S
        return self.is_writer and is_rested and (is_slow or is_large)

    @property
    def count(self) -> int:
        """How many chunks are there."""
        return self._retried(lambda table: table.count_rows(), "Counting the index")

    @property
    def size_bytes(self) -> int:
        """On the disk, old versions included."""
        files = [*(self.folder / f"{_TABLE}.lance").rglob("*"), self.folder / RECORDS]
        return sum(map(_size_of, files))

    @property
    def statistics(self) -> Statistics:
        """Counts over all chunks as of the last `compact`; before the first, over what was written so far."""
        return self._tally.statistics

    def replace(
        self, rows: Sequence[Row], gone_paths: Collection[str] = (), counts: TermCounts | None = None
    ) -> None:
        """Put `rows` in the place of all chunks of their files, and take away those of `gone_paths`.

        `counts` are those of `rows`, where the caller has them already. Found from now on.
        """
        counts = counts or TermCounts.of(row.prepared for row in rows)
        with lance.faults("Writing the index"):
            rows, table = columns.tabled(rows, self.pins)
        paths = {row.chunk.path for row in rows}.union(map(sayable, gone_paths))
        with self._writing:
            self._take_in(rows, paths)
            try:
                self._ask(lambda: _written(self._table, sorted(paths), table), "Writing the index")
            except BaseException:
                self._forget_recent()
                raise
            self._tally.add(counts)
            self._updates += 1

    def candidates(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int = 200,
        without_paths: Collection[str] = (),
    ) -> list[Candidate]:
        """Chunks that may answer: the `limit` best by words, with the `limit // 2` nearest by vector.

        None of `without_paths` is among them. In no order that counts.
        """
        statistics = self.statistics
        masked = {*map(sayable, without_paths)}
        own = vector if self.pins.dimension else None
        with self._looking:
            recent = self._recent.find(terms, own, limit, statistics)
            hidden = self._recent.paths | masked
            asked = queries.Asked(terms, own, limit, len(masked), self._coverage)
        scores = self._retried(lambda table: queries.search(table, asked), "Searching the index")
        records = self._records_of([*scores])
        with lance.faults("Reading the index"):
            words = [scores[key] for key in records]
            found = record.decoded([*records], [*records.values()], words, own)
        kept = [one for one in found if one.path not in hidden]
        return kept + [one for one in recent if one.path not in masked]

    def chunks_of(self, path: str) -> list[Chunk]:
        """The chunks of a file, in order; none where it is not in the index."""
        return chunks_of_table(
            self._retried(lambda table: queries.rows_of(table, [path], CHUNK_COLUMNS), "Reading the index")
        )

    def _records_of(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The records of the rows `ids` that are still there: from their file, else from the table, which is slow."""
        with lance.faults("Reading the index"):
            here = self._records.read(ids)
        rest = [key for key in ids if key not in here]
        if not rest:
            return here
        self._lacks_records = len(rest) > _RECORDS_LACKING
        rows = self._retried(lambda table: queries.record_rows(table, rest), "Reading the index")
        return here | dict(record.numbered(rows))

    def texts(self, ids: Sequence[int]) -> Mapping[int, str]:
        """The lines of the chunks `ids`; one that is gone meanwhile is left out."""
        with self._looking:
            here = self._retired.texts(ids) | self._recent.texts(ids)
        rest = [key for key in ids if key not in here]
        return here | self._retried(lambda table: queries.texts(table, rest), "Reading the index")

    def compact(self) -> None:
        """Take new rows into the indexes, join small files, drop old versions, renew the counts; takes seconds."""
        with self._writing:
            is_changed = self._updates > 0 or not self._coverage.words
            kept_s = _NOTHING_KEPT_S if self._is_first else _KEPT_VERSION_S
            coverage = self._ask(
                lambda: indexes.renew(self._table, has_vectors=bool(self.pins.dimension), kept_s=kept_s),
                "Compacting the index",
            )
            with self._looking:
                self._retired, self._recent = self._recent, Recent()
                self._coverage = coverage
            with lance.faults("Compacting the index"):
                self._tally.renew(self.count, lambda: _prepared(self._table))
                self._records.write(_all_records(self._table))
                self._lacks_records = False
            # What this compaction has superseded is too young to be dropped by it.
            self._has_old_versions = is_changed and not self._is_first
            self._is_first = False
            self._updates = 0
            self._compacted = time.monotonic()
            self.warm()
            lance.give_back_memory()

    def warm(self) -> None:
        """Make the next search as quick as those after it: the first one reads the indexes, which takes 0.2 s.

        By a search, not by LanceDB's own prewarming, which takes 45 MB more for 36,000 chunks.
        """
        import numpy as np

        dimension = self.pins.dimension
        self.candidates(["the"], np.full(dimension, dimension**-0.5, np.float32) if dimension else None, 2)

    def close(self) -> None:
        """Let go of the files."""
        self._table.close()

    async def _opened(self) -> "lancedb.AsyncTable":
        database = await lance.connect(self.folder, is_writer=self.is_writer)
        if (self.folder / f"{_TABLE}.lance").exists():
            table = await database.open_table(_TABLE)
            metadata = (await table.schema()).metadata or {}
            self.rebuild_reason = self.pins.trouble(metadata)
            self._records.begin(metadata.get(b"name", b"").decode())
            if self.is_writer:
                self._coverage = await indexes.coverage(table)
            return table
        if not self.is_writer:
            raise IndexUnavailable("This folder has no index yet.")
        name = uuid4().hex
        self._records.begin(name)
        table = await database.create_table(
            _TABLE,
            schema=schema_of(self.pins, name),
            storage_options={"new_table_enable_stable_row_ids": "true"},
        )
        self._is_first = True
        await indexes.begin(table)
        self._coverage = await indexes.coverage(table)
        return table

    def _take_in(self, rows: Sequence[Row], paths: Collection[str]) -> None:
        """Let searches find `rows` in memory, as long as there are few."""
        with self._looking:
            self._recent.remove(paths)
            if not self._coverage.words:
                return
            if len(self._recent) + len(rows) <= _RECENT_ROWS:
                self._recent.add(rows)
                return
        self._forget_recent()

    def _forget_recent(self) -> None:
        """Search the table alone, all of it."""
        with self._looking:
            self._recent = Recent()
            self._coverage = Coverage()

    def _retried(self, ask: Callable[["lancedb.AsyncTable"], Awaitable[_T]], doing: str) -> _T:
        """What `ask` gives; a reader whose table the writer has compacted or made anew opens it once more."""
        try:
            return self._ask(lambda: ask(self._table), doing)
        except IndexDamaged:
            if self.is_writer:
                raise
        self._table = self._ask(self._opened, "Opening the index")
        return self._ask(lambda: ask(self._table), doing)

    def _ask(self, ask: Callable[[], Awaitable[_T]], doing: str) -> _T:
        with lance.faults(doing):
            return lance.call(ask)


async def _written(table: "lancedb.AsyncTable", paths: Sequence[str], rows: "pa.Table") -> None:
    """Put `rows` in the place of all that the table has of `paths`."""
    for start in range(0, len(paths), _PATHS_AT_ONCE):
        await table.delete(queries.of_paths(paths[start : start + _PATHS_AT_ONCE]))
    if len(rows):
        await table.add(rows)


def _all_records(table: "lancedb.AsyncTable") -> Iterator[tuple[int, bytes]]:
    """The record of each row, with the row's number."""
    pieces = queries.all_record_rows(table)
    while (piece := lance.call(anext, pieces, None)) is not None:
        yield from record.numbered(piece)


def _prepared(table: "lancedb.AsyncTable") -> Iterator[str]:
    """The terms of each row."""

    async def read() -> "pa.Table":
        return await table.query().select(["prepared"]).to_arrow()

    yield from map(str, lance.call(read)["prepared"].to_pylist())


def _size_of(file: Path) -> int:
    """0 where the file went while the folder was listed."""
    try:
        return file.lstat().st_size
    except OSError:
        return 0
