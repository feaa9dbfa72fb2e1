"""What a task asks for, as a literal search can look for it: words, identifiers, and files that it names.

Words are cut to their stem and identifiers into their parts, so that `numbered events` finds `event_number`. Pure
functions over text; `literal` above looks the terms up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

TERMS_MAX = 24
"""Terms of one task that are looked for; a longer task repeats itself, and each term costs time."""

STOP_WORDS = frozenset(
    """
    a about above add after all also am an and any are as at be because been before being below between both but by
    bug can change class code could create did do does doing done down each explain few file find fix for from
    function further get give had has have having he her here hers him his how i if implement in into is it its
    itself just let like line lines make me method module more most my need new no nor not now of off on once only or
    other our out over own please refactor rewrite same she should show so some such task tell than that the their
    them then there these they this those through to too under until up update us use used uses using very want was
    we were what when where which while who whom why will with work works would write you your
    """.split()  # noqa: SIM905 - a list of 150 quoted words is harder to read
)
"""Words that say how is asked, not what for."""

_WORD = re.compile(
    r"[A-Za-z][A-Za-z0-9]*(?:_+[A-Za-z0-9]+)*(?!\w)|_+[A-Za-z0-9_]+(?!\w)|(?<![\w.:/-])\d{2,}(?!\w)|[^\W\d_]\w*"
)
"""A name or word of English; a number that is no place in a file; a word of any other language."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PATH = re.compile(
    r"(?<![\w/.-])((?:[\w.-]+/)*[\w.-]*\w\.\w{1,8}|(?:[\w.-]+/)+[\w.-]*)(?::(\d+)(?:-(\d+))?)?"
)
_FILE_ENDING = re.compile(r"(?<=\w)\.[A-Za-z]{1,4}\b")
"""The `.py` of a file that a task names: it would be found in every path."""
_ENDINGS = ("ies", "ied", "ings", "ing", "ed", "es", "s")
STEM_CHARS_MIN = 4
"""A shorter stem begins too many other words."""
SUFFIX_CHARS_MAX = 5
"""Letters that may follow a stem: `number`, `numbering`, but not `journal`, `journalism`."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, module or place that a task names."""

    name: str
    """As written: `runs/journal.py`, `naestro.runs.journal`."""
    start: int | None = None
    """First line, from 1, where the task names lines."""
    end: int | None = None

    def is_path(self, path: str) -> bool:
        """Whether `path`, relative to the root, is what was named."""
        wanted = self.name.strip("./")
        dotted = path.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")
        return path == wanted or path.endswith(f"/{wanted}") or f".{dotted}".endswith(f".{wanted}")


@dataclass(frozen=True)
class Terms:
    """What to look for."""

    words: tuple[str, ...]
    """Stems in lower case, in the order of the task."""
    identifiers: frozenset[str]
    """Names as the task writes them, that only code has: `event_number`, `JournalLocked`."""
    named: tuple[NamedFile, ...]
    written: Mapping[str, str]
    """Each stem as the task first writes its word, in lower case."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds each place where a word may begin."""
        return re.compile("|".join(map(re.escape, sorted(self.words, key=len, reverse=True))), re.IGNORECASE)

    @cached_property
    def names(self) -> re.Pattern[str] | None:
        """Finds the identifiers whole, or None where there are none."""
        if not self.identifiers:
            return None
        return re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(self.identifiers)))})\b")


def terms_of(task: str) -> Terms:
    """The terms of a task."""
    words: dict[str, str] = {}
    identifiers: dict[str, None] = {}
    for word in _WORD.findall(_FILE_ENDING.sub("", task)):
        parts = _PART.findall(word) if word.isascii() else [word]
        if len(parts) > 1:
            identifiers[word] = None
        for part in parts:
            if part.lower() not in STOP_WORDS and len(part) > 1:
                words.setdefault(stem(part), part.lower())
    named = tuple(dict.fromkeys(_named(task)))
    return Terms(tuple(words)[:TERMS_MAX], frozenset(list(identifiers)[:TERMS_MAX]), named, words)


def stem(word: str) -> str:
    """What stays of a word when it is bent: `numbers` and `numbering` give `number`."""
    text = word.lower()
    for ending in _ENDINGS:
        if text.endswith(ending) and len(text) - len(ending) >= STEM_CHARS_MIN and not text.endswith("ss"):
            return _undoubled(text.removesuffix(ending))
    return text


def _undoubled(text: str) -> str:
    """`cancell` as `cancel`: English doubles a consonant before an ending."""
    return text[:-1] if text[-1] == text[-2] and text[-1] not in "aeious" else text


def hits(terms: Terms, text: str) -> list[tuple[int, str]]:
    """Where the words stand in `text`, as `(offset, word)` in order: at the beginning of a word or of a part of one."""
    if not terms.words:
        return []
    return [
        (found.start(), found[0].lower())
        for found in terms.pattern.finditer(text)
        if _begins(text, found.start()) and _ends(text, found)
    ]


def _begins(text: str, at: int) -> bool:
    before = text[at - 1 : at]
    if text[at].isdigit():
        return not before.isdigit()
    return not before.isalpha() or (before.islower() and text[at].isupper())


def _ends(text: str, found: re.Match[str]) -> bool:
    """Whether the word ends soon after its stem; a short stem has to be the word itself, or its plural."""
    at, most = found.end(), SUFFIX_CHARS_MAX if len(found[0]) >= STEM_CHARS_MIN else 1
    if found[0][-1].isdigit():
        return not text[at : at + 1].isdigit()
    rest = 0
    while at + rest < len(text) and text[at + rest].islower() and rest <= most:
        rest += 1
    return rest <= most


def _named(task: str) -> list[NamedFile]:
    found: list[NamedFile] = []
    for name, start, end in _PATH.findall(task):
        first = int(start) if start else None
        found.append(NamedFile(name.rstrip("."), first, int(end) if end else first))
    return found
