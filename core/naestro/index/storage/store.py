"""The chunks of one workspace in a LanceDB table: written by one process, searched by many, by words and by vectors.

`indexing` and `search` lie above; below, `table` opens it, `queries` and `filters` ask it, `indexes` keeps it quick,
`fresh` holds what these do not have yet. The store knows no file and no grammar: it takes rows, and gives those that
may answer a question, which `rank` puts in order. All calls block and may come from any thread; who writes holds the
folder's lock.
"""

import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from naestro.errors import IndexDamaged
from naestro.index.only import EVERYTHING, Only
from naestro.index.parsing.parsed import Chunk
from naestro.index.storage import columns, filters, indexes, lance, queries, record, table
from naestro.index.storage.arrivals import Arrived
from naestro.index.storage.fresh import Fresh, Hits
from naestro.index.storage.schema import (
    CHUNK_COLUMNS,
    Candidate,
    Pins,
    Row,
    chunks_of_table,
    sayable,
)
from naestro.index.storage.table import TablePlace, ask
from naestro.index.text.statistics import FILE as STATISTICS
from naestro.index.text.statistics import Statistics, Tally, TermCounts

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa

_T = TypeVar("_T")

_PATHS_AT_ONCE: Final = 500
"""In one filter: a longer one takes longer to read than to run."""
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
    table.erase(folder)
    (folder / STATISTICS).unlink(missing_ok=True)


class Store:
    """The chunks of a workspace. `open` makes one; `close` it."""

    def __init__(self, folder: Path, pins: Pins, *, is_writer: bool, is_searched: bool) -> None:
        """Use `open`."""
        self.folder = folder
        self.pins = pins
        self.is_writer = is_writer
        self._is_searched = is_searched
        self._writing = threading.Lock()
        self._updates = 0
        self._has_old_versions = False
        self._lacks_records = False
        """Whether a search had to ask the table for many records: a compaction writes them."""
        self._compacted_at = float("-inf")
        self._tally = Tally(folder, is_writer=is_writer)
        self._place = TablePlace(folder, pins, is_writer)
        self._fresh = Fresh(*self._place.opened())
        self.rebuild_reason = self._place.rebuild_reason
        """Why this index must be made anew (another embedder or layout), as a sentence: `erase` and `open` then."""
        if is_writer and self._tally.is_damaged and not self.rebuild_reason:
            table = self._fresh.table
            with lance.faults("Reading the index"):
                self._tally.renew(self.count, lambda: _prepared(table))

    @classmethod
    def open(
        cls, folder: Path, embedder: str, dimension: int, *, is_writer: bool, is_searched: bool = True
    ) -> "Store":
        """The store in `folder`; a writer makes an empty one where none is.

        `dimension` 0 is an index without vectors. Not `is_searched`: nothing is kept ready for searches. Raises
        `IndexDamaged` where what lies there cannot be read (`erase` it), `IndexUnavailable` where there is no room, no
        right, or, for a reader, nothing yet.
        """
        return cls(folder, Pins(embedder, dimension), is_writer=is_writer, is_searched=is_searched)

    @property
    def is_covered(self) -> bool:
        """Whether searches in this process need not look at rows outside the table's indexes."""
        return self._fresh.is_covered

    @property
    def needs_compaction(self) -> bool:
        """Whether enough was written since the last `compact` to make searches slower or the folder larger."""
        is_slow = (
            self._lacks_records or not self._fresh.is_covered or len(self._fresh) >= _ROWS_UNTIL_COMPACTION
        )
        is_large = self._has_old_versions or self._updates >= _UPDATES_UNTIL_COMPACTION
        is_rested = time.monotonic() - self._compacted_at > _REST_S
        return self.is_writer and self._fresh.is_written and is_rested and (is_slow or is_large)

    @property
    def count(self) -> int:
        """How many chunks are there."""
        return self._retried(lambda table: table.count_rows(), "Counting the index")

    @property
    def size_bytes(self) -> int:
        """On the disk, old versions included."""
        return self._place.size_bytes

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
            if self._is_searched:
                self._fresh.take_in(rows, paths)
            try:
                ask(lambda: _written(self._fresh.table, sorted(paths), table), "Writing the index")
            except BaseException:
                self._fresh.forget()
                raise
            self._tally.add(counts)
            self._updates += 1

    def candidates(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int = 200,
        without_paths: Collection[str] = (),
        only: Only = EVERYTHING,
    ) -> list[Candidate]:
        """Chunks that may answer: the `limit` best by words, with the `limit // 2` nearest by vector.

        Of `only` what that says, and none of `without_paths`. In no order that counts.
        """
        statistics = self.statistics
        masked = {*map(sayable, without_paths)}
        own = vector if self.pins.dimension else None
        hits = self._fresh.find(terms, own, limit, statistics, only)
        old = len(masked) + hits.unwritten
        where = filters.kept_to(only)
        asked = queries.Asked(terms, own, limit, old, hits.coverage, hits.arrived, where, hits.hidden)
        scores = self._retried(lambda table: queries.search(table, asked), "Searching the index", hits.table)
        records = self._records_of([*scores], hits)
        with lance.faults("Reading the index"):
            words = [scores[key] for key in records]
            found = record.decoded([*records], [*records.values()], words, own)
        kept = [one for one in found if one.id in hits.arrived or one.path not in hits.hidden]
        kept = [one for one in kept if only.admits(one.path, one.language)]
        return [one for one in [*kept, *hits.recent] if one.path not in masked]

    def chunks_of(self, path: str) -> list[Chunk]:
        """The chunks of a file, in order; none where it is not in the index."""
        return chunks_of_table(
            self._retried(lambda table: queries.rows_of(table, [path], CHUNK_COLUMNS), "Reading the index")
        )

    def _records_of(self, ids: Sequence[int], hits: Hits) -> dict[int, bytes]:
        """The records of the rows `ids` that are still there: from their file, else from the table, which is slow."""
        here = {**hits.records}
        with lance.faults("Reading the index"):
            here |= self._place.records.read([key for key in ids if key not in here])
        rest = [key for key in ids if key not in here]
        if not rest:
            return here
        self._lacks_records = len(rest) > _RECORDS_LACKING
        rows = self._retried(lambda table: queries.record_rows(table, rest), "Reading the index", hits.table)
        return here | dict(record.numbered(rows))

    def texts(self, ids: Sequence[int]) -> Mapping[int, str]:
        """The lines of the chunks `ids`; one that is gone meanwhile is left out."""
        here = self._fresh.texts(ids)
        rest = [key for key in ids if key not in here]
        with lance.faults("Reading the index"):
            here |= {key: record.lines_in(held) for key, held in self._place.records.lines(rest).items()}
        rest = [key for key in rest if key not in here]
        if not rest:
            return here
        return here | self._retried(lambda table: queries.texts(table, rest), "Reading the index")

    def show(self, paths: Collection[str], arrived: Arrived | None) -> bool:
        """Find `arrived`, which another process is about to write in the place of all rows of `paths`.

        False where memory has no room for them; then nothing is changed.
        """
        with self._writing:
            is_shown = self._fresh.show([*map(sayable, paths)], arrived)
            if is_shown and arrived:
                self._tally.add(arrived.counts())
            return is_shown

    def adopt(self, paths: Collection[str], *, has_rows: bool) -> None:
        """See what another process has put into the table in the place of all rows of `paths`.

        If it `has_rows` that were not shown before, of whatever files, searches look in the table for them.
        """
        with self._writing:
            self._fresh.adopt(self._place.reopened(), [*map(sayable, paths)], has_rows=has_rows)
            self._updates += 1

    def follow(self) -> None:
        """See the table as another process has compacted it."""
        with self._writing:
            self._tally.load()
            self._compacted(self._place.reopened())

    @property
    def added_counts(self) -> TermCounts:
        """The counts of the chunks that were written since the last `compact`: for another process to compact with."""
        return self._tally.added

    def compact(self, added: TermCounts | None = None) -> None:
        """Take new rows into the indexes, join small files, drop old versions, renew the counts; takes seconds.

        `added` are those of the chunks that another process has written since the last time.
        """
        with self._writing:
            if added:
                self._tally.add(added)
            table, has_vectors = self._fresh.table, bool(self.pins.dimension)
            kept_s = _NOTHING_KEPT_S if self._place.is_first else _KEPT_VERSION_S
            ask(lambda: indexes.renew(table, has_vectors=has_vectors, kept_s=kept_s), "Compacting the index")
            with lance.faults("Compacting the index"):
                self._tally.renew(self.count, lambda: _prepared(table))
                self._place.records.write(_all_records(table))
                self._place.sum()
            self._compacted(table)

    def close(self) -> None:
        """Let go of the files."""
        self._tally.close()
        self._fresh.table.close()

    def _compacted(self, table: "lancedb.AsyncTable") -> None:
        """Search `table`, whose indexes hold all rows."""
        coverage = ask(lambda: indexes.coverage(table), "Opening the index")
        is_changed = self._updates > 0 or not self._fresh.is_covered
        # What a compaction has superseded is too young to be dropped by it.
        self._has_old_versions = is_changed and not self._place.is_first
        self._place.is_first = self._lacks_records = False
        self._fresh.replace(table, coverage)
        self._updates = 0
        self._compacted_at = time.monotonic()
        if self._is_searched:
            _warm(self)
            lance.give_back_memory()

    def _retried(
        self,
        question: Callable[["lancedb.AsyncTable"], Awaitable[_T]],
        doing: str,
        table: "lancedb.AsyncTable | None" = None,
    ) -> _T:
        """What `question` gives of `table`; where that was compacted or made anew meanwhile, of what is there now."""
        table = table or self._fresh.table
        try:
            return ask(lambda: question(table), doing)
        except IndexDamaged:
            now, is_other = self._place.reopened_after(table)
        if is_other:
            self._fresh.replace(now)
        return ask(lambda: question(now), doing)


def _warm(store: Store) -> None:
    """Make the next search as quick as those after it: the first one reads the indexes, which takes 0.2 s.

    By a search, not by LanceDB's own prewarming, which takes 45 MB more for 36,000 chunks.
    """
    import numpy as np

    dimension = store.pins.dimension
    store.candidates(["the"], np.full(dimension, dimension**-0.5, np.float32) if dimension else None, 2)


def _all_records(table: "lancedb.AsyncTable") -> Iterator[tuple[int, bytes, bytes]]:
    """The record of each row, with the row's number and its lines."""
    pieces = queries.all_record_rows(table)
    while (piece := lance.call(anext, pieces, None)) is not None:
        yield from record.with_lines(piece)


def _prepared(table: "lancedb.AsyncTable") -> Iterator[str]:
    """The prepared text of each chunk."""

    async def read() -> "pa.Table":
        return await table.query().select(["prepared"]).to_arrow()

    yield from map(str, lance.call(read)["prepared"].to_pylist())


async def _written(table: "lancedb.AsyncTable", paths: Sequence[str], rows: "pa.Table") -> None:
    """Put `rows` in the place of all that the table has of `paths`."""
    for start in range(0, len(paths), _PATHS_AT_ONCE):
        await table.delete(filters.of_paths(paths[start : start + _PATHS_AT_ONCE]))
    if len(rows):
        await table.add(rows)
