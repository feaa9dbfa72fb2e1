"""What ranking needs of a chunk, packed into one column: a search reads hundreds of rows, and each column costs it.

Measured over 280 rows of 36,000: eight columns 12 ms, one 5 ms. The same is in the table's own columns, for people and
for whatever asks by column. `store` reads records, `columns` writes them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from naestro.index.schema import Candidate, Row

if TYPE_CHECKING:
    import numpy as np


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk as ranking sees it."""

    path: str
    start: int
    end: int
    language: str
    symbol: str
    kind: str
    names: tuple[str, ...]
    prepared: str
    vector: bytes
    """float16; empty where the chunk has none."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


def encoded(row: "Row") -> bytes:
    """`row` as its record's bytes."""
    import numpy as np

    chunk = row.chunk
    vector = b"" if row.vector is None else row.vector.astype(np.float16).tobytes()
    record = Record(
        chunk.path,
        chunk.start,
        chunk.end,
        chunk.language,
        chunk.symbol,
        chunk.kind,
        tuple(chunk.names),
        row.prepared,
        vector,
    )
    return _ENCODER.encode(record)


def decoded(
    ids: Sequence[int], records: Sequence[bytes], words: Sequence[float], question: "np.ndarray | None"
) -> "list[Candidate]":
    """The candidates of `records`, with the scores by `words` and with their cosines to the vector `question`.

    Raises ValueError for bytes that are no record.
    """
    made = [_DECODER.decode(record) for record in records]
    vectors = _vectors_of(made)
    cosines = [0.0 if vector is None or question is None else float(vector @ question) for vector in vectors]
    return [
        Candidate(
            id=key,
            path=record.path,
            start=record.start,
            end=record.end,
            language=record.language,
            symbol=record.symbol,
            kind=record.kind,
            names=record.names,
            prepared=record.prepared,
            vector=vector,
            fts_score=score,
            vector_score=cosine,
        )
        for key, record, vector, score, cosine in zip(ids, made, vectors, words, cosines, strict=True)
    ]


def _vectors_of(records: Sequence[Record]) -> "list[np.ndarray | None]":
    import numpy as np

    held = [record.vector for record in records if record.vector]
    if not held:
        return [None] * len(records)
    rows = iter(np.frombuffer(b"".join(held), np.float16).reshape(len(held), -1).astype(np.float32))
    return [next(rows) if record.vector else None for record in records]
