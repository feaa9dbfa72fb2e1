"""One file taken in: read, taken apart, its chunks made ready for the table. Runs in a worker, or in the caller.

Above, `indexing` says which files and writes what comes back; below lie reading, parsing, the terms of full text, the
vectors, and the cache of what files were taken apart to (`parts`). It loads no LanceDB, and raises nothing for what a
file says or is.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from naestro.index.files.manifest import FileEntry, FileRecord
from naestro.index.files.reading import read
from naestro.index.files.walk import Stamp
from naestro.index.parsing.parsed import Chunk, ParsedFile
from naestro.index.taking.taken import Batch, Taken, TakenChunk, Task, refused

if TYPE_CHECKING:
    from naestro.index.embed.embedder import Embedder, EmbedText
    from naestro.index.taking.parts import PartsCache
    from naestro.index.taking.vectors import VectorCache

SETTLED_S = 2.0
"""A file that was changed less than that before it was read may change again under the same stamp (git's rule)."""

_Words: TypeAlias = dict[str, Counter[str]]
"""The words of chunks, by the hash of what is embedded of them."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is to be taken apart."""

    record: FileRecord
    data: bytes


class Taker:
    """Takes files of one workspace in; not thread-safe."""

    def __init__(
        self,
        root: Path,
        embedder: "Embedder | None" = None,
        vectors: "VectorCache | None" = None,
        parts: "PartsCache | None" = None,
    ) -> None:
        """For the workspace at `root`; without an embedder no chunk gets a vector, without `parts` all is parsed."""
        self.root = root
        self._embedder = embedder
        self._vectors = vectors
        self._parts = parts
        self._new: list[Taken] = []

    def take(self, tasks: Sequence[Task]) -> Batch:
        """Take some files in; their chunks are embedded together, which is quicker than one by one."""
        self.keep()
        files, opened = self._read(tasks)
        files |= self._known(opened)
        words: _Words = {}
        for path, one in opened.items():
            if path not in files:
                files[path] = _taken_apart(one, words)
                self._new.append(files[path])
        return self._batch([files[task.path] for task in tasks], words)

    def known(self, tasks: Sequence[Task]) -> tuple[Batch, list[Task]]:
        """What becomes of those of some files that need not be parsed; and the others, of which nothing is done.

        Their terms are not counted: the caller may not need that, or not at once.
        """
        files, opened = self._read(tasks)
        files |= self._known(opened)
        found = [files[task.path] for task in tasks if task.path in files]
        return self._batch(found, {}, is_counted=False), [task for task in tasks if task.path not in files]

    def keep(self) -> None:
        """Keep for the next time what was parsed since the last call; takes a millisecond a file."""
        new, self._new = self._new, []
        if self._parts is not None and new:
            self._parts.put(file for file in new if file.entry and not file.entry.record.lacks)

    def _read(self, tasks: Sequence[Task]) -> tuple[dict[str, Taken], dict[str, _Opened]]:
        """What became of files that are not taken apart, and those that are, by their paths."""
        files: dict[str, Taken] = {}
        opened: dict[str, _Opened] = {}
        for task in tasks:
            one = _opened(self.root, task)
            if isinstance(one, _Opened):
                opened[task.path] = one
            else:
                files[task.path] = one
        return files, opened

    def _known(self, opened: Mapping[str, _Opened]) -> dict[str, Taken]:
        """Those of the files that were taken apart before."""
        if self._parts is None:
            return {}
        return self._parts.get([(one.record, one.data) for one in opened.values()])

    def _batch(self, files: list[Taken], words: _Words, *, is_counted: bool = True) -> Batch:
        """The files with what is made of all their chunks together."""
        from naestro.index.text.statistics import TermCounts

        chunks = [chunk for file in files for chunk in file.chunks]
        if not chunks:
            return Batch(files)
        counts = TermCounts.of(chunk.prepared for chunk in chunks if is_counted)
        known, vectors = self._embedded(chunks, words)
        if vectors:
            files = [_marked(file, known) for file in files]
        return Batch(files, vectors, counts.terms, counts.hashes.tobytes(), counts.holding.tobytes())

    def _embedded(self, chunks: Sequence[TakenChunk], words: _Words) -> tuple[Collection[str], bytes]:
        """The hashes whose vectors were made before, and the vectors of all `chunks`."""
        if self._embedder is None:
            return (), b""
        known = self._vectors.get([chunk.hash for chunk in chunks]) if self._vectors else {}
        new = [chunk for chunk in chunks if chunk.hash not in known]
        made = iter(self._embedder.passages([embed_text(one.chunk, words.get(one.hash)) for one in new]))
        rows = [known[chunk.hash] if chunk.hash in known else next(made) for chunk in chunks]
        return known, b"".join(row.tobytes() for row in rows)


def _opened(root: Path, task: Task) -> Taken | _Opened:
    """A file as it is now; what became of it where it is not taken apart."""
    now_ns = time.time_ns()
    try:
        file = read(root, task.path)
    except FileNotFoundError:
        return Taken(task.path, None)
    except OSError as error:
        return refused(task, f"cannot be read: {error.strerror}")
    is_sure = is_settled(file.stamp, now_ns)
    record = FileRecord(task.path, file.stamp, is_sure, file.hash, skipped=file.skipped)
    return Taken(task.path, FileEntry(record)) if file.skipped else _Opened(record, file.data)


def _marked(file: Taken, known: Collection[str]) -> Taken:
    """The file with those of its chunks marked whose vectors are not in `known`."""
    if all(chunk.hash in known for chunk in file.chunks):
        return file
    chunks = [
        chunk if chunk.hash in known else TakenChunk(chunk.chunk, chunk.prepared, chunk.hash, True)
        for chunk in file.chunks
    ]
    return Taken(file.path, file.entry, chunks)


def _taken_apart(one: _Opened, words: _Words) -> Taken:
    """What a file is taken apart to; the words of its chunks go into `words`."""
    from naestro.index.parsing.parse import parse_file
    from naestro.index.taking.vectors import hash_of
    from naestro.index.text.prepare import prepared
    from naestro.index.text.words import counted

    parsed = parse_file(one.record.path, one.data)
    chunks: list[TakenChunk] = []
    for chunk in parsed.chunks:
        said, digest = counted(chunk.text), hash_of(embed_text(chunk).joined())
        chunks.append(TakenChunk(chunk, prepared(chunk, said), digest))
        words[digest] = said
    return Taken(one.record.path, _entry(one.record, parsed), chunks)


def embed_text(chunk: Chunk, words: Counter[str] | None = None) -> "EmbedText":
    """What is embedded of a chunk; `words` are those of its text, where they are counted already."""
    from naestro.index.embed.embedder import EmbedText

    return EmbedText(chunk.path, chunk.symbol, tuple(chunk.names), chunk.text, words)


def is_settled(stamp: Stamp, read_ns: int) -> bool:
    """Whether a file with that stamp, read at that time, can only change under another stamp."""
    return read_ns - max(stamp.mtime_ns, stamp.ctime_ns) > SETTLED_S * 1e9


def _entry(record: FileRecord, parsed: ParsedFile) -> FileEntry:
    return FileEntry(
        msgspec.structs.replace(
            record, language=parsed.language, chunks=len(parsed.chunks), lacks=parsed.lacks
        ),
        parsed.definitions,
        parsed.references,
        parsed.imports,
    )
