"""What the store keeps of a chunk, and how that lies in a table.

`store` lies above, `lance` beside. The pins in the table's own metadata say what it was made with: another embedder,
dimension or layout is another index.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import convert

from naestro.index.parsing.parsed import Chunk
from naestro.index.text.chunk_terms import ChunkTerms

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LAYOUT: Final = "2"
"""Raised with each change of the columns or of what stands in them."""
CHUNK_COLUMNS: Final = ["path", "start", "end", "language", "kind", "symbol", "names", "scope", "text"]
SEPARATOR: Final = "\n"
_COMPRESSED: Final = {"lance-encoding:compression": "zstd"}
"""Of the long columns, of which a search reads ten values at most: 16 MB instead of 29 for 22,000 chunks."""


@dataclass(frozen=True, slots=True)
class Row:
    """A chunk as it is written."""

    chunk: Chunk
    prepared: str
    """The terms that it is found by, with whitespace between."""
    vector: "np.ndarray | None"
    """(dimension,) float32, unit length; None where the index has no embedder, or none yet for this chunk."""
    hash: str
    """Of the text that was embedded; see `vectors`."""


class Candidate(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A chunk that may answer a question."""

    id: int
    """For `Store.texts`; stays the same while the chunk does."""
    path: str
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    language: str
    symbol: str
    kind: str
    names: tuple[str, ...]
    terms: ChunkTerms
    fts_score: float
    """BM25 as LanceDB computes it, at least 0; 0 where full text did not bring it."""
    vector_score: float
    """Cosine with the question's vector, from -1 to 1, also where full text brought it; 0 where one has no vector."""

    @classmethod
    def unscored(cls, key: int, chunk: Chunk, terms: ChunkTerms) -> "Candidate":
        """`chunk` before anything was asked, as number `key`."""
        return cls(
            key,
            chunk.path,
            chunk.start,
            chunk.end,
            chunk.language,
            chunk.symbol,
            chunk.kind,
            tuple(chunk.names),
            terms,
            0.0,
            0.0,
        )


@dataclass(frozen=True, slots=True)
class Pins:
    """What an index was made with."""

    embedder: str
    dimension: int
    """0: no vectors."""
    layout: str = LAYOUT

    def metadata(self) -> dict[str, str]:
        """As the table keeps it."""
        return {"embedder": self.embedder, "dimension": str(self.dimension), "layout": self.layout}

    def trouble(self, metadata: Mapping[bytes, bytes] | None) -> str:
        """Why a table with this `metadata` cannot serve, as a sentence; empty where it can."""
        found = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
        if found.get("layout") != self.layout:
            return "The index was made by another version of Naestro."
        if (found.get("embedder"), found.get("dimension")) != (self.embedder, str(self.dimension)):
            return f"The index was made with the embedder {found.get('embedder')}, not with {self.embedder}."
        return ""


def id_of(path: str, start: int, end: int) -> int:
    """A number for a chunk that is in no table: 63 bits, larger than any row's there."""
    digest = blake2b(f"{start}:{end}:{path}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def schema_of(pins: Pins, name: str = "") -> "pa.Schema":
    """The columns of a table with these `pins`, which is made with a `name` of its own."""
    import pyarrow as pa

    text = pa.string()
    fields = [
        pa.field("path", text),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        *(pa.field(name, text) for name in ("language", "kind", "symbol", "names", "scope", "hash")),
        pa.field("prepared", text, metadata=_COMPRESSED),
        pa.field("text", text, metadata=_COMPRESSED),
    ]
    if pins.dimension:
        fields.append(pa.field("vector", pa.list_(pa.float32(), pins.dimension)))
    return pa.schema(fields, metadata={**pins.metadata(), "name": name})


def sayable(text: str) -> str:
    """`text` with each lone surrogate as an escape."""
    return text.encode(errors="backslashreplace").decode()


def names_of(column: str) -> list[str]:
    """The bare names of a chunk, out of their column."""
    return column.split(SEPARATOR) if column else []


def chunks_of_table(table: "pa.Table") -> list[Chunk]:
    """The chunks that a `table` of `CHUNK_COLUMNS` holds, in the order of their lines."""
    rows = [{**row, "names": names_of(str(row["names"]))} for row in table.to_pylist()]
    return sorted(convert(rows, list[Chunk]), key=lambda chunk: (chunk.path, chunk.start, chunk.end))
