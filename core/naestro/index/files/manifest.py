"""The manifest: which files an index holds, as they were when they were read, and the names in them.

One SQLite file beside the table of chunks. A file stands in it only after its chunks can be found in the table, and
what a run is about to write is noted before (`begin`), so that a killed run leaves nothing that nobody knows of.
`indexing` and `late_vectors` write it; `difference`, `lookup`, `map` and the status read it, from any thread. It knows
neither grammar nor table.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from naestro.index.files.manifest_file import ManifestFile, Row
from naestro.index.files.manifest_names import Names
from naestro.index.files.walk import Stamp
from naestro.index.parsing.parsed import Definition, Import
from naestro.types import Value

_RECORDS = (
    "SELECT path, size, mtime, ctime, inode, is_settled, hash, language, chunks, skipped, lacks FROM files"
)
_COUNTS = """
SELECT COALESCE(SUM(skipped = ''), 0), COALESCE(SUM(chunks), 0), COALESCE(SUM(skipped != ''), 0) FROM files
"""

_encoder = msgspec.msgpack.Encoder()


class FileRecord(Value, frozen=True):
    """A file as the index holds it."""

    path: str
    stamp: Stamp
    is_settled: bool
    """Whether its stamp can be trusted: it was last changed well before it was read."""
    hash: bytes
    """BLAKE2b-128 of its bytes; empty of one that was not read."""
    language: str = ""
    chunks: int = 0
    skipped: str = ""
    """Why none of it is indexed; empty where it is."""
    lacks: str = ""
    """The language whose grammar could not be loaded when it was read, so that names are missing."""


class FileEntry(Value, frozen=True):
    """A file with the names in it, as they are written together."""

    record: FileRecord
    definitions: list[Definition] = []
    references: dict[str, list[int]] = {}
    imports: list[Import] = []


class Counts(Value, frozen=True):
    """How much an index holds."""

    files: int
    """That can be found."""
    chunks: int
    skipped: int


class Manifest:
    """An open manifest; `close` it. Every method may be called from any thread; they raise sqlite3.Error."""

    def __init__(self, path: Path, *, is_writer: bool) -> None:
        """Open the file at `path`; a writer makes it where it is missing.

        Raises ManifestDamaged where it cannot be used; a reader also where there is none yet.
        """
        self._file = ManifestFile(path, is_writer=is_writer)
        self.names = Names(self._file)
        """The names in the files."""

    def records(self) -> Iterator[FileRecord]:
        """Every file, in no order."""
        return map(_record, self._file.rows(_RECORDS))

    def record(self, path: str) -> FileRecord | None:
        """One file, or None where the index does not know it."""
        return next(map(_record, self._file.rows(f"{_RECORDS} WHERE path = ?", path)), None)

    def holds_below(self, folder: str) -> bool:
        """Whether the index has a file in that folder or deeper."""
        question = "SELECT 1 FROM files WHERE path > ? AND path < ? LIMIT 1"
        return bool(self._file.rows(question, f"{folder}/", f"{folder}0"))  # `0` comes after `/`

    def paths(self) -> list[str]:
        """Files that can be found, in the order of the alphabet."""
        return [
            path for (path,) in self._file.rows("SELECT path FROM files WHERE skipped = '' ORDER BY path")
        ]

    def counts(self) -> Counts:
        """How much there is."""
        return Counts(*self._file.rows(_COUNTS)[0])

    def reasons(self) -> dict[str, int]:
        """How many files are left out for each reason, in words."""
        question = "SELECT skipped, COUNT(*) FROM files WHERE skipped != '' GROUP BY skipped ORDER BY skipped"
        return dict(self._file.rows(question))

    def lacking(self) -> dict[str, int]:
        """How many files lack names since the grammar of that language could not be loaded."""
        question = "SELECT lacks, COUNT(*) FROM files WHERE lacks != '' GROUP BY lacks ORDER BY lacks"
        return dict(self._file.rows(question))

    def pending(self) -> set[str]:
        """Files that a run was about to write when it ended; what the table holds of them is unknown."""
        return {path for (path,) in self._file.rows("SELECT path FROM pending")}

    def waiting(self, limit: int) -> list[str]:
        """At most `limit` files whose chunks the table has as they are, and without vectors yet."""
        question = "SELECT path FROM waiting EXCEPT SELECT path FROM pending ORDER BY path LIMIT ?"
        return [path for (path,) in self._file.rows(question, limit)]

    def fact(self, name: str) -> str:
        """What `note` kept under `name`; empty where nothing."""
        rows = self._file.rows("SELECT value FROM facts WHERE name = ?", name)
        return rows[0][0] if rows else ""

    def begin(self, paths: Collection[str]) -> None:
        """Note that the table's rows of `paths` are about to change."""
        with self._file.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO pending VALUES (?)", ((path,) for path in paths))

    def commit(
        self,
        entries: Sequence[FileEntry],
        gone: Collection[str] = (),
        *,
        is_waiting: bool = False,
        is_written: bool = True,
    ) -> None:
        """Say that `entries` can be found now and that `gone` cannot, in one moment.

        `is_waiting`: their chunks get vectors later. Not `is_written`: the table gets them later, `settle` says when.
        """
        paths = [*gone, *(entry.record.path for entry in entries)]
        with self._file.writing() as connection:
            _forget(connection, paths)
            if is_written:
                _delete(connection, "pending", paths)
            for entry in entries:
                _add(connection, entry)
            if is_waiting:
                waiting = [(entry.record.path,) for entry in entries if entry.record.chunks]
                connection.executemany("INSERT OR IGNORE INTO waiting VALUES (?)", waiting)

    def embedded(self, paths: Collection[str]) -> None:
        """Say that the chunks of `paths` have their vectors now, and that the table is as it should be."""
        with self._file.writing() as connection:
            _delete(connection, "waiting", paths)
            _delete(connection, "pending", paths)

    def settle(self, paths: Collection[str]) -> None:
        """Say that the table's rows of `paths` are as they should be."""
        with self._file.writing() as connection:
            _delete(connection, "pending", paths)

    def restamp(self, records: Iterable[FileRecord]) -> None:
        """Give files whose content is as it was their new stamps."""
        rows = [(*_stamp(record), record.is_settled, record.path) for record in records]
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE files SET size = ?, mtime = ?, ctime = ?, inode = ?, is_settled = ? WHERE path = ?",
                rows,
            )

    def note(self, **facts: str) -> None:
        """Keep small facts about the index: its embedder, when it was last compared with the disk."""
        with self._file.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def checkpoint(self) -> None:
        """Fold the log of writes into the file, so that it does not grow."""
        self._file.checkpoint()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._file.close()


def _record(row: Row) -> FileRecord:
    path, size, mtime, ctime, inode, is_settled, digest, language, chunks, skipped, lacks = row
    stamp = Stamp(size, mtime, ctime, inode)
    return FileRecord(path, stamp, bool(is_settled), digest, language, chunks, skipped, lacks)


def _stamp(record: FileRecord) -> tuple[int, int, int, int]:
    stamp = record.stamp
    return stamp.size_bytes, stamp.mtime_ns, stamp.ctime_ns, stamp.inode


def _forget(connection: sqlite3.Connection, paths: Collection[str]) -> None:
    rows = [(path,) for path in paths]
    for statement in (
        "DELETE FROM definitions WHERE file = (SELECT id FROM files WHERE path = ?)",
        "DELETE FROM uses WHERE file = (SELECT id FROM files WHERE path = ?)",
        "DELETE FROM files WHERE path = ?",
        "DELETE FROM waiting WHERE path = ?",
    ):
        connection.executemany(statement, rows)


def _delete(
    connection: sqlite3.Connection, table: Literal["pending", "waiting"], paths: Collection[str]
) -> None:
    rows = ((path,) for path in paths)
    connection.executemany(f"DELETE FROM {table} WHERE path = ?", rows)  # noqa: S608 - one of two names


def _add(connection: sqlite3.Connection, entry: FileEntry) -> None:
    record = entry.record
    file = connection.execute(
        "INSERT INTO files (path, size, mtime, ctime, inode, is_settled, hash, language, chunks, skipped, lacks)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(record.path, *_stamp(record), record.is_settled, record.hash),
            *(record.language, record.chunks, record.skipped, record.lacks),
        ),
    ).lastrowid
    if record.skipped:
        return
    connection.execute(
        "INSERT INTO uses VALUES (?, ?, ?)",
        (file, _encoder.encode(entry.references), _encoder.encode(entry.imports)),
    )
    connection.executemany(
        "INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((file, d.name, d.qualified, d.kind, d.start, d.end, d.signature) for d in entry.definitions),
    )
