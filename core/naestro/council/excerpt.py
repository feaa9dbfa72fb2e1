"""Which lines of a file to show when there is no room for all: those that tell a reader most.

Small models on a small machine read some hundred tokens in the time that a person waits, so a file is shown by its
head, its definitions and the lines that speak of the task, in their order, with their own numbers. Pure functions
over lines; `context` above decides how much room there is. What a search finds comes as spans, cut already.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from naestro.council.budget import estimate_tokens
from naestro.tools.places import PIECE_LINES

HEAD_LINES = 12
"""A module says in its first lines what it is for."""
NEAR_LINES = 2
"""Lines shown around one that speaks of the task."""
RARE_LINES = 5
"""A word that more lines have (or more than a twentieth of them) is no hint of where to look."""
WORD_CHARS_MIN = 4
"""Shorter words of a task (`the`, `is`) are everywhere."""

_DEFINITION = re.compile(
    r"^(?P<indent>\s*)(?:export\s+|pub(?:\(\w+\))?\s+|public\s+|private\s+|static\s+|async\s+|default\s+|abstract\s+)*"
    r"(?:def|class|function|func|fn|struct|enum|trait|impl|interface|type|module|namespace)\s+\w"
)
_IMPORT = re.compile(r"^(?:import|from|using|#include|use|require)\b")
_CONSTANT = re.compile(r"^[A-Z][A-Z0-9_]{2,}\b.*=")
_WORD = re.compile(r"[A-Za-z_]\w+")


def words_of(task: str) -> set[str]:
    """The words of a task that are worth looking for, in lower case."""
    return {word.lower() for word in _WORD.findall(task) if len(word) >= WORD_CHARS_MIN}


def excerpt(
    lines: Sequence[str], room_tokens: int, words: Iterable[str] = (), range_tokens: int = 0
) -> list[tuple[int, int]]:
    """The ranges of `lines`, numbered from 1 and inclusive, that fit in about `room_tokens`, best first chosen.

    The whole file where it fits; nothing where there is no room for a single line. `range_tokens` is what a range
    costs besides its lines.
    """
    costs = [estimate_tokens(line) for line in lines]
    if sum(costs) + range_tokens * (1 + len(lines) // PIECE_LINES) <= room_tokens:
        return [(1, len(lines))] if lines else []
    chosen: set[int] = set()
    left = room_tokens
    for group in _ranked(lines, _rare(lines, words)):
        new = [number for number in group if number not in chosen]
        is_apart = not chosen.intersection(range(group[0] - NEAR_LINES, group[-1] + NEAR_LINES + 1))
        cost = sum(costs[number - 1] for number in new) + range_tokens * is_apart
        if cost <= left:
            chosen.update(new)
            left -= cost
    blank = {number for number, line in enumerate(lines, 1) if not line.strip()}
    return _ranges(chosen, blank)


def _rare(lines: Sequence[str], words: Iterable[str]) -> set[str]:
    """Those of `words` that a few lines have: one that stands everywhere tells nothing."""
    found = Counter(word for line in lines for word in {one.lower() for one in _WORD.findall(line)})
    most = max(RARE_LINES, len(lines) // 20)
    return {word for word in words if 0 < found[word] <= most}


def _ranked(lines: Sequence[str], words: set[str]) -> list[list[int]]:
    """Groups of line numbers that belong together, the most telling first."""
    scored: list[tuple[int, int, list[int]]] = []
    for number, line in enumerate(lines, 1):
        score, group = _score(lines, number, line, words)
        if score:
            scored.append((score, -number, group))
    scored.sort(reverse=True)
    groups = [group for _, _, group in scored]
    body = [[number] for number, line in enumerate(lines, 1) if line.strip() and not _IMPORT.match(line)]
    return groups + body


def _score(lines: Sequence[str], number: int, line: str, words: set[str]) -> tuple[int, list[int]]:
    spoken = len(words & {word.lower() for word in _WORD.findall(line)})
    if definition := _DEFINITION.match(line):
        depth = min(len(definition["indent"]) // 4, 2)
        return 8 - 2 * depth + 4 * min(spoken, 2), _definition(lines, number)
    if number <= HEAD_LINES and line.strip() and not _IMPORT.match(line):
        return 9, [number]
    if spoken:
        near = range(max(1, number - NEAR_LINES), min(len(lines), number + NEAR_LINES) + 1)
        return 7 + 2 * min(spoken, 3), list(near)
    return (1, [number]) if _CONSTANT.match(line) else (0, [])


def _definition(lines: Sequence[str], number: int) -> list[int]:
    """A definition's line, and the line below it where that explains it."""
    below = lines[number].lstrip() if number < len(lines) else ""
    is_explained = below.startswith(('"""', "'''", 'r"""', "//", "/*", "#"))
    return [number, number + 1] if is_explained else [number]


def _ranges(numbers: Iterable[int], blank: set[int]) -> list[tuple[int, int]]:
    """The ranges that `numbers` make; one blank line does not part what it stands between."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        is_near = bool(ranges) and (
            number <= ranges[-1][1] + 1 or set(range(ranges[-1][1] + 1, number)) <= blank
        )
        if is_near:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
