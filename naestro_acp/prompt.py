"""What a person put into a prompt, as a task's text and files: text, links, selected code, `@file` mentions.

`turn` above makes a command of it; below stand the protocol's content blocks. A file of the workspace is named, never
copied: the run reads it through the editor, so that unsaved text counts. What lies elsewhere comes along as text.
It starts no run and knows no slash command.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from acp.helpers import ContentBlock
from acp.schema import (
    BlobResourceContents,
    EmbeddedResourceContentBlock,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)

NO_EYES = "No engine here can see images: the image was left out."
NO_EARS = "No engine here can hear: the recording was left out."
QUOTED_CHARS_MAX = 6000
"""Most characters of a text that is no file of the workspace: what a small model's context takes beside the code."""
_LINES = re.compile(r"L?(?P<start>\d+)(?:[:-]L?(?P<end>\d+))?")
"""`#L12`, `#L12-40`, `#L12-L40`, and `#L12:40` as Zed writes it."""
_MENTION = re.compile(r"(?<![\w@/.])@(?P<path>[^\s@:,;]+)(?P<lines>:\d+(?:-\d+)?)?")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person asks, ready for a command."""

    text: str
    """With the names of files where they were linked or mentioned."""
    files: list[str] = field(default_factory=list[str])
    """Absolute paths inside the workspace, each once."""
    quotes: list[str] = field(default_factory=list[str])
    """Texts that came along, each under a line that says where it is from."""
    notes: list[str] = field(default_factory=list[str])
    """What was left out, for the person: one sentence each."""

    @property
    def task(self) -> str:
        """The text with what came along."""
        return "\n\n".join([self.text, *self.quotes])


def read_prompt(blocks: Sequence[ContentBlock], root: str, cwd: str) -> Prompt:
    """The prompt of `blocks`, in a session that stands in the folder `cwd` of the workspace `root`."""
    places = _Places(os.path.realpath(root), os.path.realpath(cwd))
    reading = _Reading(places)
    for block in blocks:
        reading.take(block)
    text = re.sub(r"[ \t]+\n", "\n", "".join(reading.words)).strip()
    return Prompt(
        text, list(dict.fromkeys(reading.files)), reading.quotes, list(dict.fromkeys(reading.notes))
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """The folders that names count from."""

    root: str
    cwd: str

    def shown(self, path: str) -> str | None:
        """`path` (absolute, symlinks resolved) as a task names it; None where it lies outside both folders."""
        for folder in (self.root, self.cwd):
            if Path(path).is_relative_to(folder):
                return Path(path).relative_to(folder).as_posix()
        return None

    def find(self, name: str) -> str | None:
        """The absolute path of a file or folder that `name` leads to from either folder; None where there is none."""
        for folder in (self.cwd, self.root):
            path = _real(str(Path(folder) / name))
            if path is not None and os.access(path, os.F_OK) and self.shown(path) is not None:
                return path
        return None


@dataclass(slots=True)
class _Reading:
    """The prompt as far as it was read."""

    places: _Places
    words: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    quotes: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    def take(self, block: ContentBlock) -> None:
        """Read one more block."""
        match block:
            case TextContentBlock():
                self.words.append(_MENTION.sub(self._mentioned, block.text))
            case ResourceContentBlock():
                self._name(block.uri, block.name, None)
            case EmbeddedResourceContentBlock(resource=TextResourceContents() as resource):
                self._name(resource.uri, resource.uri, resource.text)
            case EmbeddedResourceContentBlock(resource=BlobResourceContents() as resource):
                self.notes.append(f"{resource.uri} is no text and was left out.")
            case _:
                self.notes.append(NO_EYES if block.type == "image" else NO_EARS)

    def _mentioned(self, match: re.Match[str]) -> str:
        """The name in a mention, where it is a file; else the text as it was typed."""
        name = match["path"].rstrip(".!?)")
        path = self.places.find(name)
        if path is None:
            return match[0]
        rest = match["path"][len(name) :]
        shown = self.places.shown(path) or name
        if match["lines"] and not rest:
            return f"{shown}{match['lines']}"
        self.files.append(path)
        return f"{shown}{rest}{match['lines'] or ''}"

    def _name(self, uri: str, name: str, text: str | None) -> None:
        """Name the file at `uri` in the text; quote `text` where it is none of the workspace."""
        path, lines = _place_of(uri)
        shown = self.places.shown(path) if path is not None else None
        if path is None or shown is None:
            self._quote(name, uri, text)
            return
        self._say(f"{shown}:{lines}" if lines else shown)
        if not lines:
            self.files.append(path)

    def _quote(self, name: str, uri: str, text: str | None) -> None:
        if text is None:
            self._say(name.lstrip("/"))  # what a page calls itself is no command
            self.notes.append(f"{uri} lies outside the workspace and was not read.")
            return
        cut = text[:QUOTED_CHARS_MAX]
        if len(cut) < len(text):
            self.notes.append(f"{uri} was cut after {QUOTED_CHARS_MAX} characters.")
        self.quotes.append(f"From {uri}:\n```\n{cut}\n```")

    def _say(self, name: str) -> None:
        """Put a name between the words around it."""
        before = self.words[-1] if self.words else ""
        self.words.append(
            name if not before or before[-1:].isspace() or before[-1:] in "([`'\"" else f" {name}"
        )


def _place_of(uri: str) -> tuple[str | None, str]:
    """The absolute path that `uri` names, symlinks resolved, or None where it names no file; and its lines, or ``."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # an address in brackets that is none
        return None, ""
    if parts.scheme not in ("file", "") or not parts.path.startswith("/"):
        return None, ""
    match = _LINES.fullmatch(parts.fragment)
    lines = "" if match is None else f"{match['start']}-{match['end'] or match['start']}"
    path = _real(unquote(parts.path))
    return path, "" if path is None else lines


def _real(path: str) -> str | None:
    """`path` with its symlinks resolved; None where no file system holds such a name."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a NUL in the name
        return None
