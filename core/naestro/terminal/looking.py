"""`naestro search`, `map`, `symbol`, `grep` and `outline`: questions to the code index, and their answers on stdout.

Each function asks once and prints what came: JSON for programs, drawn in a terminal, plain text elsewhere. Notes on an
answer go to stderr. Below stand the client and `found`, which draws the code.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from naestro.client.api import Match, Only, Place, SearchReply, is_pattern
from naestro.client.indexing import (
    NAME_CHARS_MAX,
    PATTERN_CHARS_MAX,
    PLACES_MAX,
    QUERY_CHARS_MAX,
    check_text,
)
from naestro.errors import InputError, OutsideWorkspace, WorkspaceError
from naestro.policy.workspace import Workspace
from naestro.terminal import found
from naestro.terminal.connection import open_indexing
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json, wide_console
from naestro.terminal.streams import say
from naestro.terminal.text import counted, one_line, printable

TEXT_COLUMNS = 20
"""Columns beside a place that its text is worth."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, where, and how the answer is told."""

    folder: Path
    as_json: bool
    is_remote: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of what was found is shown."""

    limit: int
    lines: int
    """Of each result."""
    below: str | None = None
    """A file, folder or pattern as the person typed it: only results in it."""
    language: str | None = None
    """Only results in it."""


async def search(asked: Asked, query: str, shown: Shown) -> int:
    """Print the places that answer `query`."""
    check_text("question", query, QUERY_CHARS_MAX)
    only = Only(_within(asked.folder, shown.below or ""), shown.language or "").checked()
    async with open_indexing(is_remote=asked.is_remote) as index:
        reply = await index.search(str(asked.folder), query, limit=shown.limit, only=only)
    if asked.as_json:
        print_json(reply)
        return Exit.OK
    _print_found(reply, query, shown.lines)
    if not reply.results:
        among = f" in {one_line(only.path)}" if only.path else ""
        among += f" in {only.language}" if only.language else ""
        print(f"Nothing was found for '{one_line(query, 80)}'{among}.")
    for note in found.notes(reply):
        say(f"note: {note}")
    return Exit.OK


def _print_found(reply: SearchReply, query: str, lines: int) -> None:
    console = Console()
    if not console.is_terminal:
        for line in found.plain(reply.results, query, lines):
            print(line)
        return
    for part in found.drawn(reply.results, query, lines):
        console.print(part)


async def show_map(asked: Asked, budget_tokens: int, question: str) -> int:
    """Print the repository map."""
    if question:
        check_text("question", question, QUERY_CHARS_MAX)
    async with open_indexing(is_remote=asked.is_remote) as index:
        reply = await index.map(str(asked.folder), budget_tokens=budget_tokens, question=question)
    if asked.as_json:
        print_json(reply)
    elif not reply.text.strip():
        print("There is nothing to map: no file with a definition is indexed; run `naestro index`.")
    else:
        print(printable(reply.text.rstrip("\n")))
        say(f"note: {reply.files:,} of {reply.files_in_all:,} files, about {reply.tokens:,} tokens")
        if reply.note:
            say(f"note: {reply.note}")
    return Exit.OK


async def show_symbol(asked: Asked, name: str, *, with_references: bool, limit: int) -> int:
    """Print where a name is defined and, if wanted, used."""
    check_text("name", name, NAME_CHARS_MAX)
    root, most = str(asked.folder), _one_more(limit)
    uses: list[Place] = []
    namesakes: list[Place] = []
    async with open_indexing(is_remote=asked.is_remote) as index:
        found = await index.symbol(root, name, limit=most)
        if with_references:
            uses = await index.references(root, name, limit=most)
            namesakes = await index.symbol(root, _bare(name), limit=PLACES_MAX) if uses else []
    is_cut = _is_cut(found, limit) or _is_cut(uses, limit)
    others = len(namesakes) - len(found) if not _is_cut(found, limit) else 0
    defined, uses = found[:limit], uses[:limit]
    if asked.as_json:
        print_json({"definitions": defined, **({"references": uses} if with_references else {})})
        return Exit.OK
    _print_places(defined)
    if uses:
        print("\nused in" if defined else "used in")
        _print_places(uses)
    if not defined and not uses:
        print(f"Nothing is called '{one_line(name, 80)}' in the index.")
    if defined and not any(_is_called(place, name) for place in defined):
        say(f"note: nothing is called '{one_line(name, 80)}'; these names hold it")
    if others > 0:
        bare = one_line(_bare(name), 80)
        say(f"note: uses go by '{bare}' alone, which is defined in {counted(others, 'other place')} too")
    if is_cut:
        say(_first(limit))
    return Exit.OK


async def show_outline(asked: Asked, path: str) -> int:
    """Print what a file defines."""
    within = _from_root(asked.folder, path)
    if (asked.folder / path).is_dir():
        raise InputError(f"{one_line(path) or '.'} is a folder.", hint="Name one of its files.")
    async with open_indexing(is_remote=asked.is_remote) as index:
        places = await index.outline(str(asked.folder), within)
    if asked.as_json:
        print_json({"places": places})
    elif not places:
        print(f"{one_line(within)} defines nothing that is known by name.")
    else:
        _print_outline(places)
    return Exit.OK


async def grep(asked: Asked, pattern: str, limit: int) -> int:
    """Print the lines that match."""
    check_text("regular expression", pattern, PATTERN_CHARS_MAX, is_blank_allowed=True)
    async with open_indexing(is_remote=asked.is_remote) as index:
        found = await index.grep(str(asked.folder), pattern, limit=_one_more(limit))
    matches = found[:limit]
    if asked.as_json:
        print_json({"matches": matches})
        return Exit.OK
    if not matches:
        print(f"No line matches '{one_line(pattern, 80)}'.")
    _print_matches(matches)
    if _is_cut(found, limit):
        say(_first(limit))
    return Exit.OK


def _one_more(limit: int) -> int:
    """What is asked for, so that it is known whether there is more than is shown."""
    return min(limit + 1, PLACES_MAX)


def _is_cut(found: Sequence[object], limit: int) -> bool:
    """Whether there is, or may be, more than `limit`."""
    return len(found) > limit or len(found) == PLACES_MAX


def _bare(name: str) -> str:
    """The last part of a name: `append` of `Journal.append()`."""
    return (re.findall(r"\w+", name) or [name])[-1]


def _first(limit: int) -> str:
    return f"note: these are the first {limit:,}; --limit gives more"


def _is_called(place: Place, name: str) -> bool:
    """Whether a definition has the last part of `name` as its own, in whatever case."""
    parts = re.findall(r"\w+", name.lower())
    return bool(parts) and re.findall(r"\w+", place.name.lower())[-1:] == parts[-1:]


def _print_places(places: Sequence[Place]) -> None:
    """One line for each; where hardly any of its text would be seen, the text stands below the place."""
    console = wide_console()
    for place in places:
        where = Text(f"{one_line(place.path)}:{place.start}", style="cyan")
        said = Text.assemble("  ", (_kind(place), "dim"), _said(place))
        if where.cell_len + min(said.cell_len, TEXT_COLUMNS) > console.width:
            # Folded by the terminal, a place is copied as a whole.
            console.print(where, soft_wrap=True)
            where = Text()
        console.print(where + said, overflow="ellipsis", no_wrap=True)


def _print_outline(places: Sequence[Place]) -> None:
    console = wide_console()
    width = len(str(places[-1].start))
    for place in places:
        inner = "  " * place.name.count(".")
        line = Text.assemble(
            (f"{place.start:>{width}}", "dim"),
            f"  {inner}",
            (_kind(place), "dim"),
            _said(place),
        )
        console.print(line, overflow="ellipsis", no_wrap=True)


def _kind(place: Place) -> str:
    """What a place is, in front of its text; empty where the text begins with it, or it is a use."""
    is_said = place.kind == "reference" or _said(place).startswith(f"{place.kind} ")
    return "" if is_said else f"{place.kind} "


def _said(place: Place) -> str:
    return one_line(place.text or place.name)


def _print_matches(matches: Sequence[Match]) -> None:
    console = Console(soft_wrap=True)
    for match in matches:
        line = Text.assemble((one_line(match.path), "cyan"), ":", (str(match.line), "green"), ":")
        console.print(line.append(printable(match.text.rstrip())))


def _within(folder: Path, typed: str) -> str:
    """A file, folder or pattern that a person typed, from the workspace's root."""
    if not typed or os.path.exists(folder / typed) or not is_pattern(typed):  # noqa: PTH110  the method fails where a name is too long
        return _from_root(folder, typed) if typed else ""
    below = folder.relative_to(Workspace.find(folder).root).as_posix()
    if below == "." or typed.startswith("/"):
        return typed
    return f"{below}/{typed}" if "/" in typed else f"{below}/**/{typed}"


def _from_root(folder: Path, name: str) -> str:
    """A file or folder that a person typed, from the workspace's root; empty for the root itself."""
    root = Workspace.find(folder).root
    place = Path(os.path.normpath(folder / name))
    if not place.is_relative_to(root):
        raise OutsideWorkspace(f"{one_line(name)} lies outside the workspace {root}.")
    try:
        place.stat()
    except PermissionError as error:
        raise WorkspaceError(f"{one_line(name)} cannot be read: {error.strerror}.") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no {one_line(name, 200)}.", hint="Name a file or folder of the workspace."
        ) from error
    return "" if place == root else place.relative_to(root).as_posix()
