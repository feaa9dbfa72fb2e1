"""The `retrieve` step: the code that the council sees, cut to the room that the chosen engines leave.

First the files that the task names, then what the search finds; an editor's unsaved text before the disk's. Above,
the commands; below, the workspace and a `Searcher`, by the index or by the words alone. Ignored and secret-looking
files are never read: the workspace refuses them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import TypeVar

from naestro.council.budget import estimate_tokens, request_tokens
from naestro.council.excerpt import excerpt, words_of
from naestro.council.roles import Role, instruction
from naestro.council.sitting import Kit, Sitting
from naestro.council.task import Named, Task, named_ranges
from naestro.errors import MissingFile, WorkspaceError
from naestro.index.spans import Span
from naestro.policy.buffers import reading
from naestro.policy.ignore import Ignores
from naestro.policy.text import TextFile
from naestro.policy.workspace import Workspace
from naestro.runs.attempt import Attempt
from naestro.runs.run import StepSpec
from naestro.tools.places import PIECE_LINES, show_spans
from naestro.types import StepKind, Value

SPANS_MAX = 24
"""Spans asked of the search; more do not fit in any room that a small model has."""
FOLDER_FILES_MAX = 8
"""Files of a named folder that are shown, each by its head and definitions."""
ROOM_MIN_TOKENS = 48
"""A span in less room than this says nothing."""
INSTRUCTION_TOKENS = 400
"""Room for the longest instruction of a role, the patch format included."""
NAMES_MAX = 40
"""Words of a task that are tried as file names."""


class Context(Value, frozen=True):
    """What the council works from: the output of `retrieve`."""

    task: str
    """The task as all roles read it."""
    spans: list[Span]
    left_out: int = 0
    """Spans that were found and had no room."""

    @property
    def paths(self) -> list[str]:
        """The files that are shown, each once."""
        return list(dict.fromkeys(span.path for span in self.spans))

    @property
    def examples(self) -> tuple[str, str]:
        """Two citations that exist where any code is shown, to show the form by."""
        places = [f"{one.path}:{one.start}-{min(one.end, one.start + PIECE_LINES - 1)}" for one in self.spans]
        return (places[0], places[len(places) // 2]) if places else ("src/main.py:3-7", "src/main.py:9-12")


C = TypeVar("C", bound=Context)


async def retrieve(sitting: Sitting, task: Task, sentence: str, *, must_exist: bool = False) -> Context:
    """The context of a run by what the task names and what the search finds; see `retrieve_by`."""
    return await retrieve_by(gather, Context, sitting, task, sentence, must_exist=must_exist)


async def retrieve_by(
    gather: Callable[[Kit, Task, str, int, bool], C],
    output: type[C],
    sitting: Sitting,
    task: Task,
    sentence: str,
    *,
    must_exist: bool = False,
) -> C:
    """The context that `gather` makes; `sentence` is the task as the roles will read it.

    With `must_exist` a path that the person typed has to be there. Raises `WorkspaceError` for a named file that
    cannot be read, `ContextTooLong` when the task alone is larger than every engine's context.
    """
    room = room_for_context(sitting, sentence)

    async def work(attempt: Attempt) -> C:
        words = await attempt.given("task", sentence)
        return await reading(gather, sitting.kit, task, words, room, must_exist)

    context = await sitting.run.step(StepSpec("retrieve", StepKind.RETRIEVE), work, output)
    sitting.ended.append("retrieve")
    return context


def room_for_context(sitting: Sitting, sentence: str) -> int:
    """Tokens of code that fit: what the settings allow, and what the smallest engine that takes a seat leaves.

    Raises `ContextTooLong` when no engine holds the task with an answer.
    """
    council, pool = sitting.kit.settings.council, sitting.kit.engines
    fixed = [instruction("system"), sentence]
    proposer = sitting.role(Role.PROPOSER)
    needed = request_tokens(*fixed, max_tokens=proposer.max_tokens) + INSTRUCTION_TOKENS
    smallest = min(
        route.engine.info.context_tokens
        for route in pool.for_role(Role.PROPOSER, council.proposers, needed_tokens=needed)
    )
    to_propose = smallest - needed
    to_read = smallest - needed - proposer.max_tokens * council.proposers
    return max(0, min(council.context_tokens, max(to_read, to_propose // 2)))


@dataclass
class Room:
    """The room that is left while spans are taken in."""

    tokens: int
    spans: list[Span]
    left_out: int = 0

    def take(self, file: TextFile, within: Named, words: set[str], room_tokens: int) -> None:
        """Show what fits of a file, or of a range of it, in at most `room_tokens`."""
        end = min(within.end or len(file.lines), len(file.lines))
        lines = file.lines[within.start - 1 : end]
        room = min(self.tokens, room_tokens)
        for first, last in excerpt(lines, room, words, estimate_tokens(f"\n({file.path}:100-112)\n")):
            start = first + within.start - 1
            self.add(_span(file.path, start, lines[first - 1 : last], "named in the task"))

    def add(self, span: Span) -> None:
        """Take in a span whole."""
        self.spans.append(span)
        self.tokens -= _cost(span)

    def in_order(self) -> list[Span]:
        """The spans file by file, in the order in which the files came, each file from top to bottom."""
        return _in_order(self.spans)

    def add_found(self, span: Span, room_tokens: int | None = None) -> None:
        """Take in a span that was found, cut where it does not fit; nothing of it where it is shown already."""
        if any(
            span.path == one.path and span.start <= one.end and one.start <= span.end for one in self.spans
        ):
            return
        lines = span.text.split("\n")
        room = self.tokens if room_tokens is None else min(self.tokens, room_tokens)
        while lines and _cost(_span(span.path, span.start, lines, span.why)) > room:
            lines.pop()
        if room < ROOM_MIN_TOKENS or not lines:
            self.left_out += 1
            return
        self.add(_span(span.path, span.start, lines, span.why))


def gather(kit: Kit, task: Task, sentence: str, room_tokens: int, must_exist: bool) -> Context:
    """What the task names and what the search finds, in about `room_tokens`."""
    room = Room(room_tokens, [])
    words = words_of(" ".join(word for word in task.words.split() if not _is_path(word)))
    named = list(named_files(kit.files, task, must_exist))
    for number, (file, within) in enumerate(named):
        room.take(file, within, words, room.tokens // (len(named) - number))
    if room.tokens >= ROOM_MIN_TOKENS:
        for span in kit.searcher.search(task.words, SPANS_MAX, kit.files):
            room.add_found(span)
    return Context(task=sentence, spans=room.in_order(), left_out=room.left_out)


def named_files(workspace: Workspace, task: Task, must_exist: bool) -> Iterator[tuple[TextFile, Named]]:
    """The files that the task names, in order, each once; a folder stands for the files in it."""
    seen: set[str] = set()
    rules = workspace.ignores()
    wanted = [(Named(path=path), True) for path in task.files]
    endings = {PurePosixPath(path).suffix for path in workspace.files()} if must_exist else set[str]()
    for named in named_ranges(task.words)[:NAMES_MAX]:
        wanted.append((named, must_exist and _is_file_name(named.path, endings)))
    for named, is_needed in wanted:
        for file in _read_named(workspace, rules, named.path, is_needed):
            if file.path not in seen and named.start <= len(file.lines):
                seen.add(file.path)
                yield file, named


def _read_named(workspace: Workspace, rules: Ignores, path: str, is_needed: bool) -> list[TextFile]:
    try:
        if workspace.is_folder(path):
            return (
                _read_folder(workspace, rules, workspace.relative(path)) if is_needed or "/" in path else []
            )
        if not (is_needed or _is_path(path) or workspace.is_there(path)):
            return []  # an editor is not asked for each word that might be a file which was never saved
        return [workspace.read(path, rules)]
    except MissingFile:
        endings = (
            [full for full in workspace.files(rules) if full.endswith(f"/{path}")] if _is_path(path) else []
        )
        if len(endings) == 1:
            return [workspace.read(endings[0], rules)]
        if is_needed:
            raise
        return []
    except WorkspaceError:
        if is_needed:
            raise
        return []


def _read_folder(workspace: Workspace, rules: Ignores, folder: str) -> list[TextFile]:
    """The first files of a folder, those at its top before those in folders below."""
    inside = [path for path in workspace.files(rules) if folder == "." or path.startswith(f"{folder}/")]
    inside.sort(key=lambda path: (path.count("/"), path))
    readable = (file for path in inside if (file := _readable(workspace, rules, path)) is not None)
    return list(islice(readable, FOLDER_FILES_MAX))


def _readable(workspace: Workspace, rules: Ignores, path: str) -> TextFile | None:
    """The file at `path` where it may be read and says something."""
    try:
        file = workspace.read(path, rules)
    except WorkspaceError:
        return None
    return file if file.text.strip() else None


def _is_file_name(word: str, endings: set[str]) -> bool:
    """Whether a word can only be meant as a file: `Workspace.read` is a name, `gone.py` is not, where others end so."""
    return "/" in word or word == "." or PurePosixPath(word).suffix in endings - {""}


def _is_path(word: str) -> bool:
    """Whether a word is meant as a path: it has a folder or an ending, or is the workspace's own folder."""
    if word == ".":
        return True
    name = word.rpartition("/")[2]
    return "/" in word or ("." in name.strip(".") and name.rpartition(".")[2].isalnum())


def span_of(file: TextFile, start: int, end: int, why: str) -> Span:
    """Lines `start` to `end` of a file, from 1 and inclusive."""
    return _span(file.path, start, file.lines[start - 1 : end], why)


def _span(path: str, start: int, lines: Sequence[str], why: str) -> Span:
    end = start + len(lines) - 1
    return Span(path=path, start=start, end=end, text="\n".join(lines), why=why, score=1.0)


def _cost(span: Span) -> int:
    return estimate_tokens(show_spans([span]))


def _in_order(spans: Iterable[Span]) -> list[Span]:
    """The spans file by file, in the order in which the files came, each file from top to bottom."""
    listed = list(spans)
    rank = {path: number for number, path in enumerate(dict.fromkeys(span.path for span in listed))}
    return sorted(listed, key=lambda span: (rank[span.path], span.start))
