"""One file taken in: read, taken apart, its chunks made ready for the table. Runs in a worker, or in the caller.

Above, `indexing` says which files and writes what comes back; below lie reading, parsing, the terms of full text and
the vectors. It loads no LanceDB, and raises nothing for what a file says or is.
"""

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naestro.index.manifest import FileEntry, FileRecord
from naestro.index.parsed import Chunk, ParsedFile
from naestro.index.reading import FileRead, read
from naestro.index.walk import Stamp

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np

    from naestro.index.embed.embedder import Embedder, EmbedText
    from naestro.index.statistics import TermCounts
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
    is_new: bool = False
    """Whether its vector was made now, and the cache does not hold it yet."""


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """What became of a file."""

    path: str
    entry: FileEntry | None
    """As the manifest will hold it; None where the file is gone."""
    chunks: list[TakenChunk] = []


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Files that were taken in together."""

    files: list[Taken]
    vectors: bytes = b""
    """Of all their chunks in order, (n_chunks, dimension) float32, of unit length; empty without an embedder."""
    terms: int = 0
    """In all their chunks; then the hash of each term, and how many chunks hold it: see `TermCounts`."""
    hashes: bytes = b""
    holding: bytes = b""

    @property
    def chunks(self) -> list[TakenChunk]:
        """Those of all files, in order."""
        return [chunk for file in self.files for chunk in file.chunks]

    def matrix(self) -> "np.ndarray | None":
        """The vectors, (n_chunks, dimension) float32; None where there are none."""
        import numpy as np

        return np.frombuffer(self.vectors, np.float32).reshape(len(self.chunks), -1) if self.vectors else None

    def counts(self) -> "TermCounts":
        """The counts of the terms in all chunks."""
        import numpy as np

        from naestro.index.statistics import TermCounts

        hashes, holding = np.frombuffer(self.hashes, np.uint64), np.frombuffer(self.holding, np.uint32)
        return TermCounts(len(self.chunks), self.terms, hashes, holding)


class Taker:
    """Takes files of one workspace in; not thread-safe."""

    def __init__(
        self, root: Path, embedder: "Embedder | None" = None, cache: "VectorCache | None" = None
    ) -> None:
        """For the workspace at `root`; without an embedder chunks get no vectors here."""
        self.root = root
        self._embedder = embedder
        self._cache = cache

    def take(self, tasks: Sequence[Task]) -> Batch:
        """Take some files in; their chunks are embedded together, which is quicker than one by one."""
        from naestro.index.statistics import TermCounts

        words: list[Counter[str]] = []
        files = [self._file(task, words) for task in tasks]
        chunks = [chunk for file in files for chunk in file.chunks]
        if not chunks:
            return Batch(files)
        counts = TermCounts.of(chunk.prepared for chunk in chunks)
        known, vectors = self._vectors(chunks, words)
        if vectors:
            files = [_marked(file, known) for file in files]
        return Batch(files, vectors, counts.terms, counts.hashes.tobytes(), counts.holding.tobytes())

    def _file(self, task: Task, words: "list[Counter[str]]") -> Taken:
        """What became of one file; the words of its chunks are added to `words`."""
        now_ns = time.time_ns()
        try:
            file = read(self.root, task.path)
        except FileNotFoundError:
            return Taken(task.path, None)
        except OSError as error:
            return refused(task, f"cannot be read: {error.strerror}")
        is_sure = is_settled(file.stamp, now_ns)
        record = FileRecord(task.path, file.stamp, is_sure, file.hash, skipped=file.skipped)
        return Taken(task.path, FileEntry(record)) if file.skipped else _taken_apart(record, file, words)

    def _vectors(
        self, chunks: Sequence[TakenChunk], words: "Sequence[Counter[str]]"
    ) -> tuple[Collection[str], bytes]:
        """The hashes that the cache holds, and the vectors of all `chunks`, which hold these `words`."""
        if self._embedder is None:
            return (), b""
        known = self._cache.get([chunk.hash for chunk in chunks]) if self._cache else {}
        new = [
            embed_text(chunk.chunk, said)
            for chunk, said in zip(chunks, words, strict=True)
            if chunk.hash not in known
        ]
        made = iter(self._embedder.passages(new))
        rows = [known[chunk.hash] if chunk.hash in known else next(made) for chunk in chunks]
        return known, b"".join(row.tobytes() for row in rows)


def _marked(file: Taken, known: Collection[str]) -> Taken:
    """The file with those of its chunks marked whose vectors are not in `known`."""
    chunks = [
        chunk if chunk.hash in known else TakenChunk(chunk.chunk, chunk.prepared, chunk.hash, True)
        for chunk in file.chunks
    ]
    return Taken(file.path, file.entry, chunks)


def _taken_apart(record: FileRecord, file: FileRead, words: "list[Counter[str]]") -> Taken:
    from naestro.index.parse import parse_file
    from naestro.index.prepare import prepared
    from naestro.index.vectors import hash_of
    from naestro.index.words import counted

    parsed = parse_file(record.path, file.data)
    chunks: list[TakenChunk] = []
    for chunk in parsed.chunks:
        said = counted(chunk.text)
        chunks.append(TakenChunk(chunk, prepared(chunk, said), hash_of(embed_text(chunk).joined())))
        words.append(said)
    return Taken(record.path, _entry(record, parsed), chunks)


def embed_text(chunk: Chunk, words: "Counter[str] | None" = None) -> "EmbedText":
    """What is embedded of a chunk; `words` are those of its text, where they are counted already."""
    from naestro.index.embed.embedder import EmbedText

    return EmbedText(chunk.path, chunk.symbol, tuple(chunk.names), chunk.text, words)


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
