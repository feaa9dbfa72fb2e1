"""Rows as the columns of a table.

`store` lies above, `schema` below.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from naestro.index.storage.schema import SEPARATOR, Pins, Row, sayable, schema_of

if TYPE_CHECKING:
    import pyarrow as pa


def tabled(rows: Sequence[Row], pins: Pins) -> "tuple[Sequence[Row], pa.Table]":
    """`rows` as a table, and as they are in it: what no encoding can say stands there as an escape."""
    try:
        return rows, table_of(rows, schema_of(pins), pins.dimension)
    except UnicodeEncodeError:
        rows = [*map(sayable_row, rows)]
        return rows, table_of(rows, schema_of(pins), pins.dimension)


def table_of(rows: Sequence[Row], schema: "pa.Schema", dimension: int) -> "pa.Table":
    """`rows` as columns of `schema`."""
    import pyarrow as pa

    chunks = [row.chunk for row in rows]
    columns: dict[str, object] = {
        "path": [chunk.path for chunk in chunks],
        "start": [chunk.start for chunk in chunks],
        "end": [chunk.end for chunk in chunks],
        "language": [chunk.language for chunk in chunks],
        "kind": [chunk.kind for chunk in chunks],
        "symbol": [chunk.symbol for chunk in chunks],
        "names": [SEPARATOR.join(chunk.names) for chunk in chunks],
        "scope": [chunk.scope for chunk in chunks],
        "hash": [row.hash for row in rows],
        "prepared": [row.prepared for row in rows],
        "text": [chunk.text for chunk in chunks],
    }
    if dimension:
        columns["vector"] = _vectors(rows, dimension)
    return pa.table(columns, schema=schema)


def sayable_row(row: Row) -> Row:
    """`row` with what no encoding can say (a lone surrogate in a path) as escapes."""
    chunk = row.chunk
    said = replace(
        chunk,
        path=sayable(chunk.path),
        text=sayable(chunk.text),
        symbol=sayable(chunk.symbol),
        names=[*map(sayable, chunk.names)],
        scope=sayable(chunk.scope),
    )
    return Row(said, sayable(row.prepared), row.vector, row.hash)


def _vectors(rows: Sequence[Row], dimension: int) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    given = [row.vector for row in rows]
    nothing = np.zeros(dimension, np.float32)
    flat = (
        np.concatenate([nothing if vector is None else vector for vector in given]) if given else nothing[:0]
    )
    mask = pa.array([vector is None for vector in given], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), dimension, mask=mask)
