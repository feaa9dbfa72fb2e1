"""One file taken in: read, taken apart, its chunks made ready for the table. Runs in a worker, or in the caller.

Above, `indexing` says which files and writes what comes back; below lie reading, parsing, the terms of full text and
the vectors. It loads no LanceDB, and raises nothing for what a file says or is.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naestro.index.manifest import FileEntry, FileRecord
from naestro.index.parsed import Chunk, ParsedFile
from naestro.index.reading import FileRead, read
from naestro.index.walk import Stamp

if TYPE_CHECKING:
    import numpy as np

    from naestro.index.embed.embedder import Embedder, EmbedText
    from naestro.index.vectors import VectorCache

SETTLED_S = 2.0
"""A file that was changed less than that before it was read may change again under the same stamp (git's rule)."""


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A file to take in."""

    path: str
    stamp: Stamp
    hash: bytes
    """Of the content that the index holds of it already; empty where it holds none."""


class TakenChunk(msgspec.Struct, frozen=True, array_like=True):
    """A chunk made ready."""

    chunk: Chunk
    prepared: str
    hash: str
    """Of the text that is embedded."""


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """What became of a file."""

    path: str
    entry: FileEntry | None
    """As the manifest will hold it; None where the file is gone."""
    chunks: list[TakenChunk] = []
    vectors: bytes = b""
    """(n_chunks, dimension) float32, of unit length; empty without an embedder."""
    is_new_vector: list[bool] = []
    """Which of them the cache does not hold yet."""

    def matrix(self) -> "np.ndarray | None":
        """The vectors, (n_chunks, dimension) float32; None without an embedder."""
        import numpy as np

        if not self.vectors:
            return None
        return np.frombuffer(self.vectors, np.float32).reshape(len(self.chunks), -1)


class Taker:
    """Takes files of one workspace in; not thread-safe."""

    def __init__(
        self, root: Path, embedder: "Embedder | None" = None, cache: "VectorCache | None" = None
    ) -> None:
        """For the workspace at `root`; without an embedder chunks get no vectors here."""
        self.root = root
        self._embedder = embedder
        self._cache = cache

    def take(self, task: Task) -> Taken:
        """Take one file in."""
        now_ns = time.time_ns()
        try:
            file = read(self.root, task.path)
        except FileNotFoundError:
            return Taken(task.path, None)
        except OSError as error:
            return refused(task, f"cannot be read: {error.strerror}")
        is_sure = is_settled(file.stamp, now_ns)
        record = FileRecord(task.path, file.stamp, is_sure, file.hash, skipped=file.skipped)
        return Taken(task.path, FileEntry(record)) if file.skipped else self._taken_apart(record, file)

    def _taken_apart(self, record: FileRecord, file: FileRead) -> Taken:
        from naestro.index.parse import parse_file
        from naestro.index.prepare import prepared
        from naestro.index.vectors import hash_of

        parsed = parse_file(record.path, file.data)
        texts = [embed_text(chunk) for chunk in parsed.chunks]
        hashes = [hash_of(text.joined()) for text in texts]
        made = [*map(TakenChunk, parsed.chunks, map(prepared, parsed.chunks), hashes)]
        vectors, is_new = self._vectors(texts, hashes)
        return Taken(record.path, _entry(record, parsed), made, vectors, is_new)

    def _vectors(self, texts: "Sequence[EmbedText]", hashes: Sequence[str]) -> tuple[bytes, list[bool]]:
        """The vectors of `texts`, and which of them were made now."""
        if self._embedder is None or not texts:
            return b"", []
        known = self._cache.get(hashes) if self._cache else {}
        is_new = [digest not in known for digest in hashes]
        made = iter(self._embedder.passages([text for text, new in zip(texts, is_new, strict=True) if new]))
        rows = [next(made) if new else known[digest] for digest, new in zip(hashes, is_new, strict=True)]
        return b"".join(row.tobytes() for row in rows), is_new


def embed_text(chunk: Chunk) -> "EmbedText":
    """What is embedded of a chunk."""
    from naestro.index.embed.embedder import EmbedText

    return EmbedText(chunk.path, chunk.symbol, tuple(chunk.names), chunk.text)


def is_settled(stamp: Stamp, read_ns: int) -> bool:
    """Whether a file with that stamp, read at that time, can only change under another stamp."""
    return read_ns - max(stamp.mtime_ns, stamp.ctime_ns) > SETTLED_S * 1e9


def refused(task: Task, reason: str) -> Taken:
    """A file that is left out for `reason`."""
    return Taken(task.path, FileEntry(FileRecord(task.path, task.stamp, True, b"", skipped=reason)))


def _entry(record: FileRecord, parsed: ParsedFile) -> FileEntry:
    return FileEntry(
        msgspec.structs.replace(record, language=parsed.language, chunks=len(parsed.chunks)),
        parsed.definitions,
        parsed.references,
        parsed.imports,
    )
