"""What the index answers, as every door shows it. Values only."""

from collections.abc import Sequence
from typing import Final

from naestro.types import Value

ONLY_MEANING: Final = "is close in meaning; says no word of the question"
"""Why a place was found where none says a word of the question."""
UNSAID: Final = "No word of the question was found: what is shown is close in meaning, at best."
"""The detail of such an answer."""


class Found(Value, frozen=True):
    """A place that a search found."""

    path: str
    """Relative to the workspace's root, with `/`."""
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    score: float
    """Larger is better; comparable within one search."""
    why: str
    """What it was found by, in words: `defines retry_policy; says retry, decide`."""
    text: str
    """The lines."""
    symbol: str = ""
    kind: str = ""
    language: str = ""


class SearchReply(Value, frozen=True):
    """The answer to one search."""

    results: list[Found]
    """The best first."""
    unseen_files: int = 0
    """Files that are in the workspace and not in the index yet, as far as is known."""
    unseen: list[str] = []
    """The first of them."""
    is_indexing: bool = False
    detail: str = ""
    """Why the index did not give it, in a sentence: `Searched by words alone: …`; empty where it did."""
    note: str = ""
    """What a person should know of an answer of the index, in a sentence: `No word of the question …`; mostly empty."""


def is_unsaid(results: Sequence[Found]) -> bool:
    """Whether only their meaning speaks for what was found."""
    return bool(results) and all(one.why == ONLY_MEANING for one in results)


class Place(Value, frozen=True):
    """Where a name is defined or used."""

    path: str
    start: int
    """First line, from 1."""
    end: int
    """Last line, inclusive."""
    kind: str
    """`function`, `class`, …; `reference` for a use."""
    name: str
    """Qualified where it is a definition."""
    text: str
    """The signature of a definition, the line of a use."""


class Match(Value, frozen=True):
    """A line that a regular expression matches."""

    path: str
    line: int
    """From 1."""
    text: str
    """The line, cut at 500 characters."""


class MapReply(Value, frozen=True):
    """The repository map."""

    text: str
    tokens: int
    """About how many tokens the text has."""
    files: int
    """How many files it shows."""
    files_in_all: int
    note: str = ""
    """What a person should know of it, in a sentence: that the first index is not complete yet; mostly empty."""


class IndexProgress(Value, frozen=True):
    """How far an index run is."""

    phase: str
    """`walking`, `parsing`, `writing`, `done`, `failed` or `waiting`."""
    files: int = 0
    """Files done."""
    files_in_all: int = 0
    chunks: int = 0
    seconds: float = 0.0
    """Since it began."""
    seconds_left: float | None = None
    detail: str = ""


class IndexStatus(Value, frozen=True):
    """What the index of a workspace holds now."""

    workspace: str
    files: int
    chunks: int
    skipped_files: int
    """Files that were seen and not taken in: binary, too large, minified, unreadable."""
    unseen_files: int
    embedder: str
    size_bytes: int
    """On the disk."""
    is_indexing: bool
    is_watching: bool
    updated: str
    """When the last run ended, ISO 8601; empty where none has."""
    detail: str = ""
    """What a person should know: a rebuild, a fallback, warnings."""
    skipped: dict[str, int] = {}
    """How many of the skipped files there are for each reason, in words."""
