"""The places of the workspace that speak of a task, by literal search: what the council sees until the index is there.

Files that the task names come first, then the definitions and sections that hold its words: rare words weigh more,
definitions more than uses, code more than tests and documents. The same task on the same files gives the same spans.
Files are read through the workspace, so that ignored and secret-looking ones are never met. It knows no model.
"""

import logging
import math
import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from naestro.errors import WorkspaceError
from naestro.index.parsing.blocks import PROSE_ENDINGS, Block, blocks_of
from naestro.index.spans import (
    AROUND_LINES,
    GAP_LINES_MAX,
    NAMED_SCORE,
    SPAN_LINES_MAX,
    SPANS_PER_FILE_MAX,
    Span,
    as_seen,
    fitting,
    told,
)
from naestro.index.text.terms import NamedFile, Terms, hits, terms_of
from naestro.policy.text import TextFile
from naestro.policy.workspace import Workspace

SEARCH_S = 2.0
"""Seconds after which no further file is opened: longer than that a person notices the wait."""
SEARCHED_SIZE_MAX = 32 * 1024 * 1024
"""Bytes of text searched; reached before the time on most machines, so that a large tree gives equal results too."""
RANKED_FILES_MAX = 200
"""Files that are cut into blocks: far more than the spans that anybody asks for."""

IDENTIFIER_WEIGHT = 3.0
"""An identifier is copied from the code; a word only may be."""
TITLE_WEIGHT = 1.0
"""Added for a word in the line that defines a block: a definition before its uses."""
PATH_WEIGHT = 0.6
"""Added for a word in the file's path."""
FILE_WEIGHT = 0.5
"""Added for a word that the whole file has often: a file is about what it repeats."""
FILE_HITS_HALF = 8
"""Hits in a file that give half of FILE_WEIGHT."""
TEST_FACTOR = 0.25
PROSE_FACTOR = 0.6
DATA_FACTOR = 0.3
"""Tests, documents and data repeat the words of the code that answers the question."""

DEFINITION = r"^\s*(?:[\w()]+\s+)*(?:def|class|function|func|fn|const)\s+{}\b"
"""How the definition of a name looks in most languages."""
_DATA_ENDINGS = (
    ".json",
    ".lock",
    ".svg",
    ".csv",
    ".xml",
    ".toml",
    ".cfg",
    ".ini",
    ".yml",
    ".yaml",
    ".html",
    ".sh",
)

_log = logging.getLogger(__name__)


@dataclass
class _Found:
    """A file with its hits."""

    file: TextFile
    lines: list[str]
    by_line: dict[int, Counter[str]] = field(default_factory=dict[int, "Counter[str]"])
    """Words by line, from 1; identifiers stand with a dot before them."""
    in_path: set[str] = field(default_factory=set[str])

    @cached_property
    def words(self) -> Counter[str]:
        """Words of the whole file."""
        total: Counter[str] = Counter()
        for words in self.by_line.values():
            total.update(words)
        return total


@dataclass(frozen=True, slots=True)
class LiteralSearcher:
    """A `Searcher` over the workspace's files as they are."""

    workspace: Workspace
    seconds: float = SEARCH_S
    size_max: int = SEARCHED_SIZE_MAX
    admits: Callable[[str], bool] | None = None
    """Which files count, by their paths; None: all."""

    def search(self, query: str, limit: int, files: Workspace | None = None) -> list[Span]:
        """At most `limit` spans; the `why` of the last one says how many files were not searched, if any.

        It reads the disk, and gives the spans that it finds there as `files` has them.
        """
        spans, lacking = self.look(query, limit)
        spans = told(spans, lacking) if lacking else spans
        return [*as_seen(spans, self.workspace, files)] if files and files.buffers else spans

    def look(self, query: str, limit: int) -> tuple[list[Span], str]:
        """At most `limit` spans of the disk, and what was not searched, in words; empty where all was."""
        terms = terms_of(query)
        ignores = self.workspace.ignores()
        start = time.monotonic()
        # Half of the time at most goes into listing, so that something is searched in the largest tree.
        listed = [*_until(start + self.seconds / 2, self.workspace.files(ignores))]
        is_cut = time.monotonic() > start + self.seconds / 2
        listed = listed if self.admits is None else [*filter(self.admits, listed)]
        paths = _in_order_of_promise(listed, terms)
        found: list[_Found] = []
        size, searched = 0, 0
        for path in _until(start + self.seconds, paths):
            if size > self.size_max:
                break
            searched += 1
            try:
                file = self.workspace.read(path, ignores)
            except WorkspaceError:
                continue
            size += file.size_bytes
            hit = _look(file, terms)
            if hit:
                found.append(hit)
        spans = fitting(_ranked(found, terms), limit)
        left_out = len(paths) - searched
        if not is_cut and not left_out:
            return spans, ""
        most = "more than " if is_cut else ""
        what = f"{most}{left_out} {'file was' if left_out == 1 else 'files were'} not searched"
        _log.warning("Literal search: %s.", what)
        return spans, f"{what}: the limit of time or size was reached"

    def defining(self, name: str) -> Iterator[str]:
        """Files with a line that looks like the definition of `name`, in the order of the alphabet."""
        if not name.isidentifier():
            return
        definition = re.compile(DEFINITION.format(name), re.MULTILINE)
        ignores = self.workspace.ignores()
        start = time.monotonic()
        for path in _until(start + self.seconds, self.workspace.files(ignores)):
            if path.endswith((*PROSE_ENDINGS, *_DATA_ENDINGS)):
                continue
            try:
                text = self.workspace.read(path, ignores).text
            except WorkspaceError:
                continue
            if name in text and definition.search(text):
                yield path


def _until(deadline: float, paths: Iterable[str]) -> Iterator[str]:
    """The paths that are reached before `deadline`, by the monotonic clock."""
    return takewhile(lambda _: time.monotonic() <= deadline, paths)


def _in_order_of_promise(paths: Iterable[str], terms: Terms) -> list[str]:
    """Named files first, then those with a word in their path, so that a limit cuts what matters least."""

    def rank(path: str) -> tuple[int, str]:
        if _named_by(path, terms.named):
            return 0, path
        return (1 if hits(terms, path) else 2), path

    return sorted(paths, key=rank)


def _named_by(path: str, named: Sequence[NamedFile]) -> list[NamedFile]:
    return [name for name in named if name.is_path(path)]


def _look(file: TextFile, terms: Terms) -> _Found | None:
    """The file's hits, or None where there are none and it is not named."""
    found = _Found(file, file.lines, in_path={word for _, word in hits(terms, file.path)})
    starts = [0]
    for line in found.lines:
        starts.append(starts[-1] + len(line) + 1)
    places = hits(terms, file.text)
    if terms.names:
        places += [(match.start(), f".{match[0]}") for match in terms.names.finditer(file.text)]
    for offset, word in places:
        found.by_line.setdefault(bisect_right(starts, offset), Counter())[word] += 1
    return found if found.by_line or _named_by(file.path, terms.named) else None


def _ranked(found: Sequence[_Found], terms: Terms) -> list[Span]:
    """The spans of the files that are most about the task, the best first."""
    weights = _weights(found)

    def rank(one: _Found) -> tuple[bool, float, str]:
        is_named = bool(_named_by(one.file.path, terms.named))
        return not is_named, -_factor(one.file.path) * _about(one, weights), one.file.path

    best = sorted(found, key=rank)[:RANKED_FILES_MAX]
    spans = [span for one in best for span in _spans(one, terms, weights)]
    return sorted(spans, key=lambda span: (-span.score, span.path, span.start))


def _about(one: _Found, weights: dict[str, float]) -> float:
    """How much the file as a whole is about the words."""
    said = sum(weights[word] * n / (n + FILE_HITS_HALF) for word, n in one.words.items())
    return FILE_WEIGHT * said + PATH_WEIGHT * sum(weights[word] for word in one.in_path)


def _weights(found: Sequence[_Found]) -> dict[str, float]:
    """How much each word says: the fewer files hold it the more (inverse document frequency)."""
    files = Counter(
        word
        for one in found
        for word in {word for line in one.by_line.values() for word in line} | one.in_path
    )
    return {
        word: math.log(1 + (len(found) + 1) / count) * (IDENTIFIER_WEIGHT if word.startswith(".") else 1.0)
        for word, count in files.items()
    }


def _spans(one: _Found, terms: Terms, weights: dict[str, float]) -> Iterator[Span]:
    """The best spans of one file."""
    named = _named_by(one.file.path, terms.named)
    places = [name for name in named if name.start and name.start <= len(one.lines)]
    for name in places:
        start, end = name.start or 1, max(name.start or 1, name.end or 1)
        yield _span(one, start - AROUND_LINES, end + AROUND_LINES, "named in the task", 2 * NAMED_SCORE)
    if places:
        return
    scored = sorted(_scored(one, terms, weights), key=lambda pair: (-pair[0], pair[1].start))
    best = scored[: SPANS_PER_FILE_MAX * (2 if named else 1)]
    if named and not best and one.lines:
        best = [(0.0, Block(1, min(len(one.lines), SPAN_LINES_MAX), ""))]
    base = NAMED_SCORE if named else 0.0
    for score, start, end in _joined(best, one):
        said = {word for line in range(start, end + 1) for word in one.by_line.get(line, ())}
        words = sorted({terms.written.get(word, word.strip(".")) for word in said})
        why = ", ".join((["named in the task"] if named else []) + words)
        yield _span(one, start, end, why, base + score)


def _scored(one: _Found, terms: Terms, weights: dict[str, float]) -> Iterator[tuple[float, Block]]:
    """The blocks that hold a word, each with its score; a long block is cut to its densest lines."""
    total = sum(weights.values()) or 1.0
    factor = _factor(one.file.path)
    about = _about(one, weights)
    for block in blocks_of(one.file.path, one.lines):
        words: Counter[str] = Counter()
        for line in range(block.start, block.end + 1):
            words.update(one.by_line.get(line, {}))
        if not words:
            continue
        title = {word for _, word in hits(terms, block.title)} | {f".{block.title}"}
        score = sum(weights[w] * (n / (n + 1) + TITLE_WEIGHT * (w in title)) for w, n in words.items())
        covered = sum(weights[word] for word in {*words, *one.in_path}) / total
        yield factor * (score + about) * (0.25 + covered), _cut(block, one, weights)


def _cut(block: Block, one: _Found, weights: dict[str, float]) -> Block:
    """The block, or its SPAN_LINES_MAX lines that say most."""
    if block.end - block.start < SPAN_LINES_MAX:
        return block
    worth = [
        sum(weights[word] for word in one.by_line.get(line, ())) for line in range(block.start, block.end + 1)
    ]
    sums = [sum(worth[at : at + SPAN_LINES_MAX]) for at in range(len(worth) - SPAN_LINES_MAX + 1)]
    start = block.start + max(range(len(sums)), key=lambda at: (sums[at], -at))
    return Block(start, start + SPAN_LINES_MAX - 1, block.title)


def _factor(path: str) -> float:
    parts = path.lower().split("/")
    name = parts[-1]
    is_test = any(
        part in {"test", "tests", "spec", "__tests__", "bench", "benchmarks", "examples"}
        for part in parts[:-1]
    )
    if is_test or name.startswith("test_") or ".test." in name or ".spec." in name or "_test." in name:
        return TEST_FACTOR
    if name.endswith(PROSE_ENDINGS) or "docs" in parts[:-1]:
        return PROSE_FACTOR
    return DATA_FACTOR if name.endswith(_DATA_ENDINGS) or "." not in name else 1.0


def _joined(scored: Sequence[tuple[float, Block]], one: _Found) -> Iterator[tuple[float, int, int]]:
    """The blocks from top to bottom as `(score, start, end)`; neighbours are one, with the better score."""
    open_span: tuple[float, int, int] | None = None
    for score, block in sorted(scored, key=lambda pair: pair[1].start):
        if (
            open_span
            and block.start - open_span[2] <= GAP_LINES_MAX + 1
            and block.end - open_span[1] < SPAN_LINES_MAX
        ):
            open_span = max(open_span[0], score), open_span[1], block.end
            continue
        if open_span:
            yield open_span
        open_span = score, block.start, block.end
    if open_span:
        yield open_span


def _span(one: _Found, start: int, end: int, why: str, score: float) -> Span:
    first, last = max(1, start), min(len(one.lines), end)
    text = "\n".join(one.lines[first - 1 : last])
    return Span(path=one.file.path, start=first, end=last, text=text, why=why, score=round(score, 3))
