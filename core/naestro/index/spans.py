"""Spans: lines of the workspace that speak of a task, and what finds them for the council.

`literal` finds them in the files as they are, `grounding` by the index; both give them as the person has the files.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from naestro.errors import WorkspaceError
from naestro.policy.diff import moved_lines, split_lines
from naestro.policy.workspace import Workspace
from naestro.types import Value

SPAN_LINES_MAX = 40
"""Lines of one span: a screen, and some 400 tokens."""
SPANS_PER_FILE_MAX = 4
"""Spans of one file, so that a long one does not push all others out; a named file may have twice as many."""
GAP_LINES_MAX = 2
"""Lines between two spans of a file that are shown rather than parted."""
AROUND_LINES = 12
"""Lines shown around one that the task names."""
NAMED_SCORE = 100.0
"""Above every score by words."""
TOKENS_MAX = 8192
"""Tokens of all spans together: more than any small model's context takes."""
CHARS_PER_TOKEN = 3
"""Of code, cautiously."""


class Span(Value, frozen=True):
    """Lines of a file that speak of a task."""

    path: str
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    text: str
    why: str
    """What it was found by."""
    score: float
    """Larger is better; comparable within one search."""


class Searcher(Protocol):
    """Finds places for a task. `files` is the workspace as the person has it, unsaved buffers included; None: the disk.

    With buffers it is to be asked in a worker thread.
    """

    def search(self, query: str, limit: int, files: Workspace | None = None) -> list[Span]:
        """At most `limit` spans, the best first, with the lines as `files` has them."""
        ...

    def defining(self, name: str) -> Iterable[str]:
        """Paths of files that define `name`, a bare one, the likeliest first."""
        ...


def as_seen(spans: Iterable[Span], disk: Workspace, files: Workspace) -> Iterator[Span]:
    """Spans of the disk as `files` has them now; without those that are gone there."""
    opened: dict[str, tuple[list[str], list[str]] | None] = {}
    for span in spans:
        if span.path not in opened:
            opened[span.path] = _both(disk, files, span.path)
        texts = opened[span.path]
        if texts is None:
            continue
        start, end = moved_lines(*texts, span.start, span.end)
        if start <= end:
            text = "\n".join(line.removesuffix("\n") for line in texts[1][start - 1 : end])
            yield msgspec.structs.replace(span, start=start, end=end, text=text)


def _both(disk: Workspace, files: Workspace, path: str) -> tuple[list[str], list[str]] | None:
    """The lines of a file on the disk and for the person; None where it cannot be read any more."""
    try:
        return split_lines(disk.read(path).text), split_lines(files.read(path).text)
    except WorkspaceError:
        return None


def fitting(spans: Sequence[Span], limit: int) -> list[Span]:
    """The best spans within `limit` and TOKENS_MAX."""
    chosen: list[Span] = []
    left = TOKENS_MAX * CHARS_PER_TOKEN
    for span in spans[:limit]:
        left -= len(span.text)
        if left < 0:
            break
        chosen.append(span)
    return chosen


def told(spans: Sequence[Span], what: str) -> list[Span]:
    """The spans; the last one says `what`, too."""
    if not spans:
        return []
    return [*spans[:-1], msgspec.structs.replace(spans[-1], why=f"{spans[-1].why}; {what}")]
