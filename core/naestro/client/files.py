"""The text files of a workspace, for the protocol servers that show them: read by the rules of its border.

It implements `Files` of `api`; `bound` above hands it out, below it stands `naestro.policy.workspace`. Reading blocks,
so it is done in threads of a number of its own: however many ask at once, nobody else's work waits for a thread.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread

from naestro.client.api import FileText
from naestro.client.indexing import PATH_CHARS_MAX, check_text
from naestro.errors import InputError
from naestro.policy.workspace import Workspace

THREADS = 4
"""Files that are read at once; a disk has no use for more."""


class LocalFiles:
    """`naestro.client.api.Files` on this machine's disk."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def root(self, workspace: str) -> str:
        """The workspace's root."""
        found = await anyio.to_thread.run_sync(Workspace.find, Path(workspace), limiter=self._limiter)
        return str(found.root)

    async def read(self, workspace: str, path: str, *, start: int = 1, end: int | None = None) -> FileText:
        """The lines `start` to `end`, inclusive, of the file at `path`."""
        check_text("path", path, PATH_CHARS_MAX)
        if start < 1 or (end is not None and end < start):
            raise InputError(
                f"There are no lines {start} to {end}.",
                hint="Lines count from 1, the last not before the first.",
            )
        return await anyio.to_thread.run_sync(_read, workspace, path, start, end, limiter=self._limiter)

    async def names(self, workspace: str, beginning: str, *, limit: int = 100) -> list[str]:
        """The files and folders of one folder whose paths begin so."""
        if beginning:
            check_text("path", beginning, PATH_CHARS_MAX, is_blank_allowed=True)
        return await anyio.to_thread.run_sync(_names, workspace, beginning, limit, limiter=self._limiter)


def _read(workspace: str, path: str, start: int, end: int | None) -> FileText:
    file = Workspace.find(Path(workspace)).read(path)
    text = "\n".join(file.lines[start - 1 : end])
    return FileText(path=file.path, start=start, text=text, lines=len(file.lines))


def _names(workspace: str, beginning: str, limit: int) -> list[str]:
    folder, _, start = beginning.rpartition("/")
    return list(islice(_beginning_so(Workspace.find(Path(workspace)), folder, start), limit))


def _beginning_so(workspace: Workspace, folder: str, start: str) -> Iterator[str]:
    for name in workspace.names(folder):
        if name.startswith(start):
            yield f"{folder}/{name}" if folder else name
