"""The names that a file uses, each with its lines: what is left of it when the tree has hidden the rest.

A capture for every identifier costs as much as the tree itself. So the query captures what holds no names (comments,
strings, words of the language), which is little; that is blanked, with the names of definitions, and what is left is
split by an expression. The result is the same: the identifiers of the tree that lie in no comment and no string.
Pure functions; between `grammar` and `parse`.
"""

import re
from collections.abc import Callable, Iterable, Set
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

NAME_CHARS_MAX = 120
"""Longer words are data."""
_NOT_NAMES = frozenset(
    ["self", "this", "super", "void", "true", "false", "null", "nil", "None", "True", "False", "_"]
)
"""Words that some grammars have as names, and that stand in half of all lines."""
_DIGITS = frozenset("0123456789")
_NAME = r"\b[^\W\d]\w*"
_UNQUOTED = _NAME + r"(?![\w'\"])"
"""The `f` of `f"…"` is no name."""
_LISP = r"\b[^\W\d][\w*+!?<>=-]*"
_NAME_OF = {
    "python": _UNQUOTED,
    "starlark": _UNQUOTED,
    "ruby": _NAME + "[?!]?",
    "clojure": _LISP,
    "scheme": _LISP,
    "racket": _LISP,
}


_SPACED = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) in "_\n")}
_SPACED_BUT_QUOTES = {code: to for code, to in _SPACED.items() if chr(code) not in "'\""}


@cache
def _expression(language: str, *, is_ascii: bool) -> Callable[[str], list[str]]:
    """Finds the names of a line; an expression for ASCII alone takes a fifth less time."""
    return re.compile(_NAME_OF.get(language, _NAME), re.ASCII if is_ascii else re.NOFLAG).findall


def references_of(
    data: bytes, hidden: Iterable["Node"], words: Set[str], language: str
) -> dict[str, list[int]]:
    """Names with the lines where they are used, from 1, ascending, each line once."""
    text = _blanked(data, hidden).decode("utf-8", "replace")
    is_split = text.isascii() and _NAME_OF.get(language, _NAME) in {_NAME, _UNQUOTED}
    found = _by_line(_split(text, language) if is_split else _searched(text, language))
    for word in words | _NOT_NAMES:
        found.pop(word, None)
    return {
        name: lines
        for name, lines in found.items()
        if len(name) <= NAME_CHARS_MAX and not (is_split and (name[0] in _DIGITS or name[-1] in "'\""))
    }


def _by_line(names: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, line in enumerate(names, 1):
        for name in line:
            lines = found.get(name)
            if lines is None:
                found[name] = [row]
            elif lines[-1] != row:
                lines.append(row)
    return found


def _searched(text: str, language: str) -> Iterable[list[str]]:
    """The names of each line."""
    return map(_expression(language, is_ascii=text.isascii()), text.split("\n"))


def _split(text: str, language: str) -> Iterable[list[str]]:
    """The names of each line of ASCII, among numbers and what a quote follows: in half the time of an expression."""
    if language in _NAME_OF:
        spaced = text.replace("'", "' ").replace('"', '" ').translate(_SPACED_BUT_QUOTES)
    else:
        spaced = text.translate(_SPACED)
    return map(str.split, spaced.split("\n"))


def _blanked(data: bytes, hidden: Iterable["Node"]) -> bytes:
    """The bytes without the hidden ones; lines keep their numbers."""
    kept: list[bytes] = []
    at = 0
    for start, end in sorted((node.start_byte, node.end_byte) for node in hidden):
        if start >= at:
            kept.append(data[at:start])
            kept.append(b" " + b"\n" * data.count(b"\n", start, end))
            at = end
        elif end > at:
            kept.append(b"\n" * data.count(b"\n", at, end))
            at = end
    kept.append(data[at:])
    return b"".join(kept)
