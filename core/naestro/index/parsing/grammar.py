"""Grammars, loaded when a file first asks for one: a tree for some bytes, and the query that takes it apart.

Above it stand `parse` and what it uses; below it the grammars that the `semble-grammars` wheel carries, and the
queries in `syntax/`, one file a language. A tree that takes too long is none. It knows no file.
"""

import logging
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

from naestro.index.parsing.grammar_files import mend, say_where
from naestro.index.parsing.trees import Trees

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Query, Tree

PARSE_S_MAX = 2.0
"""Seconds of this thread's processor time for one tree. A file of 1 MB takes 0.3 s; what takes longer than this, no
person wrote: some grammars need the square of its length for a file of nothing but open brackets."""
PARSED_BYTES_MAX = 4 * 1024 * 1024
"""Files above are cut by paragraphs: their tree would take some hundred times their size."""
_TOKENS_MAX = 1500
"""Tokens without a name under one node (`[[[[`, `,,,,`): a query's time grows with the square of their number."""
_WILD_BYTES_MIN = 8 * 1024
"""Files below are queried in a fifth of a second even if they are nothing but such tokens."""
_DEPTH_MAX = 10_000
"""Nodes within one another (`a.b.c`, on and on): tree-sitter counts to 65,535, and a query of more never ends."""
_CRASHING = {
    "perl": re.compile(rb"<<~?\s*(?:\w{250}|\"[^\"\n]{250}|'[^'\n]{250})"),
    "yaml": re.compile(rb"^[ \t?:-]{240}", re.MULTILINE),
}
"""What crashes a grammar: Perl's by the name of a here-document, which it keeps in a buffer of fixed size; YAML's has
room for 253 levels, each of them at least one column deeper than the last."""
RETRY_S = 30.0
"""Seconds until a grammar that could not be loaded is tried again: unpacking one takes a tenth of a second."""
MATCHES_MAX = 65_536
"""Matches that a query may have begun at one time; the oldest are given up then."""
IMPORTING_WORDS = frozenset(
    ["source", ".", "require", "require_relative", "load", "import", "use", "alias", "library", "src"]
)
"""Calls and attributes of which the first argument is a module."""
DEFINING_WORDS = frozenset(
    [
        "id",
        "def",
        "defp",
        "defmacro",
        "defmacrop",
        "defmodule",
        "defprotocol",
        "defimpl",
        "defguard",
        "defn",
        "defn-",
        "defmulti",
        "defmethod",
        "ns",
        "defrecord",
        "deftype",
    ]
)
"""Calls and attributes of which the first argument is a name that is defined."""
_DECIDING_BYTES_MAX = 3
"""Bytes between such a word and what it decides about: a bracket, an equals sign, a quote."""
_SOFT_WORDS = frozenset(
    [
        "type",
        "match",
        "print",
        "exec",
        "get",
        "set",
        "async",
        "await",
        "record",
        "value",
        "field",
        "union",
        "module",
        "namespace",
        "declare",
        "abstract",
        "override",
        "readonly",
        "require",
        "target",
        "data",
        "init",
        "open",
        "operator",
        "object",
        "companion",
        "by",
        "constructor",
        "file",
        "property",
        "receiver",
        "param",
        "out",
        "of",
    ]
)
_SOFT_IN_SCRIPTS = frozenset(["from", "as", "static", "global"])
"""Words that a grammar takes as its own in some places and that are names in others: the tree tells which."""
_SCRIPTS = frozenset({"javascript", "typescript", "tsx"})
_QUERIES_OF = {"cpp": "c", "objc": "c", "tsx": "typescript", "jsonc": "json"}
"""Languages that share the query of another."""

_GRAMMAR_OF = {"starlark": "python"}
"""Languages that are read by the grammar of another."""

_log = logging.getLogger(__name__)
_load = threading.Lock()


_lacking: dict[str, float] = {}
"""The languages whose grammar could not be loaded, and when on the monotonic clock it is tried again."""


class _NotLoaded(Exception):
    """A grammar cannot be unpacked or loaded now."""


class _Local(threading.local):
    """What each thread has for itself."""

    def __init__(self) -> None:
        self.parsers: dict[str, Parser] = {}


_local = _Local()
_trees = Trees()


@dataclass(frozen=True, slots=True)
class Grammar:
    """What is kept of a language for all threads."""

    name: str
    language: "Language"
    query: "Query | None"
    """None where no one wrote a query for the language: its files are cut, without names."""
    words: frozenset[str]
    """What the language keeps to itself: `if`, `class`."""


@cache
def _grammar(name: str) -> Grammar | None:
    from semble_grammars import (
        GrammarLoadError,
        LanguageNotFoundError,
        UnsupportedPlatformError,
        get_language,
    )

    say_where()
    mend(_GRAMMAR_OF.get(name, name))
    try:
        language = get_language(_GRAMMAR_OF.get(name, name))
    except LanguageNotFoundError:
        return None
    except UnsupportedPlatformError as error:
        _log.warning("No grammar for %s: %s. Its files are cut by paragraphs.", name, error)
        return None
    except GrammarLoadError as error:
        raise _NotLoaded(str(error)) from error
    words = _words(language)
    source = _query_text(name)
    soft = words & (_SOFT_WORDS | _SOFT_IN_SCRIPTS if name in _SCRIPTS else _SOFT_WORDS)
    query = query_of(name, language, source + _hiding(name, language, soft)) if source else None
    return Grammar(name, language, query, words - soft)


def query_of(name: str, language: "Language", source: str) -> "Query | None":
    """The query that `source` says; None, with a warning, where a grammar has changed so that it says none."""
    from tree_sitter import Query, QueryError

    try:
        return Query(language, source)
    except QueryError as error:
        _log.warning(
            "The query of %s does not fit its grammar: %s. Its files are cut without names.", name, error
        )
        return None


def _hiding(name: str, language: "Language", words: Iterable[str]) -> str:
    """Patterns for the words that a language takes as its own, where it does; in SQL these are nodes with names."""
    soft = [f'"{word}"' for word in sorted(words)]
    kinds = sorted(_kinds(language, is_named=True)) if name == "sql" else []
    named = [f"({kind})" for kind in kinds if kind.startswith("keyword_")]
    return f"\n[{' '.join(soft + named)}] @hidden\n" if soft or named else ""


def _kinds(language: "Language", *, is_named: bool) -> set[str]:
    """What nodes of a language are called; those without a name are its tokens."""
    kinds = (
        language.node_kind_for_id(at)
        for at in range(language.node_kind_count)
        if language.node_kind_is_visible(at) and language.node_kind_is_named(at) is is_named
    )
    return {kind for kind in kinds if kind}


def _words(language: "Language") -> frozenset[str]:
    """The words among the tokens of a language."""
    kinds = _kinds(language, is_named=False)
    return frozenset(word for kind in kinds if (word := kind.lstrip("#")).isidentifier())


def _query_text(name: str) -> str:
    base = _GRAMMAR_OF.get(name, name)
    file = files("naestro.index.parsing") / "syntax" / f"{_QUERIES_OF.get(base, base)}.scm"
    more = files("naestro.index.parsing") / "syntax" / f"{name}.more.scm"
    text = file.read_text("utf-8") if file.is_file() else ""
    return text + (more.read_text("utf-8") if more.is_file() else "")


def grammar(name: str) -> Grammar | None:
    """The grammar of a language of `languages`, or None where there is none, or it cannot be loaded now."""
    with _load:
        if time.monotonic() < _lacking.get(name, 0.0):
            return None
        try:
            found = _grammar(name)
        except _NotLoaded as error:
            if name not in _lacking:
                _log.warning(
                    "No grammar for %s: %s. Until it can be loaded its files are cut by paragraphs.",
                    name,
                    error,
                )
            _lacking[name] = time.monotonic() + RETRY_S
            return None
        _lacking.pop(name, None)
        return found


def is_lacking(name: str) -> bool:
    """Whether there is a grammar of that language, and it could not be loaded: a full disk, no right to unpack it."""
    return name in _lacking


def root_of(known: Grammar, data: bytes) -> "Node | None":
    """The root of the tree of `data` (UTF-8); None where it is too large, takes longer than PARSE_S_MAX, or is wild.

    The nodes know no text (`Node.text` must not be asked for): cut it from `data` by their bytes.
    """
    crashing = _CRASHING.get(known.name)
    if len(data) > PARSED_BYTES_MAX or (crashing and crashing.search(data)):
        return None
    root = _timed_root(known, data)
    return None if root is None or (len(data) > _WILD_BYTES_MIN and _is_wild(root)) else root


def _timed_root(known: Grammar, data: bytes) -> "Node | None":
    deadline = time.thread_time() + PARSE_S_MAX
    before = _trees.like(known.name, data)
    tree = _timed_tree(known, data, deadline, before)
    if before is not None and tree is not None and tree.root_node.has_error:
        tree = _timed_tree(known, data, deadline)
    if tree is None:
        return None
    _trees.keep(known.name, data, tree)
    return tree.root_node


def _timed_tree(known: Grammar, data: bytes, deadline: float, before: "Tree | None" = None) -> "Tree | None":
    view = memoryview(data)
    parse = _parser(known).parse
    if before is not None:  # the binding takes no None
        parse = partial(parse, old_tree=before)
    try:
        return parse(
            lambda offset, _: view[offset:], progress_callback=lambda _at, _bad: time.thread_time() > deadline
        )
    except ValueError:  # what the binding says when the callback stopped it
        _parsers().pop(known.name, None)
        return None


def _is_wild(root: "Node") -> bool:
    """Whether so many tokens lie side by side, or nodes within one another, that a query would take minutes."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if node.child_count - node.named_child_count > _TOKENS_MAX or depth > _DEPTH_MAX:
            return True
        inner = (child for child in node.children if child.end_byte - child.start_byte > _TOKENS_MAX)
        waiting += [(child, depth + 1) for child in inner]
    return False


def _parsers() -> dict[str, "Parser"]:
    """The parsers of this thread: one of them must not be used by two at once."""
    return _local.parsers


def _parser(known: Grammar) -> "Parser":
    from tree_sitter import Parser

    parsers = _parsers()
    if known.name not in parsers:
        parsers[known.name] = Parser(known.language)
    return parsers[known.name]


def captures(known: Grammar, root: "Node", data: bytes) -> dict[str, list["Node"]]:
    """What the language's query finds in the tree of `data`, by the names of its captures; in no certain order.

    A capture that ends in `.maybe` counts only where a `by` says one of IMPORTING_WORDS or DEFINING_WORDS: predicates
    over text cannot be asked of a tree that was parsed with a deadline.
    """
    from tree_sitter import QueryCursor

    if known.query is None:
        return {}
    # No callback with a deadline: with one the binding (0.26.0) crashes. The queries hold no repetition, so that
    # their time grows with the tree's size only.
    found = QueryCursor(known.query, match_limit=MATCHES_MAX).captures(root)
    return _decided(found, data) if "by" in found else found


def _decided(found: dict[str, list["Node"]], data: bytes) -> dict[str, list["Node"]]:
    """The captures without those that no deciding word stands before."""
    by = [
        (node, data[node.start_byte : node.end_byte].decode("utf-8", "replace")) for node in found.pop("by")
    ]
    kept: dict[str, list[Node]] = {}
    for capture, nodes in found.items():
        sure = capture.removesuffix(".maybe")
        if sure == capture:
            kept.setdefault(capture, []).extend(nodes)
            continue
        is_import = sure == "import"
        words = [node for node, word in by if word in (IMPORTING_WORDS if is_import else DEFINING_WORDS)]
        near = _near(
            {word.start_byte if "." in sure else word.end_byte for word in words}, is_before="." in sure
        )
        kept.setdefault(sure, []).extend(node for node in nodes if node.start_byte in near)
    return kept


def _near(places: set[int], *, is_before: bool) -> set[int]:
    """The bytes where something may begin that a word decides about: behind its end, or with its start."""
    reach = range(-1, 1) if is_before else range(_DECIDING_BYTES_MAX + 1)
    return {place + by for place in places for by in reach}
