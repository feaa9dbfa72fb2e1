"""A unified diff as the protocol's diff content: the whole text of each file where it is known, else its hunks.

`projection` and `permissions` above show it. Pure: the text before is made from the text after by taking the hunks
back, so that nothing is read from the disk and the person sees exactly what was proposed.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from acp.helpers import tool_diff_content
from acp.schema import FileEditToolCallContent, ToolCallLocation

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = "\\ No newline at end of file"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(slots=True)
class Hunk:
    """One place that changes."""

    new_start: int
    """Its first line afterwards, from 1; the line before it where it leaves none."""
    old: list[str] = field(default_factory=list[str])
    r"""Lines before, each with its `\n` but for a last one without."""
    new: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class FileDiff:
    """What a diff says of one file."""

    path: str
    """Relative to the workspace."""
    is_new: bool = False
    is_removed: bool = False
    hunks: list[Hunk] = field(default_factory=list[Hunk])


def parse_diff(text: str) -> list[FileDiff]:
    """The files of a unified diff in git's form, in order; lines that it does not know are passed over."""
    files: list[FileDiff] = []
    lines = deque(text.split("\n"))
    while lines:
        line = lines.popleft()
        if line.startswith("diff --git "):
            files.append(FileDiff(_name(line.removeprefix("diff --git ").partition(" b/")[0])))
        elif not files:
            continue
        elif line.startswith("new file"):
            files[-1].is_new = True
        elif line.startswith("deleted file"):
            files[-1].is_removed = True
        elif line.startswith(("--- ", "+++ ")) and line[4:] != "/dev/null":
            files[-1].path = _name(line[4:])
        elif match := _HUNK.match(line):
            counts = [1 if count is None else int(count) for count in (match[2], match[4])]
            files[-1].hunks.append(_hunk(lines, int(match[3]), counts[0], counts[1]))
    return files


def diff_contents(
    root: str, files: Sequence[FileDiff], after: Mapping[str, str | None]
) -> list[FileEditToolCallContent]:
    """The files as diff content with absolute paths; `after` holds whole new texts by path, as far as known."""
    return [
        content for file in files for content in _contents(f"{root}/{file.path}", file, after.get(file.path))
    ]


def diff_locations(root: str, files: Sequence[FileDiff]) -> list[ToolCallLocation]:
    """Where each file changes first."""
    return [
        ToolCallLocation(
            path=f"{root}/{file.path}", line=max(1, file.hunks[0].new_start) if file.hunks else None
        )
        for file in files
    ]


def text_before(after: str, hunks: Sequence[Hunk]) -> str | None:
    """The text that became `after` by `hunks`; None where they do not fit."""
    lines = _split(after)
    for hunk in reversed(hunks):
        start = hunk.new_start - 1 if hunk.new else hunk.new_start
        end = start + len(hunk.new)
        if lines[start:end] != hunk.new:
            return None
        lines[start:end] = hunk.old
    return "".join(lines)


def _contents(path: str, file: FileDiff, after: str | None) -> Iterator[FileEditToolCallContent]:
    before = None if after is None else text_before(after, file.hunks)
    if after is not None and before is not None:
        yield tool_diff_content(path, after, None if file.is_new else before)
        return
    if not file.hunks:
        yield tool_diff_content(path, "", None if file.is_new else "")
    for hunk in file.hunks:
        yield tool_diff_content(path, "".join(hunk.new), None if file.is_new else "".join(hunk.old))


def _hunk(lines: deque[str], new_start: int, old_count: int, new_count: int) -> Hunk:
    """The hunk whose lines come next; takes them."""
    hunk, sign = Hunk(new_start), ""
    while lines and (len(hunk.old) < old_count or len(hunk.new) < new_count or lines[0] == _NO_NEWLINE):
        line = lines.popleft()
        if line == _NO_NEWLINE:
            _strip_end(hunk, sign)
            continue
        sign = line[:1]
        if sign != "+":
            hunk.old.append(line[1:] + "\n")
        if sign != "-":
            hunk.new.append(line[1:] + "\n")
    return hunk


def _strip_end(hunk: Hunk, sign: str) -> None:
    """Take the newline from the last line that `sign` put in."""
    for side, signs in ((hunk.old, " -"), (hunk.new, " +")):
        if side and sign in signs:
            side[-1] = side[-1].removesuffix("\n")


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _name(quoted: str) -> str:
    """The path in a header: without git's quotes, its tab, and the side in front."""
    name = quoted.rstrip("\t")
    if name.startswith('"') and name.endswith('"'):
        name = re.sub(r"\\([0-7]{3}|.)", _unescaped, name[1:-1])
    return str(PurePosixPath(*PurePosixPath(name).parts[1:]))


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    return chr(int(escaped, 8)) if len(escaped) == 3 else _ESCAPES.get(escaped, escaped)
