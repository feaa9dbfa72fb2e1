"""A file cut into the pieces that a reader takes in at once: its head, each definition, each section.

By the look of the lines, for every language alike: `literal` reads thousands of files within seconds; the index parses
them (`chunk`). Pure functions over lines.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DEFINITION = re.compile(
    r"^\s*(?:(?:export|pub(?:\(\w+\))?|public|private|protected|static|async|default|abstract|final|unsafe)\s+)*"
    r"(?:def|class|function|func|fn|struct|enum|trait|impl|interface|type|namespace)\b\s+"
    r"(?P<title>\w+|\([^)]*\) *\w+|<)"
)
_CONSTANT = re.compile(r"^(?P<title>[A-Z][A-Z0-9_]{2,})\b[^=(]*=[^=]")
_SECTION = re.compile(r"^#{1,4} (?P<title>\S.*)")
_LEADING = re.compile(r"^\s*(?:@|#\[|//|/\*| \*|#(?!!)|\"\"\")")
PROSE_ENDINGS = (".md", ".rst", ".txt")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together."""

    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    title: str
    """The name that it defines, or the heading; empty for a file's head."""


def blocks_of(path: str, lines: Sequence[str]) -> list[Block]:
    """The blocks of a file, in order; together they hold every line that is not blank."""
    is_prose = path.endswith(PROSE_ENDINGS)
    starts = [0]
    titles = [""]
    for at, line in enumerate(lines):
        found = _SECTION.match(line) if is_prose else _DEFINITION.match(line) or _CONSTANT.match(line)
        if not found:
            continue
        start = at if is_prose else _with_leading(lines, at, starts[-1])
        if start == starts[-1]:
            titles[-1] = found["title"]
            continue
        starts.append(start)
        titles.append(found["title"])
    ends = [*starts[1:], len(lines)]
    blocks = zip(starts, ends, titles, strict=True)
    return [block for piece in blocks if (block := _trimmed(lines, *piece))]


def _with_leading(lines: Sequence[str], at: int, floor: int) -> int:
    """Where a definition begins, its decorators and the comment above it included."""
    while at - 1 > floor and _LEADING.match(lines[at - 1]) and '"""' not in lines[at - 1]:
        at -= 1
    return at


def _trimmed(lines: Sequence[str], start: int, end: int, title: str) -> Block | None:
    while end > start and not lines[end - 1].strip():
        end -= 1
    while start < end and not lines[start].strip():
        start += 1
    return Block(start + 1, end, title) if start < end else None
