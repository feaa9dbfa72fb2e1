"""The lines of a file dealt out to chunks: each definition for itself, long ones in parts, short neighbours together.

It sees lines, the spots of `definitions` and a tree to find the borders of statements in; it knows no language. Every
line that is not blank lies in one piece, in order. Rows count from 0 here.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from naestro.index.parsing.definitions import CONTAINERS, Spot

if TYPE_CHECKING:
    from tree_sitter import Node

CHUNK_CHARS_MAX = 2400
"""Characters of a chunk: in a trial on other code bases such chunks found more of the places than ones of 575."""
LINE_CHARS_MAX = 4 * CHUNK_CHARS_MAX
"""What a chunk keeps of a line: nobody reads on."""
MERGED_CHARS_MAX = 1200
"""Short neighbours are one chunk up to here, so that one long definition is rarely mixed with others."""
PART_CHARS_MIN = CHUNK_CHARS_MAX // 2
"""A long piece is cut at the outermost border after this many characters."""
DEPTH_MAX = 60
"""Levels of a tree that are looked into for borders; below only lines count."""
_LINE_DEPTH = 1000
"""A border between lines is worse than any between statements."""


@dataclass(slots=True)
class Piece:
    """Rows that become a chunk."""

    first: int
    last: int
    kind: str
    symbol: str = ""
    scope: tuple[str, ...] = ()
    """Signatures of what it lies in, the outermost first."""
    within: str = ""
    """Qualified name of what it lies in."""
    is_whole: bool = True
    """Whether it may be merged with its neighbours."""


@dataclass(slots=True)
class Lines:
    """The lines of a file, measured."""

    lines: Sequence[str]
    ends: list[int] = field(default_factory=list[int])
    """Characters up to and including each line, its ending counted."""

    def __post_init__(self) -> None:
        self.ends = list(accumulate((len(line) + 1 for line in self.lines), initial=0))

    def size(self, first: int, last: int) -> int:
        """Characters of rows, the last one included."""
        return self.ends[last + 1] - self.ends[first]

    def reach(self, first: int, chars: int) -> int:
        """The last row so that the rows from `first` have at most `chars` characters; at least `first`."""
        return max(first, bisect_right(self.ends, self.ends[first] + chars) - 2)

    def trimmed(self, first: int, last: int) -> tuple[int, int] | None:
        """The rows without the blank ones at both ends; None where all are blank."""
        while first <= last and not self.lines[first].strip():
            first += 1
        while last >= first and not self.lines[last].strip():
            last -= 1
        return (first, last) if first <= last else None


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts one file."""

    lines: Lines
    leading_rows: frozenset[int]
    """Rows of comments and attributes that belong to the definition below them."""
    root: "Node | None"
    signatures: dict[int, str]
    """By `id` of a spot."""

    def pieces(self, spots: Sequence[Spot]) -> list[Piece]:
        """All pieces of the file, in order."""
        last = len(self.lines.lines) - 1
        return merged(self._scope(0, last, spots, None), self.lines)

    def _scope(self, first: int, last: int, spots: Sequence[Spot], inside: Spot | None) -> list[Piece]:
        """The rows of a file or of a container, with the definitions in them."""
        pieces: list[Piece] = []
        at = first
        for spot in spots:
            if spot.last < at or spot.first > last:
                continue
            start = self._leading(max(spot.first, at), at)
            pieces += self._gap(at, start - 1, inside, is_header=at == first)
            pieces += self._definition(start, min(spot.last, last), spot)
            at = spot.last + 1
        return pieces + self._gap(at, last, inside, is_header=at == first)

    def _leading(self, row: int, floor: int) -> int:
        while row > floor and row - 1 in self.leading_rows:
            row -= 1
        return row

    def _gap(self, first: int, last: int, inside: Spot | None, *, is_header: bool) -> list[Piece]:
        """Rows outside of the inner definitions: a container's head, statements between."""
        rows = self.lines.trimmed(first, last)
        if rows is None:
            return []
        if inside is None:
            return self._cut(Piece(*rows, "code"), self.root)
        kind = inside.kind if is_header else "code"
        scope = self._scopes(inside.parent if is_header else inside)
        return self._cut(Piece(*rows, kind, inside.qualified, scope, inside.qualified), inside.node)

    def _definition(self, first: int, last: int, spot: Spot) -> list[Piece]:
        is_long = self.lines.size(first, last) > CHUNK_CHARS_MAX
        if is_long and spot.kind in CONTAINERS and spot.children and _depth(spot) < DEPTH_MAX:
            return self._scope(first, last, spot.children, spot)
        within = spot.parent.qualified if spot.parent else ""
        piece = Piece(first, last, spot.kind, spot.qualified, self._scopes(spot.parent), within)
        return self._cut(piece, spot.node)

    def _scopes(self, spot: Spot | None) -> tuple[str, ...]:
        found: list[str] = []
        while spot is not None and len(found) < DEPTH_MAX:
            found.append(self.signatures[id(spot)])
            spot = spot.parent
        return tuple(reversed(found))

    def _cut(self, piece: Piece, node: "Node | None") -> list[Piece]:
        """The piece, or its parts where it is too long."""
        if self.lines.size(piece.first, piece.last) <= CHUNK_CHARS_MAX:
            return [piece]
        borders = self._borders(node, piece.first, piece.last) if node is not None else {}
        parts = cut_rows(self.lines, piece.first, piece.last, borders)
        return [
            Piece(first, last, "part", piece.symbol, piece.scope, piece.within, is_whole=False)
            for first, last in parts
        ]

    def _borders(self, node: "Node", first: int, last: int) -> dict[int, int]:
        """Rows where a statement begins, with how deep it lies; only what is too long is looked into."""
        found: dict[int, int] = {}
        waiting = [(node, 0)]
        while waiting:
            at, depth = waiting.pop()
            previous = -1
            for child in at.children:
                start, end = child.start_point[0], child.end_point[0]
                if end < first or start > last:
                    previous = end
                    continue
                if start > max(first, previous) and start - 1 not in self.leading_rows:
                    found[start] = min(depth, found.get(start, depth))
                is_long = self.lines.size(max(start, first), min(end, last)) > CHUNK_CHARS_MAX
                if is_long and depth < DEPTH_MAX and end > start:
                    waiting.append((child, depth + 1))
                previous = end
        return found


def text_of_lines(lines: Sequence[str]) -> str:
    """The text of a chunk of these lines."""
    text = "\n".join(lines)
    return text if len(text) < LINE_CHARS_MAX else "\n".join(line[:LINE_CHARS_MAX] for line in lines)


def _depth(spot: Spot) -> int:
    depth = 0
    while spot.parent is not None:
        spot, depth = spot.parent, depth + 1
    return depth


def cut_rows(lines: Lines, first: int, last: int, borders: dict[int, int]) -> list[tuple[int, int]]:
    """Rows in parts of at most CHUNK_CHARS_MAX, each cut at the outermost border in its second half.

    Where there is no border a blank line will do, else any; a line that is longer than that is a part of its own.
    """
    parts: list[tuple[int, int]] = []
    at = first
    while at <= last:
        size = lines.size(at, last)
        if size <= CHUNK_CHARS_MAX:
            parts.append((at, last))
            break
        chars = CHUNK_CHARS_MAX if size > 2 * CHUNK_CHARS_MAX else int(size * 0.6)
        cut = _best_cut(lines, at, lines.reach(at, min(chars, CHUNK_CHARS_MAX)), borders)
        parts.append((at, cut - 1))
        at = cut
    return [rows for part in parts if (rows := lines.trimmed(*part))]


def _best_cut(lines: Lines, at: int, reach: int, borders: dict[int, int]) -> int:
    """The row where the next part begins, after `at` and at most one behind `reach`."""
    half = min(lines.reach(at, PART_CHARS_MIN // 2), reach)

    def worth(row: int) -> tuple[int, int]:
        blank = 0 if not lines.lines[row - 1].strip() else 1
        return borders.get(row, _LINE_DEPTH + blank), -row

    return min(range(max(at + 1, half + 1), reach + 2), key=worth, default=at + 1)


def merged(pieces: Sequence[Piece], lines: Lines) -> list[Piece]:
    """The pieces, short neighbours of the same scope as one."""
    done: list[Piece] = []
    members: list[Piece] = []
    for piece in pieces:
        if members and not _fits(members, piece, lines):
            done.append(_joined(members))
            members = []
        members.append(piece)
    return [*done, _joined(members)] if members else done


def _fits(members: Sequence[Piece], piece: Piece, lines: Lines) -> bool:
    first = members[0]
    return (
        piece.is_whole
        and first.is_whole
        and piece.within == first.within
        and lines.size(first.first, piece.last) <= MERGED_CHARS_MAX
    )


def _joined(members: Sequence[Piece]) -> Piece:
    """One piece of several; it is called like the only definition among them, if there is one."""
    if len(members) == 1:
        return members[0]
    head = members[0]
    named = [piece for piece in members if piece.kind not in {"code", "text"}]
    rows = head.first, members[-1].last
    main = named[0] if named else head
    if all(piece.symbol.startswith((main.symbol + ".", main.symbol + " > ")) for piece in named[1:]):
        return Piece(*rows, main.kind, main.symbol, main.scope, head.within)
    return Piece(*rows, "group", head.within, members[-1].scope, head.within)
