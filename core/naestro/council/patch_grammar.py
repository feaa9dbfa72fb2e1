"""The grammar of a patch in a model's text: search/replace blocks and whole files in fences.

Strict about what is meant, forgiving about what is harmless: spaces after a marker, fences around a block, a path in
backticks or behind a `#`. What is open to two readings is refused with its line number. `patches` above gives the
parts their files; nothing here reads one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from naestro.errors import PatchMalformed

_OPEN = re.compile(r"^(<{5,9}) ?SEARCH>?\s*$", re.IGNORECASE)
_DIVIDE = re.compile(r"^(={5,9})\s*$")
_CLOSE = re.compile(r"^(>{5,9}) ?REPLACE>?\s*$", re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^`]*)$")
_FENCE_PATH = re.compile(r"^(?:path|file|filename|title)=[\"']?([^\"']+)[\"']?$", re.IGNORECASE)
_COMMENT_PATH = re.compile(
    r"^(?:#|//|--|/\*|<!--) ?(?:file(?:name)?|path)?:? ?([\w./-]+) ?(?:\*/|-->)?$", re.IGNORECASE
)
_LABEL = re.compile(
    r"^(?:#{1,6}|//|--|[-*]|\d+[.)])\s+|^(?:new |the )?(?:file|path|filename)\s*:\s*", re.IGNORECASE
)
_QUOTED = re.compile(r"^([`'\"])(.+)\1$")
_LINES = re.compile(r":\d+(?:-\d+)?$")
"""A citation's lines behind a path."""
_ENDING = re.compile(r"\.[A-Za-z0-9_+-]{1,12}$")
_BARE_NAMES = frozenset({"makefile", "dockerfile", "license", "readme", "codeowners", "procfile", "justfile"})
"""Files that commonly have neither folder nor ending."""

HINT = "Write each change as a path, then a SEARCH/REPLACE block below it."


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of a file to find, and the lines that take their place."""

    path: str
    search: list[str]
    replace: list[str]
    line: int
    """Where the block begins in the model's text, from 1."""


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file's whole new content."""

    path: str
    lines: list[str]
    line: int
    """Where the fence begins in the model's text, from 1."""


Part = Block | WholeFile


def scan(text: str) -> list[Part]:
    """The parts of the patch in `text`, in order; prose and other fences are passed over. Raises PatchMalformed."""
    return list(_Scanner(text.replace("\r\n", "\n").split("\n")).parts())


@dataclass(frozen=True, slots=True)
class Fence:
    """Lines between fences that name no file."""

    lines: list[str]
    line: int
    """Where the fence begins in the model's text, from 1."""


def lone_fence(text: str) -> Fence | None:
    """The one block of code in `text`, where it has no other and names no file for it; None where it was cut off."""
    scanner = _Scanner(text.replace("\r\n", "\n").split("\n"))
    try:
        parts = list(scanner.parts())
    except PatchMalformed:
        return None
    is_lone = not parts and len(scanner.unnamed) == 1
    return scanner.unnamed[0] if is_lone else None


@dataclass(slots=True)
class _Scanner:
    lines: Sequence[str]
    unnamed: list[Fence | None] = field(default_factory=list["Fence | None"])
    """The fences that name no file; None for one that is not closed."""
    _at: int = 0
    _wrapper: str = ""
    """The fence that is open around blocks, or nothing."""
    _path: str | None = field(default=None)
    """The path of the last part: blocks that follow one another may name it once."""

    def parts(self) -> Iterator[Part]:
        while self._at < len(self.lines):
            part = self._step()
            if part:
                self._path = part.path
                yield part

    def _step(self) -> Part | None:
        """Take what begins at this line."""
        line = self.lines[self._at]
        if _OPEN.match(line):
            return self._block()
        if _CLOSE.match(line):
            raise _malformed(self._at, "ends a block that was not begun")
        if self._wrapper and _closes(line, self._wrapper):
            self._wrapper = ""
        elif fence := _FENCE.match(line):
            return self._fence(fence[1], fence[2])
        self._at += 1
        return None

    def _block(self) -> Block:
        start = self._at
        path = self._path_above(start)
        if path is None:
            raise _malformed(start, "begins a block, but no path stands on the line above it")
        end = self._end_of_block(start)
        divider = self._divider(start, end)
        self._at = end + 1
        search, replace = self.lines[start + 1 : divider], self.lines[divider + 1 : end]
        return Block(path, list(search), list(replace), start + 1)

    def _end_of_block(self, start: int) -> int:
        """The line that closes the block: one as long as its opening, else any."""
        length = self._length(start)
        ends = list(self._matching(_CLOSE, start + 1, len(self.lines)))
        end = next((at for at, size in ends if size == length), ends[0][0] if ends else None)
        if end is None:
            raise _malformed(
                start, "begins a block that is not ended by >>>>>>> REPLACE; it may have been cut off"
            )
        again = next((at for at, size in self._matching(_OPEN, start + 1, end) if size == length), None)
        if again is not None:
            raise _malformed(again, "begins a block before the one above is ended")
        return end

    def _divider(self, start: int, end: int) -> int:
        length = self._length(start)
        found = list(self._matching(_DIVIDE, start + 1, end))
        same = [at for at, size in found if size == length] or [at for at, _ in found]
        if len(same) != 1:
            count = "no" if not same else "more than one"
            raise _malformed(start, f"begins a block with {count} ======= between SEARCH and REPLACE")
        return same[0]

    def _length(self, start: int) -> int:
        """How many `<` open the block: its other markers are as long, so that a shorter one is text."""
        return next(size for _, size in self._matching(_OPEN, start, start + 1))

    def _matching(self, marker: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
        """The lines that are such a marker, each with its marker's length."""
        for at in range(start, end):
            if found := marker.match(self.lines[at]):
                yield at, len(found[1])

    def _fence(self, fence: str, info: str) -> WholeFile | None:
        start = self._at
        named = _path_in_info(info)
        if self._wraps_block(start):
            self._wrapper = fence
            self._at += 1
            return None
        end = self._end_of_fence(start, fence)
        path = named or self._file_above(start)
        inside = None if path or end is None else _path_in_comment(self.lines[start + 1])
        if end is None and path is None:
            self.unnamed.append(None)
            self._at += 1
            return None
        if end is None:
            raise _malformed(start, "begins a file whose fence is not closed; it may have been cut off")
        self._at = end + 1
        if inside:
            return WholeFile(inside, list(self.lines[start + 2 : end]), start + 1)
        if path:
            return WholeFile(path, list(self.lines[start + 1 : end]), start + 1)
        self.unnamed.append(Fence(list(self.lines[start + 1 : end]), start + 1))
        return None

    def _wraps_block(self, start: int) -> bool:
        """Whether a block begins inside the fence: on its first line, or below a path."""
        inside = [line for line in self.lines[start + 1 : start + 6] if line.strip()][:2]
        return any(_OPEN.match(line) for line in inside) and not _closes(inside[0], "```")

    def _end_of_fence(self, start: int, fence: str) -> int | None:
        """The line that closes the fence; fences with a language inside are passed over in pairs."""
        depth = 0
        for at in range(start + 1, len(self.lines)):
            inner = _FENCE.match(self.lines[at])
            if not inner or not inner[1].startswith(fence):
                continue
            if inner[2].strip():
                depth += 1
            elif depth:
                depth -= 1
            else:
                return at
        return None

    def _path_above(self, start: int) -> str | None:
        """The path that the lines above a block name, or that of the block before it."""
        for line in reversed(self.lines[:start]):
            fence = _FENCE.match(line)
            if fence and _path_in_info(fence[2]):
                return _path_in_info(fence[2])
            if _CLOSE.match(line):
                return self._path
            if line.strip() and not fence:
                path = path_of(line)
                return path if path and looks_like_path(path) else self._path or path
        return None

    def _file_above(self, start: int) -> str | None:
        """The path on the line above a fence, when that line is nothing else."""
        above = next((line for line in reversed(self.lines[:start]) if line.strip()), "")
        path = path_of(above)
        return path if path and looks_like_path(path) else None


def path_of(line: str) -> str | None:
    """The path that a line consists of, its decoration taken off; None where the line is prose."""
    text = line.strip()
    while label := _LABEL.match(text):
        text = text[label.end() :].strip()
    text = text.strip("*").removesuffix(":").strip("*").strip()
    if quoted := _QUOTED.match(text):
        return _LINES.sub("", quoted[2].strip()) or None
    text = _LINES.sub("", text)
    is_word = text.strip("`'\"") and not any(c.isspace() for c in text)
    return text if is_word and not _is_marker(text) else None


def looks_like_path(text: str) -> bool:
    """Whether a word names a file, rather than being any word."""
    return "/" in text or bool(_ENDING.search(text)) or text.lower() in _BARE_NAMES


def _is_marker(text: str) -> bool:
    return any(marker.match(text) for marker in (_OPEN, _DIVIDE, _CLOSE, _FENCE))


def _path_in_info(info: str) -> str | None:
    """A path in the line that opens a fence: `path=a.py`, `python path=a.py`, `a/b.py` or `python:a.py`."""
    words = info.split()
    for word in words:
        if named := _FENCE_PATH.match(word):
            return named[1]
    first = words[0].rpartition(":")[2] if words else ""
    return first if looks_like_path(first) else None


def _path_in_comment(line: str) -> str | None:
    """A path that is all of a comment: many models begin a code block with it."""
    found = _COMMENT_PATH.match(line)
    return found[1] if found and looks_like_path(found[1]) else None


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return text.startswith(fence) and not text.strip(fence[0])


def _malformed(at: int, what: str) -> PatchMalformed:
    return PatchMalformed(f"Line {at + 1} of the patch {what}.", hint=HINT)
