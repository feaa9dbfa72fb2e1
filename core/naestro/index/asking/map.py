"""The repository map: the files that the rest leans on, each by the signatures of its most important definitions.

In at most so many tokens, about a question where there is one, so that a model sees the whole before the part. What it
shows are lines of the workspace's files: data, whatever they say. `workspace_index` brings the names; `graph` says what
is important. Pure functions over values: equal files give equal maps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from naestro.index.asking.graph import OTHER_PLACE_WEIGHT, Graph, graph_of, leant_on, ranks
from naestro.index.asking.places import place_of
from naestro.index.files.manifest_names import FileNames
from naestro.index.found import Found, MapReply
from naestro.index.parsing.parsed import Definition

BUDGET_MAX_TOKENS: Final = 100_000
"""Of one map: more than any model reads well."""
CHARS_PER_TOKEN: Final = 3
"""Of code, cautiously."""
SIGNATURE_CHARS_MAX: Final = 160
"""Characters of a signature that are shown."""
OWN_SHARE: Final = 0.2
"""Of a file's weight that all its definitions share, used by others or not."""
FOUND_WEIGHT: Final = 2.0
"""Of a definition that the search found, against the most important one."""
OUTER_KINDS: Final = frozenset({"function", "method", "section"})
"""What lies within one of these is not shown: a function in a function is nobody else's."""


@dataclass(slots=True)
class _Shown:
    """A file with those of its definitions that are shown."""

    file: FileNames
    definitions: set[int] = field(default_factory=set[int])
    """Positions in the file."""


def repository_map(files: Iterable[FileNames], budget_tokens: int, found: Sequence[Found] = ()) -> MapReply:
    """The map of `files`, sorted by path, in at most `budget_tokens`; `found` is what a search for a question gave.

    Files stand in the order of their importance, their definitions in the order of their lines, each with its line.
    """
    focus: dict[str, float] = {}
    for one in found:
        focus[one.path] = focus.get(one.path, 0.0) + max(one.score, 0.0)
    graph = graph_of(files)
    left = min(budget_tokens, BUDGET_MAX_TOKENS) * CHARS_PER_TOKEN
    shown: dict[int, _Shown] = {}
    for position, definition in _by_importance(graph, focus, found):
        entry = shown.get(position) or _Shown(graph.files[position])
        new = _with_scopes(entry.file.definitions, definition) - entry.definitions
        cost = sum(len(_line(entry.file.definitions, at)) + 1 for at in new)
        cost += 0 if position in shown else len(entry.file.path) + 2
        if cost > left:
            break
        left -= cost
        entry.definitions |= new
        shown[position] = entry
    text = "\n\n".join(map(_entry, shown.values()))
    return MapReply(
        text=text,
        tokens=-(-len(text) // CHARS_PER_TOKEN),
        files=len(shown),
        files_in_all=len(graph.files),
    )


def _by_importance(graph: Graph, focus: dict[str, float], found: Sequence[Found]) -> list[tuple[int, int]]:
    """Definitions as positions of file and of definition in it, the most important first."""
    rank = ranks(graph, focus)
    worth = leant_on(graph, rank)
    scores: dict[tuple[int, int], float] = {}
    for position, file in enumerate(graph.files):
        shown = _outer(file.definitions)
        factor = OTHER_PLACE_WEIGHT if place_of(file.path) else 1.0
        same: dict[str, int] = {}
        for at in shown:
            same[file.definitions[at].name] = same.get(file.definitions[at].name, 0) + 1
        for at in shown:
            name = file.definitions[at].name
            own = OWN_SHARE * float(rank[position]) / len(shown)
            scores[position, at] = factor * (worth.get((position, name), 0.0) / same[name] + own)
    _raise_found(scores, graph.files, found)
    return sorted(scores, key=lambda key: (-scores[key], key))


def _raise_found(
    scores: dict[tuple[int, int], float], files: Sequence[FileNames], found: Sequence[Found]
) -> None:
    """Add to the definitions that the search found, the best the most."""
    best = max((one.score for one in found), default=0.0)
    top = max(scores.values(), default=0.0)
    if best <= 0 or top <= 0:
        return
    position_of = {file.path: position for position, file in enumerate(files)}
    for one in found:
        position = position_of.get(one.path, -1)
        for at, definition in enumerate(files[position].definitions if position >= 0 else ()):
            if (position, at) in scores and one.start <= definition.start <= one.end:
                scores[position, at] += FOUND_WEIGHT * top * max(one.score, 0.0) / best


def _outer(definitions: Sequence[Definition]) -> list[int]:
    """Positions of the definitions that lie in no function; sorted by line, as they come."""
    outer: list[int] = []
    closed = 0
    for at, one in enumerate(definitions):
        if one.start > closed:
            outer.append(at)
            if one.kind in OUTER_KINDS:
                closed = one.end if one.kind != "section" else closed
    return outer


def _with_scopes(definitions: Sequence[Definition], at: int) -> set[int]:
    """The definition with those that it lies in."""
    one = definitions[at]
    around = (
        position
        for position, scope in enumerate(definitions[:at])
        if scope.start <= one.start and one.end <= scope.end and scope.kind != "section"
    )
    return {at, *around}


def _entry(shown: _Shown) -> str:
    """A file as the map has it."""
    lines = [_line(shown.file.definitions, at) for at in sorted(shown.definitions)]
    return "\n".join([shown.file.path, *lines])


def _line(definitions: Sequence[Definition], at: int) -> str:
    """A definition's line: its number, and its signature, set in by what it lies in."""
    one = definitions[at]
    depth = len(_with_scopes(definitions, at)) - 1
    signature = "".join(sign if sign.isprintable() else " " for sign in one.signature[:SIGNATURE_CHARS_MAX])
    return f"{one.start:>6} {'  ' * depth}{signature.strip()}"
