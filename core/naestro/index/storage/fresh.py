"""Rows that no index of the table holds yet, searched in memory together with the table that they belong to.

`store` lies above. What this process writes is `recent`, what its indexer writes are `arrivals`. Both change in one
moment with the open table, so that a search finds a file as it was or as it is, never neither.
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
    """Files that `recent` holds: what the table's indexes say of them is old."""
    arrived: Mapping[int, float]
    """Numbers of rows to read, with their BM25."""


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

    def __len__(self) -> int:
        """Rows in memory."""
        return len(self._recent) + len(self._arrivals)

    @property
    def table(self) -> "lancedb.AsyncTable":
        """The table as it is asked and written to now."""
        return self._table

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
            return Hits(self._table, self._coverage, recent, {*self._recent.paths}, arrived)

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """The lines of those chunks of `ids` that this process wrote; also of those that are compacted meanwhile."""
        with self._lock:
            return self._retired.texts(ids) | self._recent.texts(ids)

    def records(self, ids: Sequence[int]) -> dict[int, bytes]:
        """What ranking needs of those rows of `ids` that another process wrote."""
        with self._lock:
            return self._arrivals.records(ids)

    def take_in(self, rows: Sequence[Row], paths: Collection[str]) -> None:
        """Find `rows`, which are about to be written in the place of those of `paths`."""
        with self._lock:
            self._recent.remove(paths)
            self._arrivals.remove(paths)
            if self._coverage.words and len(self._recent) + len(rows) <= RECENT_ROWS_MAX:
                self._recent.add(rows)
            elif rows:
                self._forget()

    def adopt(
        self, table: "lancedb.AsyncTable", paths: Collection[str], arrived: Arrived | None, *, has_rows: bool
    ) -> None:
        """Find what another process has put into `table` in the place of all rows of `paths`."""
        with self._lock:
            self._table = table
            self._recent.remove(paths)
            self._arrivals.remove(paths)
            if arrived and self._coverage.words and self._has_room(arrived):
                self._arrivals.add(arrived)
            elif has_rows:
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
                self._retired, self._recent, self._arrivals = self._recent, Recent(), Arrivals()

    def _has_room(self, arrived: Arrived) -> bool:
        return len(self._arrivals) + sum(arrived.rows_of) <= ARRIVED_ROWS_MAX

    def _forget(self) -> None:
        self._recent, self._arrivals, self._coverage = Recent(), Arrivals(), NOTHING_COVERED
