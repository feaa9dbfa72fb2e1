"""The council's `Searcher` over the index: spans that are true of the files as the person has them.

The index may be a moment behind the disk, and knows no unsaved buffer; so each file that it finds is read, and where
the lines are other ones by now, the search is asked again with the file's present text laid over the index. Where
nobody watches the files, the few that changed since are laid over it from the beginning. Until the first index run is
complete, or where the index cannot be used, the words alone find what there is (`literal`), and the spans say so.
Above, the council's `retrieve`; below, `WorkspaceIndex`. The same index on the same files gives the same spans.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from naestro.errors import NaestroError, WorkspaceError
from naestro.index.asking.literal import LiteralSearcher
from naestro.index.found import Found, IndexStatus, Place, SearchReply
from naestro.index.spans import (
    AROUND_LINES,
    GAP_LINES_MAX,
    NAMED_SCORE,
    SPAN_LINES_MAX,
    SPANS_PER_FILE_MAX,
    Span,
    fitting,
    told,
)
from naestro.index.text.terms import NamedFile, Terms, hits, terms_of
from naestro.policy.ignore import Ignores
from naestro.policy.workspace import Workspace

if TYPE_CHECKING:
    from naestro.index.files.manifest import Manifest

ROUNDS_MAX = 3
"""Times that the search is asked: files that changed since they were indexed bring others up, which may have, too."""
SCORE_SHARE_MIN = 0.4
"""Of the best score that a place must have: what is weaker costs a small model time and tells it little."""
NAMED_FILES_MAX = 8
"""Files that one name of a task may mean; a name that more have is no file's."""
BEHIND_MAX = 40
"""Files that may be laid over an index that nobody keeps fresh; with more the words alone are the better answer."""
RESULTS_PER_SPAN = 2
"""Results asked of the search for each span: neighbours are joined."""

_log = logging.getLogger(__name__)


class Index(Protocol):
    """What is used of a `WorkspaceIndex`."""

    def search(
        self, question: str, limit: int = 10, *, buffers: Mapping[str, str | None] = {}
    ) -> SearchReply:
        """The places that answer `question`, the best first, with `buffers` instead of what the disk says."""
        ...

    def symbol(self, name: str, limit: int = 50) -> list[Place]:
        """Where `name` is defined."""
        ...

    def status(self) -> IndexStatus:
        """How far the index is."""
        ...

    @property
    def manifest(self) -> "Manifest":
        """What is indexed."""
        ...


@dataclass(slots=True)
class _Texts:
    """The lines of files as the person has them, each read once."""

    files: Workspace
    _rules: Ignores | None = None
    _read: dict[str, list[str] | None] = field(default_factory=dict[str, "list[str] | None"])

    def lines(self, path: str) -> list[str] | None:
        """The lines of `path`; None where it may not be read, or is gone."""
        if path not in self._read:
            self._rules = self._rules or self.files.ignores()
            try:
                self._read[path] = self.files.read(path, self._rules).lines
            except WorkspaceError:
                self._read[path] = None
        return self._read[path]

    def text(self, path: str) -> str | None:
        """The text of `path`, or None."""
        lines = self.lines(path)
        return None if lines is None else "\n".join(lines)

    def holds(self, found: Found) -> bool:
        """Whether the file still says what was found."""
        lines = self.lines(found.path)
        if lines is None:
            return False
        now, then = lines[found.start - 1 : found.end], found.text.split("\n")
        # The index keeps the beginning of a very long line.
        return len(now) == len(then) and all(map(str.startswith, now, then))


@dataclass(frozen=True, slots=True)
class IndexSearcher:
    """A `Searcher` by the index of `workspace`; None where there is none. Made for each run, used in worker threads."""

    index: Index | None
    workspace: Workspace

    def search(self, query: str, limit: int, files: Workspace | None = None) -> list[Span]:
        """At most `limit` spans; where something was not searched, the `why` of the last one says so."""
        if self.index is None:
            return LiteralSearcher(self.workspace).search(query, limit, files)
        try:
            spans = _by_index(self.index, self.workspace, query, limit, _Texts(files or self.workspace))
            if spans:
                return spans
            trouble = "the index found nothing"
        except (_NotYet, NaestroError, sqlite3.Error) as error:
            trouble = str(error)
        _log.info("Searched by words alone: %s", trouble)
        return told(LiteralSearcher(self.workspace).search(query, limit, files), "found by words alone")

    def defining(self, name: str) -> Iterator[str]:
        """The files that define `name` by the index, then those that seem to by their lines."""
        known: dict[str, None] = {}
        if self.index is not None:
            try:
                known = dict.fromkeys(
                    place.path for place in self.index.symbol(name) if _is_bare(place, name)
                )
            except (NaestroError, sqlite3.Error) as error:
                _log.info("Looked for %s by its lines alone: %s", name, error)
        yield from known
        yield from (path for path in LiteralSearcher(self.workspace).defining(name) if path not in known)


class _NotYet(Exception):
    """The index does not answer yet, or not truly."""


def _by_index(index: Index, workspace: Workspace, query: str, limit: int, texts: _Texts) -> list[Span]:
    """What the index finds. Raises _NotYet, and what the index raises."""
    buffers: dict[str, str | None] = {path: texts.text(path) for path in _behind(index, workspace)}
    reply = SearchReply([])
    for _ in range(ROUNDS_MAX):
        reply = index.search(query, RESULTS_PER_SPAN * limit, buffers=buffers)
        if reply.detail:
            raise _NotYet(reply.detail)
        changed = {one.path for one in reply.results if not texts.holds(one)}.union(reply.unseen)
        if changed <= buffers.keys():
            break
        buffers.update({path: texts.text(path) for path in sorted(changed - buffers.keys())})
    terms = terms_of(query)
    true = [one for one in reply.results if texts.holds(one)]
    named = _named(terms.named, {one.path for one in true}, _paths(terms.named, workspace), texts)
    spans = sorted(
        [*named, *_spans(true, terms, texts)], key=lambda span: (-span.score, span.path, span.start)
    )
    unseen = reply.unseen_files - len(reply.unseen)
    chosen = fitting(spans, limit)
    return told(chosen, f"{unseen} files are not indexed yet") if unseen > 0 else chosen


def _behind(index: Index, workspace: Workspace) -> list[str]:
    """The files in which the index is behind the disk, where nobody watches them. Raises _NotYet for too many."""
    status = index.status()
    if not status.updated:
        raise _NotYet("The first index run is not complete.")
    if status.is_watching:
        return []
    from naestro.index.files.reading import read
    from naestro.index.indexing.difference import of_workspace

    found = of_workspace(workspace, index.manifest)
    paths = set(found.gone)
    for task in found.todo:
        try:
            is_same = bool(task.hash) and read(workspace.root, task.path).hash == task.hash
        except OSError:  # pragma: no cover - a file that vanished since the walk, a moment ago
            is_same = False
        if not is_same:
            paths.add(task.path)
        if len(paths) > BEHIND_MAX:
            raise _NotYet("Too many files changed since they were indexed.")
    return sorted(paths)


def _paths(named: Sequence[NamedFile], workspace: Workspace) -> list[str]:
    """The files that the task names."""
    if not named:
        return []
    listed = list(workspace.files())
    meant = ([path for path in listed if name.is_path(path)] for name in named)
    return sorted({path for paths in meant if len(paths) <= NAMED_FILES_MAX for path in paths})


def _is_bare(place: Place, name: str) -> bool:
    return place.name.replace("::", ".").rpartition(".")[2] == name


def _named(
    named: Sequence[NamedFile], found: Set[str], paths: Sequence[str], texts: _Texts
) -> Iterator[Span]:
    """The lines that the task names, and the heads of those of its files that are not among the `found` ones."""
    for path in paths:
        lines = texts.lines(path) or []
        places = [name for name in named if name.is_path(path) and name.start and name.start <= len(lines)]
        for name in places:
            start, end = name.start or 1, max(name.start or 1, name.end or 1)
            yield _span(path, start - AROUND_LINES, end + AROUND_LINES, lines, 2 * NAMED_SCORE)
        if lines and not places and path not in found:
            yield _span(path, 1, SPAN_LINES_MAX, lines, NAMED_SCORE)


def _span(path: str, start: int, end: int, lines: Sequence[str], score: float, why: str = "") -> Span:
    first, last = max(1, start), min(len(lines), end)
    text = "\n".join(lines[first - 1 : last])
    return Span(path=path, start=first, end=last, text=text, why=why or "named in the task", score=score)


def _spans(results: Sequence[Found], terms: Terms, texts: _Texts) -> Iterator[Span]:
    """The results that are good enough as spans: cut where they are long, joined where they meet."""
    best = max((one.score for one in results if not _is_named(one, terms)), default=0.0)
    by_path: dict[str, list[Found]] = {}
    for one in results:
        is_named = _is_named(one, terms)
        kept = by_path.setdefault(one.path, [])
        room = SPANS_PER_FILE_MAX * (2 if is_named else 1)
        if len(kept) < room and (is_named or one.score >= SCORE_SHARE_MIN * best):
            kept.append(one)
    for path, kept in by_path.items():
        lines = texts.lines(path) or []
        for group in _groups(sorted((_cut(one, terms) for one in kept), key=lambda one: one.start)):
            top = max(group, key=lambda one: one.score)
            score = top.score + (NAMED_SCORE if _is_named(top, terms) else 0.0)
            yield _span(path, group[0].start, group[-1].end, lines, round(score, 4), top.why)


def _is_named(one: Found, terms: Terms) -> bool:
    return any(name.is_path(one.path) for name in terms.named)


def _cut(one: Found, terms: Terms) -> Found:
    """The result, or its SPAN_LINES_MAX lines that say most; its first ones where they say about as much."""
    lines = one.text.split("\n")
    if len(lines) <= SPAN_LINES_MAX:
        return one
    worth = [len({word for _, word in hits(terms, line)}) for line in lines]
    sums = [sum(worth[at : at + SPAN_LINES_MAX]) for at in range(len(lines) - SPAN_LINES_MAX + 1)]
    at = max(range(len(sums)), key=lambda at: (sums[at], -at))
    at = 0 if 2 * sums[0] >= sums[at] else at
    text = "\n".join(lines[at : at + SPAN_LINES_MAX])
    return Found(
        path=one.path,
        start=one.start + at,
        end=one.start + at + SPAN_LINES_MAX - 1,
        score=one.score,
        why=one.why,
        text=text,
    )


def _groups(results: Iterable[Found]) -> Iterator[list[Found]]:
    """Results of one file from top to bottom, those that meet in one list, as long as it is no longer than a span."""
    group: list[Found] = []
    for one in results:
        if group and (
            one.start - group[-1].end > GAP_LINES_MAX + 1 or one.end - group[0].start >= SPAN_LINES_MAX
        ):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
