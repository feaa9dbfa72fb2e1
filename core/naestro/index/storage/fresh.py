"""Rows that no index of the table holds yet, searched in memory together with the table that they belong to.

`store` lies above. What this process writes is `recent`, what its indexer writes are `arrivals`: both are found before
the table has them. A file changes in one moment, so that a search finds it as it was or as it is, never neither.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from naestro.index.only import EVERYTHING, Only
from naestro.index.storage.arrivals import Arrivals, Arrived
from naestro.index.storage.indexes import NOTHING_COVERED, Coverage
from naestro.index.storage.recent import Recent
from naestro.index.storage.schema import Candidate, Row
from naestro.index.text.statistics import Statistics

if TYPE_CHECKING:
    import lancedb
    import numpy as np

RECENT_ROWS_MAX: Final = 4_000
"""Rows outside the indexes that are kept in memory (25 MB); with more, searches are slower until they are compacted."""
ARRIVED_ROWS_MAX: Final = 16_000
"""The same of those that another process wrote (35 MB)."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What memory has for a question, and what is left to ask the table."""

    table: "lancedb.AsyncTable"
    coverage: Coverage
    recent: list[Candidate]
    hidden: Collection[str]
    """Files whose chunks are in memory: what the table says of them is old, or the same once more."""
    unwritten: int
    """How many of these files have old rows in the table still, which will be found there."""
    arrived: Mapping[int, float]
    """Numbers of rows that another process has made, with their BM25."""
    records: Mapping[int, bytes]
    """What ranking needs of these."""


class Fresh:
    """The open table, and what its indexes do not hold; from any thread."""

    def __init__(self, table: "lancedb.AsyncTable", coverage: Coverage) -> None:
        """With nothing in memory."""
        self._lock = threading.Lock()
        self._table = table
        self._coverage = coverage
        self._recent = Recent()
        self._retired = Recent()
        self._arrivals = Arrivals()
        self._retired_arrivals = Arrivals()
        self._unwritten: set[str] = set()
        """Files that are in memory as they are now, and in the table as they were."""

    def __len__(self) -> int:
        """Rows in memory."""
        return len(self._recent) + len(self._arrivals)

    @property
    def table(self) -> "lancedb.AsyncTable":
        """The table as it is asked and written to now."""
        return self._table

    @property
    def is_written(self) -> bool:
        """Whether the table has all that is in memory."""
        return not self._unwritten

    @property
    def is_covered(self) -> bool:
        """Whether a search by words finds everything in the indexes and in memory."""
        return self._coverage.words

    def find(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int,
        statistics: Statistics,
        only: Only = EVERYTHING,
    ) -> Hits:
        """The `limit` best by words and the `limit // 2` nearest by vector, of what `only` admits."""
        with self._lock:
            recent = self._recent.find(terms, vector, limit, statistics, only)
            arrived = self._arrivals.find(terms, vector, limit, statistics, only)
            records = self._arrivals.records(arrived)
            hidden = {*self._recent.paths, *self._arrivals.paths, *self._unwritten}
            return Hits(self._table, self._coverage, recent, hidden, len(self._unwritten), arrived, records)

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """The lines of those chunks of `ids` that this process wrote; also of those that are compacted meanwhile."""
        with self._lock:
            parts = (self._retired, self._retired_arrivals, self._recent, self._arrivals)
            return {key: text for part in parts for key, text in part.texts(ids).items()}

    def take_in(self, rows: Sequence[Row], paths: Collection[str]) -> None:
        """Find `rows`, which are about to be written in the place of those of `paths`."""
        with self._lock:
            self._recent.remove(paths)
            self._arrivals.remove(paths)
            self._unwritten.difference_update(paths)
            if self._coverage.words and len(self._recent) + len(rows) <= RECENT_ROWS_MAX:
                self._recent.add(rows)
            elif rows:
                self._forget()

    def show(self, paths: Collection[str], arrived: Arrived | None) -> bool:
        """Find what another process is about to write in the place of all rows of `paths`; whether there is room.

        Where there is none, searches look in the table for it from now on.
        """
        with self._lock:
            if not self._coverage.words or not self._has_room(arrived):
                self._coverage = NOTHING_COVERED
                return False
            self._recent.remove(paths)
            self._arrivals.remove(paths)
            if arrived:
                self._arrivals.add(arrived)
            self._unwritten.update(paths)
            return True

    def adopt(self, table: "lancedb.AsyncTable", paths: Collection[str], *, has_rows: bool) -> None:
        """Ask `table`, where another process has written all rows of `paths`; whether it `has_rows` of them now.

        Those that were not shown before are looked for in the table, which is slower.
        """
        with self._lock:
            self._table = table
            is_shown = bool(paths) and self._unwritten.issuperset(paths)
            self._unwritten.difference_update(paths)
            if not is_shown:
                self._recent.remove(paths)
                self._arrivals.remove(paths)
                if has_rows:
                    self._forget()

    def forget(self) -> None:
        """Search the table alone, all of it."""
        with self._lock:
            self._forget()

    def replace(self, table: "lancedb.AsyncTable", coverage: Coverage | None = None) -> None:
        """Ask `table`, opened anew; with its `coverage` where its indexes were renewed, and hold all rows."""
        with self._lock:
            self._table = table
            if coverage is not None:
                self._coverage = coverage
                self._retired, self._recent = self._recent, Recent()
                if not self._unwritten:
                    self._retired_arrivals, self._arrivals = self._arrivals.texts_alone(), Arrivals()

    def _has_room(self, arrived: Arrived | None) -> bool:
        return len(self._arrivals) + sum(arrived.rows_of if arrived else ()) <= ARRIVED_ROWS_MAX

    def _forget(self) -> None:
        self._recent, self._coverage = Recent(), NOTHING_COVERED
        if not self._unwritten:
            self._arrivals = Arrivals()
