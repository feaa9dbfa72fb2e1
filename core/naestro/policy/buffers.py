"""What the editor has of a file, for code that reads and writes in worker threads.

An editor's buffer wins over the disk: it counts as the file that saving it would give, with the file's own encoding,
byte-order mark and line endings, so that a buffer and its saved file have one hash. `workspace` reads by it and
`changes` writes by it, after the border and the rules of names have been checked; below lies the editor's own
interface. It knows no protocol.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from naestro.errors import PatchConflict
from naestro.policy.editor import Editor
from naestro.policy.folder import Content
from naestro.policy.text import BinaryContent, decode, encode_like

T = TypeVar("T")

READ_S = 5.0
"""Seconds for one answer of the editor; a client that says nothing for longer counts as gone."""
WRITE_S = 20.0
"""Seconds for one write: an editor may format a file when it saves it."""
MODE_NEW = 0o644
"""Permission bits of a buffer that has no file yet, for what is shown of it."""


class Buffers(Protocol):
    """An `Editor`, as code in a worker thread asks it. Paths are absolute and have been checked."""

    def read(self, path: Path) -> str | None:
        """The text of `path` with unsaved changes; None: look at the disk."""
        ...

    def write(self, path: Path, text: str) -> bool:
        """Give the whole text of `path` to the editor; False: write to the disk."""
        ...


@dataclass(frozen=True, slots=True)
class EditorBuffers:
    """The buffers of an editor that lives on the event loop; to be used in AnyIO's worker threads alone."""

    editor: Editor
    read_s: float = READ_S
    write_s: float = WRITE_S

    def read(self, path: Path) -> str | None:
        """What the editor says within `read_s`; a text that is no UTF-8 counts as nothing."""
        from anyio import from_thread

        text = from_thread.run(self._read, path)
        return text if text is None or _is_utf8(text) else None

    def write(self, path: Path, text: str) -> bool:
        """Whether the editor took the text within `write_s`."""
        from anyio import from_thread

        return from_thread.run(self._write, path, text)

    async def _read(self, path: Path) -> str | None:
        from anyio import move_on_after

        with move_on_after(self.read_s):
            return await self.editor.read_text(path)
        return None

    async def _write(self, path: Path, text: str) -> bool:
        from anyio import move_on_after

        with move_on_after(self.write_s):
            return await self.editor.write_text(path, text)
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as the person has it: in the editor where it is open there, else on the disk."""

    disk: Content | None
    data: bytes | None
    """What saving would leave on the disk; None where there is neither a file nor a buffer."""
    is_open: bool
    """Whether the editor answered for it."""

    @property
    def is_unsaved(self) -> bool:
        """Whether the disk says something else."""
        return self.data != (self.disk.data if self.disk else None)

    @property
    def mode(self) -> int:
        """Permission bits."""
        return MODE_NEW if self.disk is None else stat.S_IMODE(self.disk.status.st_mode)


def see(path: Path, disk: Content | None, buffers: Buffers | None) -> Seen:
    """The file at `path`, which has been checked; `disk` is what lies there."""
    text = buffers.read(path) if buffers is not None else None
    if text is None:
        return Seen(disk, disk.data if disk else None, is_open=False)
    return Seen(disk, _as_saved(disk, text), is_open=True)


def in_editor(data: bytes | None) -> str | None:
    """The text to give to an editor for `data`; None where an editor would not keep every byte of it."""
    if data is None:
        return None
    try:
        file = decode("", data, MODE_NEW)
    except BinaryContent:
        return None
    return data.decode() if file.encoding == "utf-8" and not file.bom else None


async def reading(work: Callable[..., T], *arguments: object) -> T:
    """What `work` gives, which reads files and writes none, in a worker thread.

    Cancelled, it is left to itself: an editor that does not answer holds nobody up.
    """
    from anyio import to_thread

    return await to_thread.run_sync(partial(work, *arguments), abandon_on_cancel=True)


def _as_saved(disk: Content | None, text: str) -> bytes:
    """The bytes that saving the buffer `text` would give."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        before = decode("", disk.data, MODE_NEW) if disk else None
        # Without a file to be like, the buffer's own line endings are all there is.
        return encode_like(before, plain) if before else text.encode()
    except (BinaryContent, PatchConflict):
        return text.encode()


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
