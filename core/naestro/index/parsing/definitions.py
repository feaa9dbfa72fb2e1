"""The definitions of a file, nested as they are written, from what a language's query captured.

A query names a `definition.<kind>` and, in it, its `name`; `owner` is a type written before the name, as in Go's
methods; `scope` is like a definition but defines nothing itself, as Rust's `impl`; a `tail` is the body of the
definition before it, where a grammar does not count it to it. Between `grammar`, whose nodes these are, and `chunk`,
which knows rows only. Rows count from 0 here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from naestro.index.parsing.parsed import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

SIGNATURE_CHARS_MAX = 240
"""A signature is one line of an outline; longer ones are cut."""
_TAIL_BYTES_MAX = 40
"""Bytes between a signature and its body: spaces, `async`, `=>`."""
QUALIFIED_NAMES_MAX = 20
"""The innermost names of a qualified one; nobody nests deeper by hand."""
CONTAINERS = frozenset(
    [
        "class",
        "interface",
        "trait",
        "struct",
        "enum",
        "object",
        "protocol",
        "extension",
        "impl",
        "module",
        "namespace",
        "record",
        "union",
        "actor",
        "scope",
        "package",
        "mixin",
        "section",
        "table",
    ]
)
"""Kinds whose members are found on their own."""
_TYPES = CONTAINERS - {"module", "namespace", "package", "section", "table"}
"""Kinds whose functions are methods and whose variables are fields."""
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+$")
_BEFORE = re.compile(r"[\w\s@<>,.:?*&\[\]]*$")
"""What may stand on a line before a definition so that its signature begins there."""
_SEPARATOR = re.compile(r"::|\\")
_SPACE = re.compile(r"\s+")
_OPENINGS = (b"=>", b"{", b"=", b"(")
"""What opens a body and is no part of a signature."""


@dataclass(slots=True, eq=False)
class Spot:
    """A definition in the tree."""

    node: "Node"
    kind: str
    start_byte: int
    end_byte: int
    first: int
    """Row of its first line; attributes that the grammar counts to it included."""
    last: int
    """Row of its last line."""
    parent: "Spot | None" = None
    name: str = ""
    name_row: int = 0
    owner: str = ""
    children: list["Spot"] = field(default_factory=list["Spot"])

    @property
    def qualified(self) -> str:
        """The name with the names that it lies in."""
        parts = [self._said, self.owner] if self.owner else [self._said]
        at = self.parent
        while at is not None and len(parts) < QUALIFIED_NAMES_MAX:
            if at.kind != "type":  # `typedef struct item {…} Item` names the struct, it does not hold it
                parts.append(at._said)
            at = at.parent
        return ".".join(reversed(parts))

    @property
    def _said(self) -> str:
        r"""Its name with dots: `geo::plane`, `App\Http`."""
        return _SEPARATOR.sub(".", self.name) if self.kind in CONTAINERS else self.name


_Event = tuple[int, int, int, int, str, "Node"]
"""First byte, last byte with a minus, rank, number, capture, node: sorted, the outer comes before the inner."""
_NAME_RANK = 9


def spots_of(captures: Mapping[str, Sequence["Node"]], data: bytes) -> list[Spot]:
    """The outermost definitions in order, the inner ones as their children; those without a name are left out."""
    tops: list[Spot] = []
    open_spots: list[Spot] = []
    for start, end, _, _, capture, node in sorted(_events(captures), key=lambda event: event[:4]):
        while open_spots and open_spots[-1].end_byte <= start:
            _close(open_spots.pop(), tops)
        above = open_spots[-1] if open_spots else None
        if capture in {"name", "owner"}:
            for holder in open_spots[-1:]:
                _call(holder, capture, node, data)
            continue
        if capture == "tail":
            _reopen(above.children if above is not None else tops, node, open_spots)
            continue
        if above is not None and (above.start_byte, above.end_byte) == (start, -end):
            continue
        open_spots.append(_spot(node, capture, above))
    while open_spots:
        _close(open_spots.pop(), tops)
    tops.sort(key=lambda spot: spot.start_byte)
    return tops


def _events(captures: Mapping[str, Sequence["Node"]]) -> Iterator[_Event]:
    number = 0
    for capture, nodes in captures.items():
        if capture not in {"name", "owner", "scope", "tail"} and not capture.startswith("definition."):
            continue
        kind = capture.removeprefix("definition.")
        # Of two patterns that take the same node, the one that says more comes first.
        rank = _NAME_RANK if kind in {"name", "owner"} else 1 if kind in {"variable", "type"} else 0
        for node in nodes:
            number += 1
            yield node.start_byte, -node.end_byte, rank, number, kind, node


def _reopen(siblings: list[Spot], node: "Node", open_spots: list[Spot]) -> None:
    """Let the last of `siblings` reach to the end of `node`, its body, where it stands right behind."""
    if siblings and node.start_byte - siblings[-1].end_byte <= _TAIL_BYTES_MAX:
        spot = siblings.pop()
        spot.end_byte, spot.last = node.end_byte, node.end_point[0]
        open_spots.append(spot)


def _spot(node: "Node", kind: str, parent: Spot | None) -> Spot:
    end_row, end_column = node.end_point
    first = node.start_point[0]
    last = end_row - 1 if end_column == 0 and end_row > first else end_row
    return Spot(node, kind, node.start_byte, node.end_byte, first, last, parent)


def _call(spot: Spot, capture: str, node: "Node", data: bytes) -> None:
    text = data[node.start_byte : node.end_byte].decode("utf-8", "replace").strip("\"'`#")
    if capture == "owner":
        spot.owner = spot.owner or text
    elif not spot.name:
        spot.name = _SPACE.sub(" ", text)[:SIGNATURE_CHARS_MAX]
        spot.name_row = node.start_point[0]


def _close(spot: Spot, tops: list[Spot]) -> None:
    """Hand a complete spot to what it lies in; a nameless one hands on its children instead."""
    siblings = spot.parent.children if spot.parent is not None else tops
    if not spot.name:
        for child in spot.children:
            child.parent = spot.parent
        siblings.extend(spot.children)
        return
    inside = spot.parent.kind if spot.parent is not None else ""
    if spot.kind == "function" and (inside in _TYPES or spot.owner):
        spot.kind = "method"
    elif spot.kind == "variable":
        spot.kind = "field" if inside in _TYPES else "constant" if _CONSTANT.match(spot.name) else "variable"
    spot.children.sort(key=lambda child: child.start_byte)
    siblings.append(spot)


def all_spots(spots: Sequence[Spot]) -> Iterator[Spot]:
    """Every spot, the outer before the inner, in the order of the file."""
    waiting = list(reversed(spots))
    while waiting:
        spot = waiting.pop()
        yield spot
        waiting.extend(reversed(spot.children))


def definition_of(spot: Spot, data: bytes, attribute_rows: frozenset[int]) -> Definition:
    """The value that is kept of a spot."""
    first = _first(spot, attribute_rows)
    return Definition(
        name=spot.name,
        qualified=spot.qualified,
        kind=spot.kind,
        start=first + 1,
        end=spot.last + 1,
        signature=signature(spot, data, first),
    )


def _first(spot: Spot, attribute_rows: frozenset[int]) -> int:
    """The row where a definition itself begins, below its attributes."""
    row = spot.first
    while row in attribute_rows and row < spot.name_row:
        row += 1
    return row


def signature(spot: Spot, data: bytes, first: int) -> str:
    """The opening of a definition as one line, up to its body."""
    start = spot.start_byte
    for _ in range(first - spot.first):
        start = data.find(b"\n", start) + 1
    line = data.rfind(b"\n", 0, start) + 1
    if _BEFORE.match(data[line:start].decode("utf-8", "replace")):
        start = line
    text = data[start : _opening_end(spot, start, data)].rstrip()
    for opening in _OPENINGS:
        text = text.removesuffix(opening)
    said = text[: 4 * SIGNATURE_CHARS_MAX].decode("utf-8", "replace")
    return " ".join(said.split())[:SIGNATURE_CHARS_MAX].rstrip(";, ")


def _opening_end(spot: Spot, start: int, data: bytes) -> int:
    """Where the body begins; the end of the first line where there is no body."""
    body = spot.node.child_by_field_name("body")
    value = None if body else spot.node.child_by_field_name("value")
    if value is not None:
        body = value.child_by_field_name("body")
    if body is None:
        body = next((child for child in spot.node.named_children[-1:] if "body" in child.type), None)
    if body is not None and body.start_byte > start:
        return body.start_byte
    line_end = data.find(b"\n", start, spot.end_byte)
    return line_end if line_end >= 0 else spot.end_byte
