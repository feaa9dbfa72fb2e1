"""Prose cut by its headings, or by its paragraphs where there are none.

By the look of the lines: Markdown, reStructuredText, AsciiDoc, Org, plain text. Pure functions over lines; rows count
from 0. `parse` asks; the cutting to size is `chunk`'s.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naestro.index.parsing.chunk import CHUNK_CHARS_MAX, Lines, Piece, cut_rows, merged

HEADING_CHARS_MAX = 200
_MARKDOWN = re.compile(r"(#{1,6})(?:[ \t]+|$)(.*?)[ \t]*#*$")
_ASCIIDOC = re.compile(r"(={1,6}) +(\S.*?)$")
_ORG = re.compile(r"(\*{1,8}) +(\S.*?)$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_<>])\1{2,}\s*$")
_SETEXT = re.compile(r"(?:=+|-{3,})\s*$")
_PATTERNS = {"markdown": _MARKDOWN, "asciidoc": _ASCIIDOC, "org": _ORG, "typst": _ASCIIDOC}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it, up to the next heading of its rank or a higher one."""

    title: str
    path: str
    """The headings that it stands under and its own, joined by ` > `."""
    first: int
    """Row of the heading."""
    last: int
    own_last: int
    """The last row before the next heading of any rank."""


def sections_of(lines: Sequence[str], language: str) -> list[Section]:
    """The sections of a text, in order; none where the language has no headings."""
    if language in _PATTERNS:
        heads = list(_marked(lines, _PATTERNS[language], has_setext=language == "markdown"))
    elif language == "rst":
        heads = list(_underlined(lines))
    else:
        heads = []
    rows = len(lines)
    while rows and not lines[rows - 1].strip():
        rows -= 1
    return _nested(heads, rows)


def prose_pieces(lines: Lines, sections: Sequence[Section]) -> list[Piece]:
    """The rows of a text in order: sections, long ones in parts, short ones of one parent together."""
    starts = [section.first for section in sections]
    pieces = _cut(lines, Piece(0, (starts[0] if starts else len(lines.lines)) - 1, "text"))
    for section in sections:
        within = section.path.rpartition(" > ")[0]
        scope = tuple(within.split(" > ")) if within else ()
        pieces += _cut(lines, Piece(section.first, section.own_last, "section", section.path, scope, ""))
    return merged(pieces, lines)


def _cut(lines: Lines, piece: Piece) -> list[Piece]:
    rows = lines.trimmed(piece.first, piece.last)
    if rows is None:
        return []
    if lines.size(*rows) <= CHUNK_CHARS_MAX:
        return [Piece(*rows, piece.kind, piece.symbol, piece.scope, piece.within)]
    return [
        Piece(*part, piece.kind, piece.symbol, piece.scope, piece.within, is_whole=False)
        for part in cut_rows(lines, *rows, {})
    ]


def _marked(
    lines: Sequence[str], pattern: re.Pattern[str], *, has_setext: bool
) -> Iterator[tuple[int, int, str]]:
    """Row, rank and title of headings with a mark before them, those in fences left out."""
    fence = ""
    for row, line in enumerate(lines):
        fenced = _FENCE.match(line)
        if fenced and (not fence or fenced[1].startswith(fence)):
            fence = "" if fence else fenced[1]
        if fence or fenced:
            continue
        found = pattern.match(line[: 2 * HEADING_CHARS_MAX])
        if found:
            yield row, len(found[1]), found[2]
        elif has_setext and line[:1] in "=-" and row and _is_setext(lines, row):
            yield row - 1, 1 if line.startswith("=") else 2, lines[row - 1].strip()


def _is_setext(lines: Sequence[str], row: int) -> bool:
    above = lines[row - 1]
    is_alone = row < 2 or not lines[row - 2].strip()
    return bool(
        _SETEXT.match(lines[row])
        and above.strip()
        and is_alone
        and not above.startswith(("#", "-", ">", "|"))
    )


def _underlined(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Row, rank and title of reStructuredText's headings; ranks in the order of their first use."""
    ranks: dict[tuple[str, bool], int] = {}
    for row in range(1, len(lines)):
        found = _UNDERLINE.match(lines[row])
        title = lines[row - 1].strip()
        if (
            not found
            or not title
            or _UNDERLINE.match(lines[row - 1])
            or len(lines[row].rstrip()) < len(title)
        ):
            continue
        over = row > 1 and lines[row - 2].rstrip() == lines[row].rstrip()
        rank = ranks.setdefault((found[1], over), len(ranks) + 1)
        yield row - (2 if over else 1), rank, title


def _nested(heads: Sequence[tuple[int, int, str]], rows: int) -> list[Section]:
    found: list[Section] = []
    above: list[tuple[int, str]] = []
    for at, (row, rank, title) in enumerate(heads):
        while above and above[-1][0] >= rank:
            above.pop()
        above.append((rank, title[:HEADING_CHARS_MAX]))
        path = " > ".join(name for _, name in above if name)
        later = heads[at + 1 :]
        last = next((other - 1 for other, other_rank, _ in later if other_rank <= rank), rows - 1)
        own_last = later[0][0] - 1 if later else rows - 1
        found.append(Section(title[:HEADING_CHARS_MAX], path, row, max(row, last), max(row, own_last)))
    return found
