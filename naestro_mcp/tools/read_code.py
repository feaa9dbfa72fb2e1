"""`read_code`: lines of a file, what it defines, or where a name is defined and used."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from naestro.client.api import Place
from naestro.errors import InputError, NaestroError, NotInJournal
from naestro_mcp.options import READ
from naestro_mcp.tool import Call, Lines, Reply, Tool

CODE_MAX = 5
"""Definitions of one name that are shown with their code; of more, the signatures say which one is meant."""
PLACES_MAX = 200
LINES_MAX = 100_000
_TARGET = re.compile(r"(?P<path>.+?)(?::|#L)(?P<start>\d{1,9})(?:-L?(?P<end>\d{1,9})|:\d{1,9}:?)?")
"""`path:10-40`, `path:10`, `path:10:4` (as compilers name a column) and `path#L10-L40`."""

View = Literal["span", "outline", "symbol", "references"]


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    target: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=4_096, description="path or path:10-40; a name for symbol, references"
        ),
    ]
    view: View = "span"
    cursor: str = ""
    root: str = ""


class Spot(Lines, omit_defaults=True):
    """A place."""

    name: str = ""
    kind: str = ""


class Shown(msgspec.Struct, omit_defaults=True):
    """What it gives."""

    spots: Sequence[Lines]
    lines: int = 0
    next_cursor: str = ""


async def read_code(call: Call, asked: Arguments) -> Reply:
    """The code, page by page."""
    match asked.view:
        case "span":
            return await _span(call, asked.target)
        case "outline":
            return _listed(call, await call.host.client.index.outline(call.root, _path(asked.target)))
        case "symbol":
            return await _symbol(call, asked.target)
        case _:
            places = await call.host.client.index.references(call.root, asked.target, limit=PLACES_MAX)
            return _listed(call, _some(places, f"No use of {asked.target!r} was found."))


async def _span(call: Call, target: str) -> Reply:
    start, end = 1, None
    if (match := _TARGET.fullmatch(target)) is not None:
        start, end = int(match["start"]), int(match["end"] or match["start"])
    first = max(1, start) + call.place
    if end is not None and end < first:
        raise InputError(f"There are no lines {start} to {end}.", hint="Lines count from 1.")
    file = await call.host.client.files.read(call.root, _path(target), start=first, end=end)
    lines = file.text.split("\n") if file.text or file.lines >= first else []
    if not lines:
        raise InputError(f"{file.path} has {file.lines} lines.", hint="Name lines that it has.")
    count = call.fitting([f"{line}\n" for line in lines])
    last = first + count - 1
    cursor = call.cursor(call.place + count) if count < len(lines) else ""
    spot = Spot(file.path, first, last, "\n".join(lines[:count]))
    return _reply(Shown([spot], file.lines, cursor))


async def _symbol(call: Call, name: str) -> Reply:
    places = await call.host.client.index.symbol(call.root, name, limit=PLACES_MAX)
    _some(places, f"No definition of {name!r} was found.")
    if len(places) > CODE_MAX:
        return _listed(call, places)
    return _listed(call, [await _with_code(call, place) for place in places])


async def _with_code(call: Call, place: Place) -> Place:
    try:
        file = await call.host.client.files.read(call.root, place.path, start=place.start, end=place.end)
    except NaestroError:  # it went since it was indexed
        return place
    lines = file.text.split("\n")
    return msgspec.structs.replace(
        place, text="\n".join(lines[: call.fitting([f"{one}\n" for one in lines])])
    )


def _listed(call: Call, places: list[Place]) -> Reply:
    rest = places[call.place :]
    count = call.fitting([place.text for place in rest])
    place = call.place + count
    spots = [Spot(one.path, one.start, one.end, one.text, one.name, one.kind) for one in rest[:count]]
    return _reply(Shown(spots, 0, call.cursor(place) if place < len(places) else ""))


def _reply(shown: Shown) -> Reply:
    parts = [_text(spot) for spot in shown.spots] or ["It defines nothing that is known here."]
    if shown.lines:
        parts.append(f"(of {shown.lines} lines)")
    if shown.next_cursor:
        parts.append(f"next_cursor: {shown.next_cursor}")
    return Reply(shown, "\n\n".join(parts))


def _text(spot: Lines) -> str:
    about = " ".join(filter(None, [spot.kind, spot.name])) if isinstance(spot, Spot) else ""
    return f"{spot.path}:{spot.start}-{spot.end} {about}".rstrip() + f"\n{spot.text}"


def _path(target: str) -> str:
    match = _TARGET.fullmatch(target)
    return target if match is None else match["path"]


def _some(places: list[Place], otherwise: str) -> list[Place]:
    if not places:
        raise NotInJournal(otherwise, hint="search_code finds names that are written differently.")
    return places


TOOL = Tool(
    name="read_code",
    title="Read code",
    description=(
        "Read lines of a file (span), what it defines (outline), a name's definition with its code (symbol), or "
        "where it is used (references)."
    ),
    toolset=READ,
    arguments=Arguments,
    reply=Shown,
    work=read_code,
    is_reading=True,
)
