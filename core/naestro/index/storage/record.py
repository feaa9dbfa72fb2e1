"""What ranking needs of a chunk, packed: as it lies in the file of records, and as a candidate.

`records` keeps them, `store` makes candidates of them. The terms are most of a record. LZ4 leaves 0.4 of them and takes
2 µs to undo; zstd would leave 0.27, but takes 17 µs, since each call makes its tables anew.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import convert

from naestro.index.storage.schema import Candidate, names_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

COLUMNS: Final = ["path", "start", "end", "language", "symbol", "kind"]
"""Of the table, that stand in a record as they are; besides `names`, `prepared` and, where there is one, `vector`."""


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk as ranking sees it."""

    path: str
    start: int
    end: int
    language: str
    symbol: str
    kind: str
    names: tuple[str, ...]
    terms_size: int
    """Bytes of `terms` when they are whole."""
    terms: bytes
    """`prepared` as UTF-8, compressed."""
    vector: bytes
    """float16; empty where the chunk has none."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


@cache
def _codec() -> "pa.Codec":
    import pyarrow as pa

    return pa.Codec("lz4_raw")


def numbered(table: "pa.Table") -> "Iterator[tuple[int, bytes]]":
    """The record of each row of a `table` of `COLUMNS`, with the row's number, out of `_rowid`."""
    facts = zip(*[table[name].to_pylist() for name in COLUMNS], strict=True)
    terms = map(str, table["prepared"].to_pylist())
    names = map(str, table["names"].to_pylist())
    keys = convert(table["_rowid"].to_pylist(), list[int])
    packed = _codec().compress
    for key, vector, own, words, held in zip(keys, _vectors_in(table), facts, terms, names, strict=True):
        whole = words.encode()
        body = (*own, names_of(held), len(whole), packed(whole, asbytes=True), vector)
        yield key, _ENCODER.encode(body)


def _vectors_in(table: "pa.Table") -> "Iterator[bytes]":
    """The vector of each row as float16, empty for none."""
    import numpy as np
    import pyarrow as pa

    column = table["vector"].combine_chunks() if "vector" in table.column_names else None
    if not isinstance(column, pa.FixedSizeListArray) or not len(table):
        yield from [b""] * len(table)
        return
    there = np.asarray(column.is_valid()).tolist()
    held = iter(np.asarray(column.flatten()).astype(np.float16).reshape(max(1, sum(there)), -1))
    for is_there in there:
        yield next(held).tobytes() if is_there else b""


def decoded(
    ids: Sequence[int], records: Sequence[bytes], words: Sequence[float], question: "np.ndarray | None"
) -> "list[Candidate]":
    """The candidates of `records`, with the scores by `words` and with their cosines to the vector `question`.

    Raises ValueError for bytes that are no record.
    """
    made = [_DECODER.decode(record) for record in records]
    vectors, cosines = _meant(made, question)
    undo = _codec().decompress
    return [
        Candidate(
            key,
            one.path,
            one.start,
            one.end,
            one.language,
            one.symbol,
            one.kind,
            one.names,
            undo(one.terms, one.terms_size, asbytes=True).decode(),
            vector,
            score,
            cosine,
        )
        for key, one, vector, score, cosine in zip(ids, made, vectors, words, cosines, strict=True)
    ]


def _meant(
    records: Sequence[Record], question: "np.ndarray | None"
) -> "tuple[Sequence[np.ndarray | None], Sequence[float]]":
    """The vector of each record, and its cosine to `question`: 0 where one of both has none."""
    import numpy as np

    held = [at for at, record in enumerate(records) if record.vector]
    vectors: list[np.ndarray | None] = [None] * len(records)
    cosines = [0.0] * len(records)
    if not held:
        return vectors, cosines
    halves = np.frombuffer(b"".join([records[at].vector for at in held]), np.float16)
    matrix = halves.reshape(len(held), -1).astype(np.float32)
    for at, vector in zip(held, matrix, strict=True):
        vectors[at] = vector
    if question is not None:
        for at, cosine in zip(held, (matrix @ question).tolist(), strict=True):
            cosines[at] = cosine
    return vectors, cosines
