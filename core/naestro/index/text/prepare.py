"""The words of a chunk and of a question, as full-text search compares them.

An identifier counts as a whole, in lower case and without its underscores, and by its parts: `RetryPolicy` and
`retry_policy` are both `retrypolicy retry policy`. Words are cut to their stems. `store` keeps what `prepared` gives
and lets LanceDB split it at the spaces; `rank` counts terms in it. Pure functions over text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from naestro.index.parsing.parsed import Chunk
from naestro.index.text.stems import stem
from naestro.index.text.words import counted, words_of

NAME_TIMES = 3
"""How often a name that the chunk defines is counted, beside its place in the text."""
SYMBOL_TIMES = 1
"""How often what the chunk lies in is counted: the class of a method."""
PATH_TIMES = 2
"""How often the file's name is counted; a folder's is counted once."""
TERM_CHARS_MAX = 64
"""A longer word is a hash or encoded data, nothing that anybody asks for."""
TERM_COUNT_MAX = 12
"""A term counts no oftener than that: BM25 is flat by then, and a table of data would fill the index."""

STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does doing for from had has have having he her here him his how
    i if in into is it its me my no nor not of on or our she should so such than that the their them then there these
    they this those to too us was we were what when where which while who whom why will with would you your
    self cls def return returns none true false else elif var let const
    """.split()  # noqa: SIM905 - a list of quoted words is harder to read
)
"""Words that every chunk holds; they are neither stored nor looked for."""
QUESTION_WORDS = frozenset(
    """
    about all also any anything because being decide decided explain find give happen happens implementation
    implemented implement just know located like make makes me need please show some tell used uses using very
    want way work works
    """.split()  # noqa: SIM905 - a list of quoted words is harder to read
)
"""Words that say how is asked, not what for; a question that holds nothing else keeps them."""
NAMED_KINDS = frozenset({"code", "codes", "list", "lists"})
"""Words that say what for only behind one that does: `error code`, `linked list`, but not `the code that lists`."""

_HYPHENED = re.compile(r"\w+(?:-\w+)+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
_ENDING = re.compile(r"\.\w{1,8}$")


def prepared(chunk: Chunk, words: Mapping[str, int] | None = None) -> str:
    """The terms of a chunk, parted by spaces; equal terms stand side by side, as `rank` needs them.

    `words` are those of its text, where they are counted already (`words.counted`).
    """
    counts: dict[str, int] = {}
    said = counts.get
    for word, count in (counted(chunk.text) if words is None else words).items():
        for term in terms_in(word):
            counts[term] = said(term, 0) + count
    _add(counts, chunk.names, NAME_TIMES)
    _add(counts, words_of(f"{chunk.symbol} {chunk.scope}"), SYMBOL_TIMES)
    for word, times in _words_of_path(chunk.path):
        _add(counts, (word,), times)
    return "".join([f"{term} " * min(count, TERM_COUNT_MAX) for term, count in counts.items()]).rstrip(" ")


@lru_cache(maxsize=64)
def _words_of_path(path: str) -> list[tuple[str, int]]:
    """The words of the file's name and of its folder, each with how often it counts."""
    folder, _, name = path.rpartition("/")
    named = words_of(_ENDING.sub("", name))
    return [*((word, PATH_TIMES) for word in named), *((word, 1) for word in words_of(folder))]


def query_terms(question: str) -> list[str]:
    """The terms that a question looks for, in its order, each once; `SHA-256` is looked for as `sha256` too."""
    words = words_of(question)
    joined = [found.replace("-", "") for found in _HYPHENED.findall(question)]
    telling = dict.fromkeys(term for word in [*_telling(words), *joined] for term in terms_in(word))
    return list(telling or dict.fromkeys(term for word in words for term in terms_in(word)))


def _telling(words: Iterable[str]) -> Iterator[str]:
    """The words that say what is asked for."""
    is_behind = False
    for word in words:
        lowered = word.lower()
        is_told = stem(lowered) not in _QUESTION_STEMS and (is_behind or lowered not in NAMED_KINDS)
        if is_told:
            yield word
        is_behind = is_told and bool(terms_in(word))


@lru_cache(maxsize=262_144)
def terms_in(word: str) -> tuple[str, ...]:
    """The terms of one identifier or word: the whole where it has parts, and the stems of its parts."""
    if len(word) > TERM_CHARS_MAX:
        return ()
    if _is_language(word):
        return (word.lower(),)
    parts = _PART.findall(word)
    lowered = [part.lower() for part in parts]
    found = [_stem(part) for part in lowered if part not in STOP_WORDS and _tells(part)]
    if len(parts) > 1:
        found.append("".join(lowered))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=32_768)
def _stem(part: str) -> str:
    """The stem of a part; there are far fewer of them than words."""
    return stem(part)


def _tells(part: str) -> bool:
    """Whether a part says anything: not a single letter or digit."""
    return len(part) > 1 or not part.isascii()


def _is_language(word: str) -> bool:
    """Whether a word may be the name of one: `C`, `R`."""
    return len(word) == 1 and "A" <= word <= "Z" and word.lower() not in STOP_WORDS


def _add(counts: dict[str, int], words: Iterable[str], times: int) -> None:
    for word in words:
        for term in terms_in(word):
            counts[term] = counts.get(term, 0) + times


_QUESTION_STEMS = frozenset(stem(word) for word in QUESTION_WORDS)
