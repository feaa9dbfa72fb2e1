"""The indexes of the table: full text, vectors, paths. When they are made, and how large a table asks for which.

`store` lies above. Making them reads the whole table; `compact` of the store says when.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import lancedb

_WORDS: Final = "prepared_idx"
_VECTORS: Final = "vector_idx"
_VECTORS_FROM_ROWS: Final = 4_096
"""Fewer are looked at one by one within 3 ms."""
_EXACT_UP_TO_ROWS: Final = 65_536
"""Vectors are kept whole up to here (64 MB of 256 numbers each); beyond as a byte a number: slower, far smaller."""
_ROWS_OF_PARTITION: Final = 8_192


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which searches need not look at rows outside the indexes: there are none, or they are looked for elsewhere."""

    words: bool = False
    vectors: bool = False


NOTHING_COVERED: Final = Coverage()


async def begin(table: "lancedb.AsyncTable") -> None:
    """Give an empty table what it needs to be searched."""
    from lancedb.index import FTS, BTree

    words = FTS(
        with_position=False,
        base_tokenizer="whitespace",
        stem=False,
        lower_case=False,
        remove_stop_words=False,
        ascii_folding=False,
        max_token_length=None,
    )
    await table.create_index("prepared", config=words)
    await table.create_index("path", config=BTree())


async def renew(table: "lancedb.AsyncTable", *, has_vectors: bool, kept_s: float) -> Coverage:
    """Take all rows into the indexes, join small files, drop versions older than `kept_s`.

    What a killed process left half-written goes, too: there is one writer, and it is here.
    """
    kept = timedelta(seconds=kept_s)
    await table.optimize(cleanup_older_than=kept, delete_unverified=True)
    if has_vectors and await _renew_vectors(table):
        await table.optimize(cleanup_older_than=kept, delete_unverified=True)
    return await coverage(table)


async def coverage(table: "lancedb.AsyncTable") -> Coverage:
    """What the indexes of `table` hold now."""
    words, vectors = [await table.index_stats(name) for name in (_WORDS, _VECTORS)]
    return Coverage(
        words=words is not None and not words.num_unindexed_rows,
        vectors=vectors is not None and not vectors.num_unindexed_rows,
    )


async def _renew_vectors(table: "lancedb.AsyncTable") -> bool:
    """Make the vectors' index where it does not fit the number of rows; whether that was so."""
    from lancedb.index import IvfFlat, IvfSq

    rows = await table.count_rows()
    found = await table.index_stats(_VECTORS)
    kind = IvfFlat if rows <= _EXACT_UP_TO_ROWS else IvfSq
    if rows < _VECTORS_FROM_ROWS or (found and _is_fit(found.index_type, kind.__name__)):
        return False
    partitions = max(1, rows // _ROWS_OF_PARTITION)
    await table.create_index(
        "vector", config=kind(distance_type="dot", num_partitions=partitions), replace=True
    )
    return True


def _is_fit(found: str, wanted: str) -> bool:
    return found.replace("_", "").lower() == wanted.lower()
