"""What a person asked a run to do, as its `run.started` records it, checked.

The commands above turn it into the sentence that all roles read. It knows no file and no engine.
"""

import re

import msgspec

from naestro.council.verdict import Wants
from naestro.errors import InputError
from naestro.types import Json, Value

QUESTION_WORDS = frozenset({
    "are", "can", "could", "describe", "does", "explain", "how", "is", "summarise", "summarize",
    "what", "when", "where", "which", "who", "whose", "why",
})  # fmt: skip
"""A task that begins with one of these asks for words, not for a change."""
CHANGE_WORDS = frozenset({
    "add", "allow", "change", "convert", "correct", "create", "delete", "drop", "extend", "extract", "fix", "handle",
    "implement", "let", "make", "mend", "move", "optimise", "optimize", "refactor", "remove", "rename", "replace",
    "rewrite", "simplify", "speed", "split", "support", "turn", "update", "use", "write",
})  # fmt: skip
"""A task that begins with one of these asks for a change."""
_TARGET = re.compile(r"(?P<path>[^\s:#]+)(?::|#L)(?P<start>\d+)(?:-L?(?P<end>\d+))?")


class GivenCandidate(Value, frozen=True):
    """A candidate that a person brought."""

    name: str
    text: str


class Task(Value, frozen=True):
    """The arguments of a command of the council."""

    text: str = ""
    """The task; for `explain`, what to explain: a path, `path:12-40`, a name, or a question."""
    target: str = ""
    """The same for `explain`, under its own name."""
    files: list[str] = []
    """Files to read, besides those that the text names."""
    candidates: list[GivenCandidate] = []
    """For `judge`."""

    @property
    def words(self) -> str:
        """What the person typed."""
        return self.text.strip() or self.target.strip()

    @property
    def wants(self) -> Wants:
        """What it asks for, as far as its form tells: a small model that is offered both makes neither."""
        first = self.words.split(maxsplit=1)[0].strip(",.:").lower()
        if self.words.endswith("?") or first in QUESTION_WORDS:
            return "answer"
        return "change" if first in CHANGE_WORDS else "either"

    @classmethod
    def of(cls, raw: dict[str, Json]) -> "Task":
        """The task in `raw`. Raises `InputError` where it is empty or malformed."""
        try:
            task = msgspec.convert(raw, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"The task cannot be read: {error}.") from error
        if not task.words:
            raise InputError("The task is empty.", hint="Say in a few words what is wanted.")
        return task


class Named(Value, frozen=True):
    """Lines that a task names."""

    path: str
    start: int = 1
    end: int | None = None
    """None for the whole file."""


def named_ranges(text: str) -> list[Named]:
    """What of `text` may name a file, in order: words, and `path:12-40`. Whether the files exist is not known here."""
    found: list[Named] = []
    for word in text.split():
        bare = word if word == "." else word.lstrip("`'\"([<").rstrip("`'\")]>,;!?.:")
        if not bare:
            continue
        match = _TARGET.fullmatch(bare)
        if match:
            start = int(match["start"])
            found.append(Named(path=match["path"], start=start, end=int(match["end"] or start)))
        else:
            found.append(Named(path=bare))
    return found
