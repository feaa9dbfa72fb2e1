"""The chunks of one workspace in a LanceDB table: written by one process, searched by many, by words and by vectors.

`workspace_index` and `search` lie above, `lance` and `schema` below. The store knows no file and no grammar: it takes
rows, and gives those that may answer a question, which `rank` puts in order. All calls block and may come from any
thread; one writer holds the folder's lock (`workspace_index`).
"""

import shutil
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from naestro.errors import IndexUnavailable
from naestro.index import lance
from naestro.index.parsed import Chunk
from naestro.index.schema import (
    CANDIDATE_COLUMNS,
    CHUNK_COLUMNS,
    Candidate,
    Pins,
    Row,
    chunks_of_table,
    names_of,
    schema_of,
    table_of,
)
from naestro.index.statistics import Statistics, TermCounts

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa

_TABLE: Final = "chunks"
_PATHS_AT_ONCE: Final = 500
"""In one filter: a longer one takes longer to parse than to run."""
_UPDATES_UNTIL_COMPACTION: Final = 20
_KEPT_VERSION_S: Final = 60
"""A version lives this long for readers in other processes that are in the midst of it."""


def erase(folder: Path) -> None:
    """Take away what a store has in `folder`, damaged or not."""
    shutil.rmtree(folder / f"{_TABLE}.lance", ignore_errors=True)
    (folder / "statistics.npz").unlink(missing_ok=True)


class Store:
    """The chunks of a workspace. `open` makes one; `close` it."""

    def __init__(self, folder: Path, table: "lancedb.Table", pins: Pins, *, is_writer: bool) -> None:
        self.folder = folder
        self.pins = pins
        self.is_writer = is_writer
        self.rebuild_reason = pins.trouble(table.schema.metadata)
        """Why this index must be made anew (another embedder, …), as a sentence; empty where it serves."""
        self._table = table
        self._writing = threading.Lock()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="naestro-vectors")
        self._updates = 0
        self._added: list[TermCounts] = []
        self._statistics = Statistics.load(folder)

    @classmethod
    def open(cls, folder: Path, embedder: str, dimension: int, *, is_writer: bool) -> "Store":
        """The store in `folder`; a writer makes an empty one where none is.

        Raises `IndexDamaged` where what lies there cannot be read (`erase` it), `IndexUnavailable` where there is no
        room, no right, or, for a reader, nothing yet.
        """
        pins = Pins(embedder, dimension)
        with lance.faults("Opening the index"):
            database = lance.connect(folder)
            if (folder / f"{_TABLE}.lance").exists():
                return cls(folder, database.open_table(_TABLE), pins, is_writer=is_writer)
            if not is_writer:
                raise IndexUnavailable("This folder has no index yet.")
            table = database.create_table(_TABLE, schema=schema_of(pins))
            _index_columns(table)
        return cls(folder, table, pins, is_writer=is_writer)

    @property
    def needs_rebuild(self) -> bool:
        """Whether the table was made with another embedder or layout; `erase` and `open` then, and say the reason."""
        return bool(self.rebuild_reason)

    @property
    def needs_compaction(self) -> bool:
        """Whether enough was written since the last `compact` to make searches slower."""
        return self._updates >= _UPDATES_UNTIL_COMPACTION

    @property
    def count(self) -> int:
        """How many chunks are there."""
        with lance.faults("Counting the index"):
            return self._table.count_rows()

    @property
    def size_bytes(self) -> int:
        """On the disk, old versions included."""
        files = (self.folder / f"{_TABLE}.lance").rglob("*")
        return sum(_size_of(file) for file in files)

    @property
    def statistics(self) -> Statistics:
        """Counts over all chunks as of the last `compact`, for now those of what was added since."""
        if self._statistics is None:
            self._statistics = Statistics(TermCounts.sum(self._added))
        return self._statistics

    def replace(self, rows: Sequence[Row], gone_paths: Collection[str] = (), counts: TermCounts | None = None) -> None:
        """Put `rows` in the place of all chunks of their files, and take away those of `gone_paths`.

        `counts` are those of `rows`, where the caller has them already.
        """
        changed = {row.chunk.path for row in rows}.union(gone_paths)
        with self._writing, lance.faults("Writing the index"):
            for paths in _batches(sorted(changed)):
                self._table.delete(f"path IN ({_listed(paths)})")
            if rows:
                self._table.add(table_of(rows, schema_of(self.pins), self.pins.dimension))
            self._added.append(counts or TermCounts.of(row.prepared for row in rows))
            self._updates += 1

    def candidates(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int = 200,
        without_paths: Collection[str] = (),
    ) -> list[Candidate]:
        """Chunks that may answer: the `limit` best by words, with the `limit // 2` nearest by vector.

        None of `without_paths` is among them. In no order that counts.
        """
        with lance.faults("Searching the index"):
            nearest = self._beside.submit(self._nearest, vector, limit // 2, without_paths)
            by_words = self._by_words(terms, limit, without_paths)
            by_vector = nearest.result()
        found = {candidate.id: candidate for candidate in _candidates(by_vector, vector)}
        found |= {candidate.id: candidate for candidate in _candidates(by_words, vector)}
        return list(found.values())

    def chunks_of(self, path: str) -> list[Chunk]:
        """The chunks of a file, in order; none where it is not in the index."""
        with lance.faults("Reading the index"):
            return chunks_of_table(self._where(f"path = {lance.quoted(path)}", CHUNK_COLUMNS))

    def texts(self, ids: Sequence[int]) -> Mapping[int, str]:
        """The lines of the chunks `ids`; one that is gone meanwhile is left out."""
        if not ids:
            return {}
        with lance.faults("Reading the index"):
            table = self._where(f"id IN ({', '.join(map(str, ids))})", ["id", "text"])
        return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))

    def compact(self) -> None:
        """Take new rows into the indexes, join small files, drop old versions, count terms anew; takes seconds."""
        from datetime import timedelta

        with self._writing, lance.faults("Compacting the index"):
            self._table.optimize(cleanup_older_than=timedelta(seconds=_KEPT_VERSION_S), delete_unverified=True)
            self._statistics = Statistics(TermCounts.of(self._prepared()))
            self._statistics.save(self.folder)
            self._added.clear()
            self._updates = 0

    def close(self) -> None:
        """Let go of threads and files."""
        self._beside.shutdown()

    def _prepared(self) -> Iterator[str]:
        for batch in self._table.search().select(["prepared"]).to_batches():
            yield from batch["prepared"].to_pylist()

    def _where(self, condition: str, columns: list[str]) -> "pa.Table":
        return self._table.search().where(condition).select(columns).to_arrow()

    def _columns(self, score: str) -> list[str]:
        return [*CANDIDATE_COLUMNS, *(["vector"] if self.pins.dimension else []), score]

    def _by_words(self, terms: Sequence[str], limit: int, without_paths: Collection[str]) -> "pa.Table | None":
        from lancedb.query import MatchQuery

        if not terms:
            return None
        question = MatchQuery(" ".join(terms), "prepared")
        search = self._table.search(question, query_type="fts").select(self._columns("_score")).limit(limit)
        if without_paths:
            search = search.where(f"path NOT IN ({_listed(without_paths)})")
        return search.to_arrow()

    def _nearest(
        self, vector: "np.ndarray | None", limit: int, without_paths: Collection[str]
    ) -> "pa.Table | None":
        if vector is None or not self.pins.dimension:
            return None
        search = self._table.search(vector).distance_type("dot").select(self._columns("_distance")).limit(limit)
        if without_paths:
            search = search.where(f"path NOT IN ({_listed(without_paths)})")
        return search.to_arrow()


def _index_columns(table: "lancedb.Table") -> None:
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
    table.create_index("prepared", config=words)
    table.create_index("path", config=BTree())


def _candidates(table: "pa.Table | None", vector: "np.ndarray | None") -> Iterator[Candidate]:
    if table is None or not len(table):
        return
    import numpy as np

    vectors = _matrix(table)
    cosines = np.zeros(len(table)) if vectors is None or vector is None else vectors @ vector
    words = table["_score"].to_pylist() if "_score" in table.column_names else [0.0] * len(table)
    columns = [table[name].to_pylist() for name in CANDIDATE_COLUMNS]
    for at, values in enumerate(zip(*columns, strict=True)):
        id, path, start, end, language, kind, symbol, names, prepared = values
        own = None if vectors is None else vectors[at]
        yield Candidate(
            id, path, start, end, language, symbol, kind, tuple(names_of(names)), prepared, own,
            words[at], float(cosines[at]),
        )


def _matrix(table: "pa.Table") -> "np.ndarray | None":
    if "vector" not in table.column_names:
        return None
    column = table["vector"].combine_chunks()
    dimension = column.type.list_size
    return column.values.to_numpy().reshape(-1, dimension)[column.offset : column.offset + len(column)]


def _listed(texts: Collection[str]) -> str:
    return ", ".join(map(lance.quoted, texts))


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _PATHS_AT_ONCE):
        yield paths[start : start + _PATHS_AT_ONCE]


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0
