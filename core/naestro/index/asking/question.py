"""A question, taken apart: the terms to look for, the names it writes as code, the files it names, what it asks for.

Pure functions over text; `search` looks the terms up, `rank` weighs what was found by them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from naestro.index.asking.places import Place
from naestro.index.text.prepare import query_terms, terms_in
from naestro.index.text.terms import NamedFile, terms_of

TERMS_MAX = 32
"""Terms of one question that are looked for: each costs time, and a longer text repeats itself."""

_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$][\w$]*)*")
_CODE_LIKE = re.compile(r"[A-Za-z0-9]_[A-Za-z0-9]|^_|[a-z0-9][A-Z]|[A-Z]{2,}[a-z]|\.|::|->|#")
_QUOTED = re.compile(r"`([^`\n]{1,80})`")
_ASKED: dict[str, Place] = {
    **dict.fromkeys(
        ("test", "tests", "tested", "testing", "fixture", "fixtures", "pytest", "unittest"), "tests"
    ),
    **dict.fromkeys(
        ("doc", "docs", "documentation", "document", "documented", "readme", "changelog"), "documents"
    ),
    **dict.fromkeys(("example", "examples", "demo", "sample", "benchmark", "benchmarks"), "examples"),
    **dict.fromkeys(("vendored", "vendor", "generated", "migration", "migrations"), "foreign"),
    **dict.fromkeys(
        ("json", "yaml", "yml", "toml", "css", "html", "svg", "xml", "stylesheet", "template"), "data"
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for."""

    text: str
    terms: tuple[str, ...]
    """As `prepared` writes them, in the order of the question, each once."""
    words: dict[str, str]
    """Each term as the question writes it."""
    names: frozenset[str]
    """Names written as code, each with its last part: `Journal.append`, `append`, `retry_policy`."""
    is_name: bool
    """Whether it is nothing but a name: `Journal.append`."""
    named: tuple[NamedFile, ...]
    """Files and lines that it names."""
    places: frozenset[Place]
    """The kinds of places that it asks for, beside the code itself."""


@lru_cache(maxsize=256)
def asked(text: str) -> Question:
    """The question that `text` is."""
    terms = tuple(query_terms(text)[:TERMS_MAX])
    words = re.findall(r"\w+", text)
    as_written = {term: word for word in reversed(words) for term in terms_in(word)}
    places: frozenset[Place] = frozenset(_ASKED[word] for word in map(str.lower, words) if word in _ASKED)
    is_name = _NAME.fullmatch(text.strip("` ()")) is not None
    return Question(text, terms, as_written, _names(text), is_name, terms_of(text).named, places)


def _names(text: str) -> frozenset[str]:
    """The names that are written as code; a question of one word is a name."""
    found = [name for name in _NAME.findall(text) if _CODE_LIKE.search(name)]
    for quoted in _QUOTED.findall(text):
        found += _NAME.findall(quoted)
    if _NAME.fullmatch(alone := text.strip("` ()")):
        found.append(alone)
    dotted = [re.sub(r"::|->|#", ".", name) for name in found]
    return frozenset(dotted) | {name.rpartition(".")[2] for name in dotted}
