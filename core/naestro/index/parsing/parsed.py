"""What a file is taken apart into: the chunks that are searched, and the names that it defines, uses and imports.

Values only. `parse` makes them, `store` and `manifest` keep them, `lookup` and `map` read them.
"""

from naestro.types import Value


class Chunk(Value, frozen=True, gc=False):
    """Lines of a file that are found as one: a definition, a part of a long one, some short ones, some prose."""

    path: str
    """Relative to the workspace's root, with `/`."""
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    language: str
    """`python`, `markdown`, … as `languages` names it; `text` for what no grammar knows."""
    kind: str
    """`function`, `method`, `class`, `section`, `part` (of a longer one), `group` (of short ones), `text`, …"""
    text: str
    """The lines as they stand in the file."""
    symbol: str = ""
    """The qualified name that it defines or lies in: `Journal.append`; a heading; empty where there is none."""
    names: list[str] = []
    """The bare names that are defined in it."""
    scope: str = ""
    """The lines that open what it lies in, as `class Journal:`; empty at the top of a file."""


class Definition(Value, frozen=True, gc=False):
    """A name that a file defines."""

    name: str
    qualified: str
    """With the names that it lies in: `Journal.append`."""
    kind: str
    """`function`, `method`, `class`, `constant`, `section`, …"""
    start: int
    """First line, decorators and comments above it not included, from 1."""
    end: int
    """Last line, inclusive."""
    signature: str
    """Its opening as one line, without the body."""


class Import(Value, frozen=True, gc=False):
    """A module that a file names."""

    module: str
    """As written: `naestro.index.parsing.parse`, `./store`, `<stdio.h>` without the brackets."""
    line: int


class ParsedFile(Value, frozen=True):
    """A file taken apart."""

    path: str
    language: str
    chunks: list[Chunk]
    definitions: list[Definition] = []
    references: dict[str, list[int]] = {}
    """Names that are used, each with the lines where, from 1, ascending; definitions are not among them."""
    imports: list[Import] = []
    has_errors: bool = False
    """Whether the grammar met something that it does not know."""
    lacks: str = ""
    """The language whose grammar cannot be loaded now, so that names are missing."""
