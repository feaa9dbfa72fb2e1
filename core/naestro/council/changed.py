"""What a review looks at: the change of a workspace since a commit, between two commits, or a file as it is.

Old versions come from git, new ones through the workspace, so that unsaved buffers win and ignored and secret-looking
files are never shown. Cut to the room that the engines leave; what had no room is told. `review` above asks for it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile

import msgspec

from naestro.council.budget import estimate_tokens
from naestro.council.context import Context, named_files, span_of
from naestro.council.git import EMPTY_TREE, Git, open_git
from naestro.council.prefix import Prefix, fence
from naestro.council.roles import instruction
from naestro.council.sitting import Kit
from naestro.council.task import Task
from naestro.errors import InputError, MissingFile, WorkspaceError
from naestro.index.spans import Span
from naestro.policy.buffers import reading
from naestro.policy.diff import file_diff
from naestro.policy.ignore import Ignores
from naestro.policy.text import BinaryContent, TextFile, decode
from naestro.tools.places import PIECE_LINES

FILES_MAX = 200
"""Files of a change that are compared; more are no review but a migration."""
_RANGE = re.compile(r"(?P<old>[^\s.]\S*?)?(?P<dots>\.{2,3})(?P<new>[^\s.]\S*)?")
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


class Ground(Context, frozen=True, kw_only=True):
    """What is reviewed: the output of `retrieve`. The spans are pieces of a diff, numbered as in the new version."""

    about: str
    """What it is, in words."""
    lines: dict[str, int]
    """The files, each with how many lines it has now."""
    passed_over: dict[str, str]
    """Files that are not shown, each with the reason."""

    @property
    def prefix(self) -> Prefix:
        """What all reviewers and critics read first."""
        shown = fence("change", "\n\n".join(map(_shown, self.spans)))
        return Prefix(system=instruction("system"), body=f"# Change\n{shown}\n\n# Task\n{self.task}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which change is looked at."""

    about: str
    old: str
    new: str | None
    """A commit; None for the files as they are."""
    paths: Sequence[str] = ()
    """Files or folders that it is limited to; none for all."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One file in both versions; None where it is not there."""

    path: str
    before: TextFile | None
    after: TextFile | None


async def gather(kit: Kit, target: str, sentence: str, room_tokens: int) -> Ground:
    """What `target` names, or the uncommitted change where it names nothing.

    Raises `InputError` where nothing was changed, there is no git, or `target` is neither a file nor a commit.
    """
    git = await _git(kit, target)
    if git is None:
        return await reading(_as_it_is, kit, target, sentence, room_tokens)
    wanted = await _wanted(git, kit, target)
    paths = [path for path in await _paths(git, wanted) if _is_within(path, wanted.paths)]
    if not paths and wanted.paths:
        return await reading(_as_it_is, kit, target, sentence, room_tokens)
    if not paths:
        raise InputError(
            f"There is nothing to review: {wanted.about} changes no file.", hint="Change or name one."
        )
    rules = kit.workspace.ignores()
    passed_over = dict.fromkeys(paths[FILES_MAX:], f"more than {FILES_MAX} files")
    versions: list[_Version] = []
    for path in paths[:FILES_MAX]:
        try:
            versions.append(await _version(git, kit, wanted, path, rules))
        except WorkspaceError as error:
            passed_over[path] = error.message
    pieces = [piece for version in versions for piece in _pieces(version)]
    lines = {one.path: len(one.after.lines) if one.after else 0 for one in versions}
    ground = Ground(task=sentence, spans=pieces, about=wanted.about, lines=lines, passed_over=passed_over)
    return _in_room(ground, room_tokens)


async def _git(kit: Kit, target: str) -> Git | None:
    """The repository; None where there is none and a file is named, which can be reviewed as it is."""
    try:
        return await open_git(kit.workspace.root)
    except InputError:
        if target and await reading(_names_files, kit, target):
            return None
        raise


def _names_files(kit: Kit, target: str) -> bool:
    return any(True for _ in named_files(kit.files, Task(text=target), False))


async def _wanted(git: Git, kit: Kit, target: str) -> _Wanted:
    """What `target` means: nothing, a range of commits, a commit, or files."""
    head = await git.revision("HEAD") or EMPTY_TREE
    if not target:
        return _Wanted("the uncommitted change", head, None)
    if (match := _RANGE.fullmatch(target)) and (match["old"] or match["new"]):
        old, new = await _commit(git, match["old"] or "HEAD"), await _commit(git, match["new"] or "HEAD")
        old = await git.merge_base(old, new) or old if match["dots"] == "..." else old
        return _Wanted(f"the change {target}", old, new)
    if await reading(_names_files, kit, target) or await reading(_is_folder, kit, target):
        names = [kit.workspace.relative(word) for word in target.split() if _exists(kit, word)]
        return _Wanted(f"the uncommitted change of {target}", head, None, names or [target])
    return _Wanted(f"the change since {target}", await _commit(git, target), None)


def _exists(kit: Kit, word: str) -> bool:
    try:
        return kit.workspace.is_there(word)
    except WorkspaceError:
        return False


def _is_folder(kit: Kit, target: str) -> bool:
    try:
        return kit.workspace.is_folder(target)
    except WorkspaceError:
        return False


async def _commit(git: Git, name: str) -> str:
    found = await git.revision(name)
    if found is None:
        raise InputError(
            f"{name!r} is no file of the workspace and no commit.",
            hint="Name a file, a commit, or a range such as main..HEAD; nothing at all for what is not committed.",
        )
    return found


async def _paths(git: Git, wanted: _Wanted) -> list[str]:
    if wanted.new is not None:
        return await git.changed(wanted.old, wanted.new)
    return list(dict.fromkeys([*await git.changed(wanted.old), *await git.untracked()]))


def _is_within(path: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(one in {".", path} or path.startswith(f"{one}/") for one in wanted)


async def _version(git: Git, kit: Kit, wanted: _Wanted, path: str, rules: Ignores) -> _Version:
    """Both versions of a file, which has to be one that may be read; raises `WorkspaceError`."""
    admitted = await reading(kit.workspace.admit, path, rules)
    before = _decoded(admitted, await git.blob(wanted.old, path))
    if wanted.new is not None:
        return _Version(admitted, before, _decoded(admitted, await git.blob(wanted.new, path)))
    return _Version(admitted, before, await reading(_now, kit, admitted, rules))


def _now(kit: Kit, path: str, rules: Ignores) -> TextFile | None:
    """The file as the person has it; None where it is gone."""
    try:
        return kit.files.read(path, rules)
    except MissingFile:
        return None


def _decoded(path: str, data: bytes | None) -> TextFile | None:
    if data is None:
        return None
    try:
        return decode(path, data, 0o644)
    except BinaryContent as error:
        raise WorkspaceError(f"{path} is not read: its content is {error}.") from error


def _as_it_is(kit: Kit, target: str, sentence: str, room_tokens: int) -> Ground:
    """The files that `target` names, whole. Raises `InputError` where they say nothing."""
    files = [pair for pair in named_files(kit.files, Task(text=target), True) if pair[0].text.strip()]
    if not files:
        raise InputError(f"There is nothing to review in {target}.", hint="Name a file that says something.")
    pieces = [
        span_of(file, start, min(start + PIECE_LINES - 1, end), "as it is")
        for file, within in files
        for end in [min(within.end or len(file.lines), len(file.lines))]
        for start in range(within.start, end + 1, PIECE_LINES)
    ]
    lines = {file.path: len(file.lines) for file, _ in files}
    ground = Ground(task=sentence, spans=pieces, about=f"{target} as it is", lines=lines, passed_over={})
    return _in_room(ground, room_tokens)


def _in_room(ground: Ground, room_tokens: int) -> Ground:
    """`ground` with the pieces that fit, in order. Raises `InputError` where there is none."""
    if not ground.spans:
        why = "; ".join(ground.passed_over.values()) or "only names or modes differ"
        raise InputError(
            f"There is nothing to review: {ground.about} shows no text ({why}).", hint="Name a file."
        )
    shown: list[Span] = []
    for piece in ground.spans:
        room_tokens -= estimate_tokens(_shown(piece))
        if shown and room_tokens < 0:
            break
        shown.append(piece)
    paths = {piece.path for piece in shown}
    return msgspec.structs.replace(
        ground,
        spans=shown,
        left_out=len(ground.spans) - len(shown),
        lines={path: count for path, count in ground.lines.items() if path in paths},
    )


def _pieces(version: _Version) -> Iterator[Span]:
    """The hunks of a file's difference in pieces, each under its lines in the new version."""
    before = version.before.text if version.before else None
    after = version.after.text if version.after else None
    if before == after:
        return
    diff = file_diff(version.path, before, after).removesuffix("\n").split("\n")
    start, number, piece = 1, 1, list[str]()
    for line in dropwhile(lambda line: not _HUNK.match(line), diff):
        hunk = _HUNK.match(line)
        if piece and (hunk or len(piece) == PIECE_LINES):
            yield _piece(version.path, start, number, piece)
            piece = []
        start = number if not piece else start
        if hunk:
            start = number = max(1, int(hunk[1]))
            continue
        piece.append(line)
        number += line[:1] in {"+", " "}
    if piece:
        yield _piece(version.path, start, number, piece)


def _piece(path: str, start: int, end: int, lines: Sequence[str]) -> Span:
    """Lines of a difference; `end` is the line after the last one in the new version."""
    return Span(
        path=path, start=start, end=max(start, end - 1), text="\n".join(lines), why="changed", score=1.0
    )


def _shown(piece: Span) -> str:
    return f"({piece.path}:{piece.start}-{piece.end})\n{piece.text}"
