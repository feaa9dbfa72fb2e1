"""The built-in tools: search, read_span, outline, grep and list_files, all of which only read the workspace.

Each keeps to the workspace's border (nothing outside, nothing ignored, nothing that looks secret) and counts the
editor's unsaved text before the disk's. Above, the council's look-up; below, the index and the workspace. An editor
does not say which files it has open, so `grep` asks it for those that match on the disk and those seen before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from naestro.errors import MissingFile, ToolMisused
from naestro.index.asking.grep import grep
from naestro.index.asking.lookup import outline
from naestro.index.spans import Searcher, Span
from naestro.policy.buffers import reading
from naestro.policy.workspace import Workspace
from naestro.tools.places import show_spans
from naestro.tools.tool import RESULT_CHARS_MAX, Offered, Tool, ToolResult, ToolSpec, cut_result
from naestro.types import Json

SPANS_DEFAULT, SPANS_MAX = 4, 12
"""Places that one search shows: four fill what a small model can take in."""
LINES_MAX = 200
"""Lines of one read: five screens."""
LINES_DEFAULT = 60
MATCHES_MAX = 60
FILES_SHOWN_MAX = 120
OPEN_FILES_MAX = 64
"""Files for which one `grep` asks the editor."""

Path = Annotated[str, Meta(description="A file's path from the workspace's root, with /.", max_length=4_096)]
Line = Annotated[int, Meta(ge=1, le=10_000_000)]


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Find the places of the code that a question, some words or a name speak of, the best first, with their lines."""

    query: Annotated[str, Meta(min_length=1, max_length=1_000, description="A question, words, or a name.")]
    limit: Annotated[int, Meta(ge=1, le=SPANS_MAX, description="How many places.")] = SPANS_DEFAULT


class ReadSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read lines of a file, the first 60 where no end is given."""

    path: Path
    start: Annotated[Line, Meta(description="First line, from 1.")] = 1
    end: Annotated[int, Meta(ge=0, le=10_000_000, description="Last line, inclusive.")] = 0


class Outline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """List what a file defines: classes and functions with their lines and signatures."""

    path: Path


class Grep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Find the lines that a regular expression matches (no look-around, no back-references)."""

    pattern: Annotated[
        str, Meta(min_length=1, max_length=1_000, description="A regular expression for one line.")
    ]
    path: Annotated[
        str, Meta(max_length=4_096, description="Only this folder, file or pattern (src/*.py).")
    ] = ""


class ListFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """List the files of a folder and of the folders below it."""

    path: Annotated[
        str, Meta(max_length=4_096, description="A folder or a pattern (src/*.py); empty: all.")
    ] = ""


@dataclass(slots=True)
class Desk:
    """What the built-in tools of one run work on."""

    files: Workspace
    """The workspace as the person has it: to be read in worker threads."""
    searcher: Searcher
    seen: dict[str, None] = field(default_factory=dict[str, None])
    """Files that were shown, the latest last: the editor may have them open."""

    def note(self, path: str) -> None:
        """Remember that `path` was shown."""
        self.seen.pop(path, None)
        self.seen[path] = None


A = TypeVar("A", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class BuiltinTool(Generic[A]):
    """A tool that works in this process; its arguments are the fields of a struct, whose text is its description."""

    name: str
    arguments: type[A]
    work: Callable[[Desk, A], str]
    desk: Desk

    @property
    def spec(self) -> ToolSpec:
        """What a model is told of it."""
        return ToolSpec(self.name, (self.arguments.__doc__ or "").strip(), _schema(self.arguments))

    async def call(self, arguments: Mapping[str, Json]) -> ToolResult:
        """What it finds. Raises `ToolMisused`, `WorkspaceError`, `InputError`."""
        try:
            given = msgspec.convert(dict(arguments), self.arguments, strict=False)
        except msgspec.ValidationError as error:
            raise ToolMisused(f"The arguments of {self.name} are wrong: {error}.") from error
        text, whole = cut_result(await reading(self.work, self.desk, given), RESULT_CHARS_MAX)
        return ToolResult(text, whole_chars=whole)


@dataclass(frozen=True, slots=True)
class BuiltinTools:
    """The source of the built-in tools of one run."""

    desk: Desk

    async def offered(self) -> Offered:
        """All of them; there is nothing to start."""
        return Offered(builtin_tools(self.desk))


def builtin_tools(desk: Desk) -> tuple[Tool, ...]:
    """The built-in tools over `desk`."""
    return (
        BuiltinTool("search", Search, _search, desk),
        BuiltinTool("read_span", ReadSpan, _read_span, desk),
        BuiltinTool("outline", Outline, _outline, desk),
        BuiltinTool("grep", Grep, _grep, desk),
        BuiltinTool("list_files", ListFiles, _list_files, desk),
    )


def _search(desk: Desk, given: Search) -> str:
    spans = desk.searcher.search(given.query, given.limit, desk.files)[: given.limit]
    for span in spans:
        desk.note(span.path)
    return show_spans(spans) or "Nothing was found."


def _read_span(desk: Desk, given: ReadSpan) -> str:
    file = desk.files.read(given.path)
    desk.note(file.path)
    end = given.end or given.start + LINES_DEFAULT - 1
    if end < given.start:
        raise ToolMisused(f"The last line, {end}, comes before the first, {given.start}.")
    end = min(end, given.start + LINES_MAX - 1, len(file.lines))
    if given.start > len(file.lines):
        raise ToolMisused(f"{file.path} has {len(file.lines)} lines, so there is no line {given.start}.")
    text = "\n".join(file.lines[given.start - 1 : end])
    shown = show_spans([Span(file.path, given.start, end, text, "read", 1.0)]) or "These lines are empty."
    return f"{shown}\n\n{file.path} has {len(file.lines)} lines."


def _outline(desk: Desk, given: Outline) -> str:
    path = desk.files.relative(given.path)
    desk.note(path)
    places = outline(desk.files, path)
    lines = [f"{one.start}-{one.end} {one.kind} {one.name}: {one.text}" for one in places]
    return (
        "\n".join([f"{path}, by its lines:", *lines]) if lines else f"{path} defines nothing that has a name."
    )


def _grep(desk: Desk, given: Grep) -> str:
    disk = Workspace(desk.files.root)
    paths = list(_within(disk, given.path)) if given.path else None
    found = grep(disk, given.pattern, MATCHES_MAX + 1, paths=paths)
    unsaved = _unsaved(desk, {match.path: None for match in found}, paths)
    if unsaved:
        found = grep(disk, given.pattern, MATCHES_MAX + 1, paths=paths, buffers=unsaved)
    lines = [f"({match.path}:{match.line}) {match.text.strip()}" for match in found[:MATCHES_MAX]]
    for match in found[:MATCHES_MAX]:
        desk.note(match.path)
    if len(found) > MATCHES_MAX:
        lines.append(f"There are more than {MATCHES_MAX} lines; look for more, or in one folder.")
    return "\n".join(lines) or "No line matches."


def _unsaved(desk: Desk, matching: Mapping[str, None], paths: list[str] | None) -> dict[str, str | None]:
    """What the editor has of the files that match, and of those that were shown last."""
    buffers = desk.files.buffers
    if buffers is None:
        return {}
    scope = None if paths is None else set(paths)
    asked = [
        path for path in {**matching, **dict.fromkeys(reversed(desk.seen))} if scope is None or path in scope
    ]
    texts = {path: buffers.read(desk.files.root / path) for path in asked[:OPEN_FILES_MAX]}
    return {path: text for path, text in texts.items() if text is not None}


def _list_files(desk: Desk, given: ListFiles) -> str:
    paths = list(_within(desk.files, given.path))
    lines = paths[:FILES_SHOWN_MAX]
    if len(paths) > len(lines):
        lines.append(f"and {len(paths) - len(lines)} more; name a folder.")
    return "\n".join(lines) or "There are no files."


def _within(workspace: Workspace, path: str) -> Iterator[str]:
    """The files that `path`, a folder, a file or a pattern, stands for. Raises `WorkspaceError` where it is outside."""
    if any(sign in path for sign in "*?["):
        yield from (one for one in workspace.files() if fnmatchcase(one, path))
        return
    wanted = workspace.relative(path or ".")
    if wanted != "." and not workspace.is_there(wanted):
        raise MissingFile(f"There is no file or folder {wanted} in the workspace.", path=wanted)
    prefix = "" if wanted == "." else f"{wanted}/"
    yield from (one for one in workspace.files() if one == wanted or one.startswith(prefix))


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Json]:
    """The JSON schema of a struct, as engines take it: without titles and references."""
    _, components = msgspec.json.schema_components([arguments])
    schema = dict(components[arguments.__name__])
    return {key: value for key, value in schema.items() if key not in ("title", "description")}
