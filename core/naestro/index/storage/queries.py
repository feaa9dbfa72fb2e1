"""What is asked of the table: by words and by vector side by side, and rows by their numbers.

`store` lies above, `lance` beside. Rows are known by the numbers that LanceDB gives them, which last while the row
does (stable row ids), so that what one question found the next can read, whatever is compacted between.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from msgspec import convert

from naestro.index.storage import record
from naestro.index.storage.filters import of_paths
from naestro.index.storage.indexes import NOTHING_COVERED, Coverage
from naestro.index.storage.schema import sayable

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa

_T = TypeVar("_T")

PROBES: Final = 16
"""Partitions of the vectors' index that are looked at: all of them up to 130,000 chunks (`indexes`)."""
_MASKED_MARGIN: Final = 20
"""Rows asked for more for each file that is left out: about what a file has of them."""
_MARGIN_MAX: Final = 200
_HIDDEN_MAX: Final = 500
"""Files in one filter: a longer one takes longer to read than to run."""
_ROWS_AT_ONCE: Final = 2_000
"""That are in memory while all are read: 6 MB."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks of the table."""

    terms: Sequence[str]
    vector: "np.ndarray | None"
    limit: int
    """Rows by words; half as many by vector."""
    masked: int = 0
    """Files whose rows will not count."""
    coverage: Coverage = NOTHING_COVERED
    arrived: Mapping[int, float] = field(default_factory=dict[int, float])
    """Rows outside the indexes that are known already, with their BM25."""
    where: str = ""
    """A filter that rows must pass before they are ranked; empty for none."""
    hidden: Collection[str] = ()
    """Files whose rows are known already; a search that looks at all rows, not at an index, leaves theirs out."""

    def margin(self) -> int:
        """Rows to ask for beyond the limit, in the place of masked ones."""
        return min(self.masked * _MASKED_MARGIN, _MARGIN_MAX)


async def search(table: "lancedb.AsyncTable", asked: Asked) -> dict[int, float]:
    """The rows that may answer, those of masked paths among them still, each with its BM25.

    That is 0 where only its vector was found.
    """
    scores: dict[int, float] = {}
    nearest: list[int] = []

    async def by_words() -> None:
        scores.update(await _by_words(table, asked))

    async def by_vector() -> None:
        nearest.extend(await _nearest(table, asked))

    async with anyio.create_task_group() as both:
        both.start_soon(by_words)
        both.start_soon(by_vector)
    return dict.fromkeys(nearest, 0.0) | scores | dict(asked.arrived)


async def record_rows(table: "lancedb.AsyncTable", ids: Sequence[int]) -> "pa.Table":
    """The columns of records, of the rows `ids` that are still there, with their numbers in `_rowid`."""
    return await table.take_row_ids([*ids]).select(await _record_columns(table)).with_row_id().to_arrow()


async def all_record_rows(table: "lancedb.AsyncTable") -> "AsyncIterator[pa.Table]":
    """The same of all rows with their `text`, piece by piece."""
    import pyarrow as pa

    query = table.query().select([*await _record_columns(table), "text"]).with_row_id()
    async for batch in await query.to_batches(max_batch_length=_ROWS_AT_ONCE):
        yield pa.Table.from_batches([batch])


async def _record_columns(table: "lancedb.AsyncTable") -> list[str]:
    has_vectors = "vector" in (await table.schema()).names
    return [*record.COLUMNS, "names", "prepared", *(["vector"] if has_vectors else [])]


async def texts(table: "lancedb.AsyncTable", ids: Sequence[int]) -> dict[int, str]:
    """The lines of the rows `ids` that are still there."""
    return await _take(table, ids, "text", str)


async def rows_of(table: "lancedb.AsyncTable", paths: Collection[str], columns: list[str]) -> "pa.Table":
    """The rows of some files."""
    return await table.query().where(of_paths(paths)).select(columns).to_arrow()


async def _by_words(table: "lancedb.AsyncTable", asked: Asked) -> dict[int, float]:
    from lancedb.query import MatchQuery

    terms = " ".join(sayable(term) for term in asked.terms)
    if not terms:
        return {}
    query = table.query().nearest_to_text(MatchQuery(terms, "prepared")).select(["_score"]).with_row_id()
    query = query.limit(asked.limit + asked.margin())
    query = query.fast_search() if asked.coverage.words else query
    query = query.where(asked.where) if asked.where else query
    return _column(await query.to_arrow(), "_score", float)


async def _nearest(table: "lancedb.AsyncTable", asked: Asked) -> list[int]:
    if asked.vector is None:
        return []
    query = table.query().nearest_to(asked.vector).distance_type("dot").nprobes(PROBES)
    query = query.select(["_distance"]).with_row_id().limit((asked.limit + asked.margin()) // 2)
    query = query.fast_search() if asked.coverage.vectors else query
    is_left_out = not asked.coverage.vectors and 0 < len(asked.hidden) <= _HIDDEN_MAX
    others = f"NOT {of_paths(asked.hidden)}" if is_left_out else ""
    where = " AND ".join(filter(None, (asked.where, others)))
    query = query.where(where) if where else query
    return [*_column(await query.to_arrow(), "_distance", float)]


async def _take(
    table: "lancedb.AsyncTable", ids: Sequence[int], column: str, kind: type[_T]
) -> dict[int, _T]:
    if not ids:
        return {}
    query = table.take_row_ids([*ids]).select([column]).with_row_id()
    return _column(await query.to_arrow(), column, kind)


def _column(found: "pa.Table", name: str, kind: type[_T]) -> dict[int, _T]:
    """A column by the numbers of its rows; raises ValueError where it holds anything but `kind`."""
    return convert(
        dict(zip(found["_rowid"].to_pylist(), found[name].to_pylist(), strict=True)), dict[int, kind]
    )
