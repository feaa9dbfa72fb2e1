"""Where the lines of a search stand in a file: exactly once, or the patch is refused.

Whitespace-exact first. Then what models get wrong without meaning anything by it is forgiven, and noted: spaces at
line ends, blank lines around the search, all lines indented alike by more or less, the line numbers of the prompt
copied along, a fence around the lines. Each of these must still match once only. Pure functions over lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naestro.errors import PatchConflict
from naestro.policy.diff import compare

SHOWN_CHARS = 80
"""Of a line in a message."""

_NUMBERED = re.compile(r"^\s*(\d+)(?:[:|\t ]|$)")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[^`]*$")


@dataclass(frozen=True, slots=True)
class Match:
    """The one place of a search."""

    start: int
    """Index from 0 of the first line."""
    end: int
    """Index after the last line."""
    lines: list[str]
    """What takes their place; lines that stay are the file's own."""
    note: str
    """What was forgiven, or nothing."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read what the model wrote."""

    search: Sequence[str]
    replace: Sequence[str]
    note: str


def find(path: str, lines: Sequence[str], search: Sequence[str], replace: Sequence[str]) -> Match:
    """The one place of `search` in `lines`. Raises PatchConflict where there is none, or more than one."""
    for reading in _readings(search, replace):
        for places, note in _places(lines, reading):
            if len(places) > 1:
                numbers = ", ".join(str(start + 1) for start, _ in places[:5])
                raise PatchConflict(
                    f"{path}: the search text occurs {len(places)} times, at lines {numbers}.",
                    hint="Copy more lines around it, so that it occurs once.",
                )
            if places:
                return _match(lines, reading, places[0], note)
    raise PatchConflict(
        f"{path}: the search text was not found: {_why_missing(lines, search)}.",
        hint="Copy the lines exactly as they are in the file.",
    )


def _match(lines: Sequence[str], reading: _Reading, place: tuple[int, "_Shift"], note: str) -> Match:
    start, shift = place
    end = start + len(reading.search)
    notes = ", ".join(part for part in (reading.note, note) if part)
    return Match(start, end, _merged(lines[start:end], reading, shift), notes)


def _readings(search: Sequence[str], replace: Sequence[str]) -> Iterator[_Reading]:
    """What may be meant, the literal reading first."""
    yield _Reading(search, replace, "")
    head, tail = _blank_ends(search)
    if head or tail:
        kept_head, kept_tail = (min(a, b) for a, b in zip(_blank_ends(replace), (head, tail), strict=True))
        cut = replace[kept_head : len(replace) - kept_tail]
        yield _Reading(search[head : len(search) - tail], cut, "blank lines around it")
    if _is_fenced(search):
        inner = replace[1:-1] if _is_fenced(replace) else replace
        yield _Reading(search[1:-1], inner, "a fence around it")
    if _are_numbered(search):
        copied = set(search) if not all(_NUMBERED.match(line) for line in replace) else set(replace)
        plain = [_NUMBERED.sub("", line) if line in copied else line for line in replace]
        yield _Reading([_NUMBERED.sub("", line) for line in search], plain, "line numbers")


@dataclass(frozen=True, slots=True)
class _Shift:
    """How the file's lines are indented against the model's."""

    added: str = ""
    removed: str = ""

    def apply(self, line: str) -> str:
        """A line of the model as the file would indent it."""
        return self.added + line.removeprefix(self.removed) if line.strip() else line


def _places(lines: Sequence[str], reading: _Reading) -> Iterator[tuple[list[tuple[int, _Shift]], str]]:
    """The places of the search by each way of comparing, the strictest first."""
    search = list(reading.search)
    if not any(line.strip() for line in search):
        # Blank lines alone say too little to be found by anything but themselves.
        yield [(start, _Shift()) for start in _windows(lines, search)] if search else [], ""
        return
    yield [(start, _Shift()) for start in _windows(lines, search)], ""
    trimmed, wanted = [line.rstrip() for line in lines], [line.rstrip() for line in search]
    yield [(start, _Shift()) for start in _windows(trimmed, wanted)], "spaces at line ends"
    bare = [line.strip() for line in lines]
    shifted: list[tuple[int, _Shift]] = []
    for start in _windows(bare, [line.strip() for line in search]):
        shift = _shift(trimmed[start : start + len(wanted)], wanted)
        if shift:
            shifted.append((start, shift))
    yield shifted, "indentation"


def _windows(lines: Sequence[str], wanted: Sequence[str]) -> Iterator[int]:
    """Where `wanted` stands in `lines`, as indices from 0; places may overlap."""
    first, size = wanted[0], len(wanted)
    for start in range(len(lines) - size + 1):
        if lines[start] == first and list(lines[start : start + size]) == list(wanted):
            yield start


def _shift(found: Sequence[str], wanted: Sequence[str]) -> _Shift | None:
    """The one change of indentation that makes `wanted` of `found`, or None."""
    pairs = [(a, b) for a, b in zip(found, wanted, strict=True) if b]
    a, b = pairs[0]
    by = len(a) - len(b)
    shift = _Shift(added=a[:by]) if by >= 0 else _Shift(removed=b[:-by])
    is_uniform = all(shift.apply(b) == a and b.startswith(shift.removed) for a, b in pairs)
    return shift if is_uniform else None


def _merged(window: Sequence[str], reading: _Reading, shift: _Shift) -> list[str]:
    """The replacement in which each line that the model left alone is the file's own, to the last space."""
    merged: list[str] = []
    for is_equal, start, end, first, last in compare(reading.search, reading.replace):
        if is_equal:
            merged += window[start:end]
        else:
            merged += [shift.apply(line) for line in reading.replace[first:last]]
    return merged


def _blank_ends(lines: Sequence[str]) -> tuple[int, int]:
    """How many blank lines stand first and last; none where all are blank."""
    full = [index for index, line in enumerate(lines) if line.strip()]
    return (full[0], len(lines) - 1 - full[-1]) if full else (0, 0)


def _is_fenced(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and bool(_FENCE.match(lines[0])) and lines[-1].strip() in {"```", "~~~"}


def _are_numbered(lines: Sequence[str]) -> bool:
    """Whether each line begins with a number that is one more than the last."""
    numbers = [int(found[1]) for line in lines if (found := _NUMBERED.match(line))]
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(lines)))


def _why_missing(lines: Sequence[str], search: Sequence[str]) -> str:
    """What keeps the search from being found: its first line that is nowhere, or their order."""
    known = {line.strip() for line in lines}
    strange = next((line.strip() for line in search if line.strip() not in known), None)
    if strange is None:
        return "its lines are in the file, but not together and in this order"
    shown = strange if len(strange) <= SHOWN_CHARS else f"{strange[:SHOWN_CHARS]}..."
    return f"the file has no line {shown!r}"
