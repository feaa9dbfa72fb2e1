"""What files were taken apart to, by their content and path, over all workspaces and branches: no file is parsed twice.

So a branch that one goes back to, a rebase there and back and an index that is built anew cost reading alone. `taking`
lies above, `cache_file` below: nothing that happens to the file is an error. What the files themselves say is not
kept, but cut out of them anew.
"""

import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from naestro.index.files.manifest import FileEntry, FileRecord
from naestro.index.parsing.chunk import text_of_lines
from naestro.index.parsing.parse import lines_of, text_of
from naestro.index.parsing.parsed import Chunk, Definition, Import
from naestro.index.taking.cache_file import CacheFile
from naestro.index.taking.taken import Taken, TakenChunk

LAYOUT: Final = 1
"""Counts up whenever a file is taken apart to anything else than before, prepared terms and hashes included."""
SIZE_LIMIT_BYTES: Final = 256 << 20
"""Some 40,000 files of ordinary size."""
FILE: Final = "files.sqlite"
_LEVEL: Final = 1
"""Of zlib: 0.3 s for 750,000 lines of Python, to 8 MB; higher ones take longer and gain a twentieth."""


class _Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk without its text."""

    start: int
    end: int
    kind: str
    symbol: str
    names: list[str]
    scope: str
    prepared: str
    hash: bytes


class _Parts(msgspec.Struct, frozen=True, array_like=True):
    """A file without its text."""

    language: str
    chunks: list[_Part]
    definitions: list[Definition]
    references: dict[str, list[int]]
    imports: list[Import]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Parts)


class PartsCache:
    """The files that were taken apart. Thread-safe; `close` it."""

    def __init__(self, folder: Path, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> None:
        """Open the file in `folder`, which is there. Raises sqlite3.Error or OSError where none can be made."""
        self._held = CacheFile(folder / FILE, size_limit_bytes=size_limit_bytes)

    def get(self, files: Sequence[tuple[FileRecord, bytes]]) -> dict[str, Taken]:
        """What became of those files that were taken apart before, by path; each is given as it was read."""
        keys = {_key(record): (record, data) for record, data in files}
        found = self._held.get(keys)
        taken = (_taken(*keys[key], packed) for key, packed in found.items())
        return {file.path: file for file in taken if file is not None}

    def put(self, files: Iterable[Taken]) -> None:
        """Keep what these files were taken apart to."""
        self._held.put(
            (_key(file.entry.record), _packed(file.entry, file.chunks)) for file in files if file.entry
        )

    def close(self) -> None:
        """Close the file."""
        self._held.close()


@cache
def _version() -> bytes:
    from semble_grammars import __version__

    return f"{LAYOUT} {__version__} ".encode()


def _key(record: FileRecord) -> bytes:
    said = _version() + record.hash + record.path.encode(errors="surrogatepass")
    return blake2b(said, digest_size=16).digest()


def _packed(entry: FileEntry, chunks: Iterable[TakenChunk]) -> bytes:
    parts = _Parts(
        entry.record.language,
        [_part(chunk) for chunk in chunks],
        entry.definitions,
        entry.references,
        entry.imports,
    )
    return zlib.compress(_encoder.encode(parts), _LEVEL)


def _part(taken: TakenChunk) -> _Part:
    one = taken.chunk
    said = bytes.fromhex(taken.hash)
    return _Part(one.start, one.end, one.kind, one.symbol, one.names, one.scope, taken.prepared, said)


def _taken(record: FileRecord, data: bytes, packed: bytes) -> Taken | None:
    """The file as it was taken apart; None where what was kept of it cannot be read."""
    try:
        parts = _decoder.decode(zlib.decompress(packed))
    except (zlib.error, msgspec.DecodeError):
        return None
    lines = lines_of(text_of(record.path, data))
    chunks = [
        TakenChunk(
            Chunk(
                record.path,
                part.start,
                part.end,
                parts.language,
                part.kind,
                text_of_lines(lines[part.start - 1 : part.end]),
                part.symbol,
                part.names,
                part.scope,
            ),
            part.prepared,
            part.hash.hex(),
        )
        for part in parts.chunks
    ]
    whole = msgspec.structs.replace(record, language=parts.language, chunks=len(chunks))
    return Taken(record.path, FileEntry(whole, parts.definitions, parts.references, parts.imports), chunks)
