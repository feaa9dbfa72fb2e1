"""What ranking needs of a chunk, packed: as it lies in the file of records, and as a candidate.

`records` keeps them, `store` makes candidates of them. A chunk's lines lie beside its record, compressed: LZ4 leaves
half of them and takes 2 µs to undo; zstd would leave a third, but takes 17 µs, since each call makes its tables anew.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import convert

from naestro.index.storage.schema import Candidate, Row, names_of
from naestro.index.text.chunk_terms import ChunkTerms, packed

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
    terms: ChunkTerms
    vector: bytes
    """float16; empty where the chunk has none."""


_SIZE = struct.Struct("<I")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


@cache
def _codec() -> "pa.Codec":
    import pyarrow as pa

    return pa.Codec("lz4_raw")


def numbered(table: "pa.Table") -> "Iterator[tuple[int, bytes]]":
    """The record of each row of a `table` of `COLUMNS`, with the row's number, out of `_rowid`."""
    facts = zip(*[table[name].to_pylist() for name in COLUMNS], strict=True)
    names = [names_of(str(column)) for column in table["names"].to_pylist()]
    terms = packed([*map(str, table["prepared"].to_pylist())], names, [*map(str, table["path"].to_pylist())])
    keys = convert(table["_rowid"].to_pylist(), list[int])
    for key, vector, own, held, said in zip(keys, _vectors_in(table), facts, names, terms, strict=True):
        yield key, _ENCODER.encode((*own, held, said, vector))


def with_lines(table: "pa.Table") -> "Iterator[tuple[int, bytes, bytes]]":
    """The same of a table that has the column `text` too, with each row's lines as `lines_in` reads them."""
    for (key, record), text in zip(numbered(table), table["text"].to_pylist(), strict=True):
        yield key, record, lines_of(str(text))


def lines_of(text: str) -> bytes:
    """The lines of a chunk as `lines_in` reads them."""
    whole = text.encode()
    return _SIZE.pack(len(whole)) + _codec().compress(whole, asbytes=True)


def lines_in(held: bytes) -> str:
    """The lines that `with_lines` packed."""
    (size,) = _SIZE.unpack_from(held)
    return _codec().decompress(held[_SIZE.size :], size, asbytes=True).decode()


def of_rows(rows: Sequence[Row], vectors: Sequence[bytes]) -> list[bytes]:
    """The records of rows that are in no table yet; `vectors` are theirs as float16, empty for none."""
    chunks = [row.chunk for row in rows]
    terms = packed(
        [row.prepared for row in rows], [one.names for one in chunks], [one.path for one in chunks]
    )
    return [
        _ENCODER.encode(
            (one.path, one.start, one.end, one.language, one.symbol, one.kind, one.names, said, vector)
        )
        for one, said, vector in zip(chunks, terms, vectors, strict=True)
    ]


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
            one.terms,
            score,
            cosine,
        )
        for key, one, score, cosine in zip(ids, made, words, _cosines(made, question), strict=True)
    ]


def _cosines(records: Sequence[Record], question: "np.ndarray | None") -> Sequence[float]:
    """The cosine of each record to `question`: 0 where one of both has no vector."""
    import numpy as np

    cosines = [0.0] * len(records)
    held = [at for at, record in enumerate(records) if record.vector]
    if question is None or not held:
        return cosines
    halves = np.frombuffer(b"".join([records[at].vector for at in held]), np.float16)
    matrix = halves.reshape(len(held), -1).astype(np.float32)
    for at, cosine in zip(held, (matrix @ question).tolist(), strict=True):
        cosines[at] = cosine
    return cosines
