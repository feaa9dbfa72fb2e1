"""The names in the files of an index: what is defined, used and imported where.

Read from the manifest's file by `lookup`, `graph` and `map`, from any thread. It knows no grammar.
"""

import sqlite3
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from naestro.index.files.manifest_file import ManifestFile
from naestro.index.parsing.parsed import Definition, Import
from naestro.types import Value

_T = TypeVar("_T")

_lines = msgspec.msgpack.Decoder(dict[str, list[int]])
_imports = msgspec.msgpack.Decoder(list[Import])

_DEFINITIONS = """
SELECT f.path, d.name, d.qualified, d.kind, d.start, d.end, d.signature
FROM definitions d JOIN files f ON f.id = d.file WHERE
"""
_NAMED = _DEFINITIONS + "d.name = ? COLLATE NOCASE ORDER BY f.path, d.start LIMIT ?"
_LIKE = _DEFINITIONS + r"d.name LIKE ? ESCAPE '\' ORDER BY LENGTH(d.name), f.path, d.start LIMIT ?"
_IN_FILE = _DEFINITIONS + "f.path = ? ORDER BY d.start, d.end DESC"
_ALL = _DEFINITIONS + "TRUE ORDER BY f.path, d.start, d.end DESC"
_USING = """
SELECT f.path, u.names FROM uses u JOIN files f ON f.id = u.file WHERE INSTR(u.names, ?) ORDER BY f.path
"""
_USES = "SELECT f.path, f.language, u.names, u.imports FROM files f JOIN uses u ON u.file = f.id "


class FileNames(Value, frozen=True):
    """The names in one file."""

    path: str
    language: str
    definitions: list[Definition]
    """From its top to its end."""
    references: dict[str, list[int]]
    """Names that are used, each with the lines where."""
    imports: list[Import]


class Names:
    """What the files of one index name; it lives as long as the manifest that gives it. All raise sqlite3.Error."""

    def __init__(self, file: ManifestFile) -> None:
        """Read from `file`."""
        self._file = file

    def named(self, name: str, limit: int = 200) -> list[tuple[str, Definition]]:
        """Definitions whose bare name is `name` (upper and lower case alike), each with its path, sorted by it."""
        return self._definitions(_NAMED, name, limit)

    def like(self, pattern: str, limit: int = 200) -> list[tuple[str, Definition]]:
        r"""Definitions whose bare name the LIKE pattern means (`%`: any characters; `\` before a literal one)."""
        return self._definitions(_LIKE, pattern, limit)

    def defined_in(self, path: str) -> list[Definition]:
        """What a file defines, from its top to its end."""
        return [definition for _, definition in self._definitions(_IN_FILE, path)]

    def using(self, name: str) -> list[tuple[str, list[int]]]:
        """Files that use `name`, each with the lines where, in the order of the alphabet."""
        rows = self._file.rows(_USING, name.encode("utf-8", "surrogatepass"))
        found = ((path, _decoded(_lines, names).get(name)) for path, names in rows)
        return [(path, lines) for path, lines in found if lines]

    def of(self, path: str) -> FileNames | None:
        """The names in one file, or None where it is not indexed."""
        for row in self._file.rows(_USES + "WHERE f.path = ?", path):
            return _file_names(row, self.defined_in(path))
        return None

    def all(self) -> Iterator[FileNames]:
        """The names in every file that can be found, in the order of the alphabet."""
        by_path: dict[str, list[Definition]] = {}
        for path, definition in self._definitions(_ALL):
            by_path.setdefault(path, []).append(definition)
        for row in self._file.rows(_USES + "ORDER BY f.path"):
            yield _file_names(row, by_path.get(row[0], []))

    def _definitions(self, question: str, *values: object) -> list[tuple[str, Definition]]:
        return [(path, Definition(*fields)) for path, *fields in self._file.rows(question, *values)]


def _file_names(row: tuple[str, str, bytes, bytes], definitions: list[Definition]) -> FileNames:
    path, language, names, imports = row
    return FileNames(path, language, definitions, _decoded(_lines, names), _decoded(_imports, imports))


def _decoded(decoder: msgspec.msgpack.Decoder[_T], packed: bytes) -> _T:
    """What was packed. Raises sqlite3.DatabaseError, as the rest of the file, where a flipped byte made it other."""
    try:
        return decoder.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:  # TypeError: NULL, a number
        raise sqlite3.DatabaseError(f"Could not decode the names of a file ({error})") from error
