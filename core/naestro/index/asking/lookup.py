"""Where a name is defined and used, and what a file defines.

Names come from the manifest, lines from the files as they are, so that no line is shown that is not there any more; an
outline is made of the text as it is now, unsaved text before the disk's. `workspace_index` asks; below lie the
manifest, `parse` and the workspace. It knows no table and no question in words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from naestro.errors import InputError, WorkspaceError
from naestro.index.asking.overlay import admitted
from naestro.index.asking.places import place_of
from naestro.index.files.manifest_names import Names
from naestro.index.found import Place
from naestro.index.parsing.parse import parse_file
from naestro.index.parsing.parsed import Definition
from naestro.policy.workspace import Workspace

NAME_CHARS_MAX: Final = 300
"""Characters of a name that is asked for."""
SAME_NAME_MAX: Final = 1000
"""Definitions of one name that are weighed: `get` has so many."""
LINE_CHARS_MAX: Final = 500
"""Characters of a line or a signature that are shown."""
KINDS: Final = ("class", "interface", "struct", "function", "method")
"""In this order where one name is several things; all others stand behind them, headings last."""

Defined: TypeAlias = tuple[str, Definition]
"""A definition with the path of its file."""

_SEPARATORS = re.compile(r"::|->|[#/\\]")
_LIKE_SIGNS = re.compile(r"[%_\\]")


def symbol(names: Names, name: str, limit: int = 50) -> list[Place]:
    """Where `name` is defined: bare (`append`), in its scope (`Journal.append`) or with its module before it.

    Upper and lower case count where that finds anything; where nothing has the name, what begins with it, ends with it
    or holds it.
    Code comes before tests, documents and foreign files. Raises `InputError` for what is no name.
    """
    wanted = _normal(name)
    bare = wanted.rpartition(".")[2]
    found = _closest(names.named(bare, SAME_NAME_MAX), wanted)
    pattern = _LIKE_SIGNS.sub(r"\\\g<0>", bare)
    for around in (f"{pattern}%", f"%{pattern}", f"%{pattern}%"):
        found = found or names.like(around, limit)
    return [_place(path, one) for path, one in sorted(found, key=_order)[:limit]]


def references(names: Names, workspace: Workspace, name: str, limit: int = 200) -> list[Place]:
    """Where the bare part of `name` is used, code before tests; its definitions are not among them.

    Raises `InputError` for what is no name.
    """
    bare = _normal(name).rpartition(".")[2]
    using = names.using(bare)
    if not using:
        spelled = dict.fromkeys(one.name for _, one in names.named(bare, SAME_NAME_MAX) if one.name != bare)
        using = [pair for other in spelled for pair in names.using(other)]
        bare = next(iter(spelled), bare)
    places: list[Place] = []
    rules = workspace.ignores()
    for path, numbers in sorted(using, key=lambda pair: (bool(place_of(pair[0])), pair[0])):
        try:
            lines = workspace.read(path, rules).lines
        except WorkspaceError:
            continue
        places += _uses(path, numbers, lines, bare)
        if len(places) >= limit:
            break
    return places[:limit]


def outline(workspace: Workspace, path: str, buffers: Mapping[str, str | None] = {}) -> list[Place]:
    """What the file at `path` defines, from its top to its end, as its unsaved text or the disk has it.

    Raises `WorkspaceError` for a file that may not be read or is not there.
    """
    named = workspace.relative(path)
    text = (
        admitted(workspace, {named: buffers[named]})[named]
        if named in buffers
        else workspace.read(named).text
    )
    return [_place(named, one) for one in parse_file(named, text).definitions]


def _normal(name: str) -> str:
    """The name as it is qualified here: with dots, without a call's brackets."""
    wanted = _SEPARATORS.sub(".", name.strip().removesuffix("()")).strip(".")
    if not wanted or len(wanted) > NAME_CHARS_MAX or any(sign.isspace() for sign in wanted):
        raise InputError(
            f"{name[:80]!r} is no name.", hint="Give a name as the code writes it: append, Journal.append."
        )
    return wanted


def _closest(found: Sequence[Defined], wanted: str) -> list[Defined]:
    """The definitions that are `wanted` as it is written, else in whatever case, else by their bare name."""
    bare = wanted.rpartition(".")[2]
    exact = [pair for pair in found if _qualified(*pair).endswith(f".{wanted}")]
    if exact:
        return exact
    alike = [pair for pair in found if _qualified(*pair).lower().endswith(f".{wanted.lower()}")]
    return alike or [pair for pair in found if pair[1].name == bare] or list(found)


def _qualified(path: str, one: Definition) -> str:
    """The name with everything that it lies in: `.naestro.runs.journal.Journal.append`."""
    module = path.rpartition(".")[0].removesuffix("/__init__") or path
    return f".{module.replace('/', '.')}.{_SEPARATORS.sub('.', one.qualified)}"


def _order(pair: Defined) -> tuple[bool, int]:
    path, one = pair
    rank = KINDS.index(one.kind) if one.kind in KINDS else len(KINDS) + (one.kind == "section")
    return bool(place_of(path)), rank


def _place(path: str, one: Definition) -> Place:
    text = one.signature[:LINE_CHARS_MAX]
    return Place(path=path, start=one.start, end=one.end, kind=one.kind, name=one.qualified, text=text)


def _uses(path: str, numbers: Sequence[int], lines: Sequence[str], name: str) -> Iterator[Place]:
    """The lines that still hold the name; the file may be another one by now."""
    for number in numbers:
        if number <= len(lines) and name.lower() in lines[number - 1].lower():
            text = lines[number - 1].strip()[:LINE_CHARS_MAX]
            yield Place(path=path, start=number, end=number, kind="reference", name=name, text=text)
