"""The indexes of a process: each opened when its workspace is first used, kept fresh, closed when it is not used.

The daemon's core holds one `Indexes`, and so does a process that works without a daemon:

    async with anyio.create_task_group() as tasks, Indexes(tasks, settings_of) as indexes:
        reply = await indexes.search(root, "where is the retry policy decided?")

`app` opens it around the core; `client` asks it. `WorkspaceIndex` does the work, in worker threads. It knows no
protocol; `root` is always that of `Workspace.find`.
"""

import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from naestro.config import Settings
from naestro.errors import IndexUnavailable, NaestroError
from naestro.index.asking.grep import grep
from naestro.index.files.watch import FOLDERS_MAX
from naestro.index.found import IndexProgress, IndexStatus, MapReply, Match, Place, SearchReply
from naestro.index.only import EVERYTHING, Only
from naestro.index.open_index import OpenIndex
from naestro.index.workspace_index import WorkspaceIndex, search_files
from naestro.policy.workspace import SETTINGS_NAME, Workspace

_log = logging.getLogger(__name__)

NO_PROJECT: Final = "This folder is or holds your home, and is no project: only `naestro index` indexes it."
"""Somebody who asks there by mistake does not mean the whole disk."""
UNUSED_S: Final = 1800.0
"""An index that nobody asked for so long is closed; what changes meanwhile is seen when it is opened again."""
LOOK_S: Final = 60.0
"""Between two looks for such ones."""


class Indexes:
    """The open indexes of this process, by the root of their workspace."""

    def __init__(
        self,
        tasks: TaskGroup,
        settings_of: Callable[[Path], Settings],
        *,
        is_following: bool = True,
        unused_s: float = UNUSED_S,
        watched_max: int = FOLDERS_MAX,
    ) -> None:
        """Keep indexes whose runs and watches live in `tasks`, with the settings of each root.

        Not `is_following`: nothing is indexed or watched by itself, as a command that ends soon wants it.
        A workspace of more than `watched_max` folders is walked now and then instead of watched.
        """
        self._tasks = tasks
        self._settings_of = settings_of
        self._is_following = is_following
        self._unused_s = unused_s
        self._watched_max = watched_max
        self._open: dict[Path, OpenIndex] = {}
        self._opening: dict[Path, anyio.Lock] = {}

    async def open(self, root: Path) -> WorkspaceIndex:
        """The index of `root`, opened where it is not; a run and a watch begin where the settings say so.

        For callers that go on in a worker thread (`grounding`); it must not be closed. Raises `ConfigError`,
        `IndexUnavailable`.
        """
        return (await self._kept(root)).index

    def use(self, root: Path) -> None:
        """Say that `root` is worked in, so that its index is made meanwhile; returns at once, tells no fault."""
        self._tasks.start_soon(self._used, root)

    async def search(
        self,
        root: Path,
        question: str,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """See `WorkspaceIndex.search`; these come back without waiting for a run, also where no index can be made."""
        try:
            kept = await self._kept(root)
        except IndexUnavailable as error:
            asked = partial(search_files, Workspace(root), question, limit, only, error)
            found, detail = await to_thread.run_sync(asked)
            return SearchReply(found, detail=detail)
        return await kept.ask(partial(kept.index.search, question, limit, buffers=buffers, only=only))

    async def symbol(self, root: Path, name: str, limit: int = 50) -> list[Place]:
        """See `WorkspaceIndex.symbol`."""
        kept = await self._kept(root)
        return await kept.ask(partial(kept.index.symbol, name, limit))

    async def references(self, root: Path, name: str, limit: int = 200) -> list[Place]:
        """See `WorkspaceIndex.references`."""
        kept = await self._kept(root)
        return await kept.ask(partial(kept.index.references, name, limit))

    async def outline(self, root: Path, path: str, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        """See `WorkspaceIndex.outline`."""
        kept = await self._kept(root)
        return await kept.ask(partial(kept.index.outline, path, buffers=buffers))

    async def map(self, root: Path, budget_tokens: int = 2000, question: str = "") -> MapReply:
        """See `WorkspaceIndex.map`."""
        kept = await self._kept(root)
        return await kept.ask(partial(kept.index.map, budget_tokens, question))

    async def grep(
        self, root: Path, regex: str, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """See `WorkspaceIndex.grep`; it needs no index either."""
        try:
            kept = await self._kept(root)
        except IndexUnavailable:
            return await to_thread.run_sync(partial(grep, Workspace(root), regex, limit, buffers=buffers))
        return await kept.ask(partial(kept.index.grep, regex, limit, buffers=buffers))

    async def status(self, root: Path) -> IndexStatus:
        """See `WorkspaceIndex.status`."""
        kept = await self._kept(root)
        return await kept.ask(kept.index.status)

    async def update(self, root: Path, *, is_anew: bool = False) -> IndexProgress:
        """Begin a run over the whole workspace, or join the one that goes on; its last progress.

        A caller that is cancelled leaves the run going on.
        """
        return await (await self._kept(root, is_checking=True)).update(is_anew=is_anew)

    def progress(self, root: Path) -> IndexProgress | None:
        """The latest of the run that goes on, or of the last one; None where there was none."""
        kept = self._open.get(root)
        return kept.progress if kept else None

    @asynccontextmanager
    async def updating(
        self, root: Path, *, is_anew: bool = False
    ) -> AsyncGenerator[AsyncIterator[IndexProgress]]:
        """`update`, with its progress as it comes; the last one's phase is `done`, `failed` or `waiting`.

        async with indexes.updating(root) as steps:
            async for progress in steps: ...
        """
        kept = await self._kept(root, is_checking=True)
        async with kept.updating(is_anew=is_anew) as steps:
            yield steps

    async def __aenter__(self) -> "Indexes":
        """Begin."""
        if self._is_following:
            self._tasks.start_soon(self._close_unused)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every index; the caller then cancels its task group."""
        await self.close()

    async def close(self) -> None:
        """End runs soon (what they did stays) and close every index; one that is used afterwards opens again."""
        for root in list(self._open):
            await self._open.pop(root).end()

    async def _kept(self, root: Path, *, is_checking: bool = False) -> OpenIndex:
        """The open index of `root`; `is_checking`: opened anew where the settings say otherwise by now."""
        kept = self._open.get(root)
        if kept is not None and not is_checking:
            return kept
        async with self._opening.setdefault(root, anyio.Lock()):
            settings = await to_thread.run_sync(self._settings_of, root)
            kept = self._open.get(root)
            if kept is not None and kept.settings != settings.index:
                await self._open.pop(root).end()
            if root not in self._open:
                self._open[root] = await self._opened(root, settings)
            return self._open[root]

    async def _opened(self, root: Path, settings: Settings) -> OpenIndex:
        index = await to_thread.run_sync(WorkspaceIndex, Workspace(root), settings)
        index.embeds_later = index.large_runs.is_lasting = self._is_following
        kept = OpenIndex(index, settings.index, self._tasks, self._watched_max)
        if not self._is_following:
            return kept
        if _is_no_project(root):
            index.watch_trouble = NO_PROJECT
        elif settings.index.automatic:
            self._tasks.start_soon(kept.keep)
        return kept

    async def _used(self, root: Path) -> None:
        try:
            await self._kept(root, is_checking=True)
        except NaestroError as error:
            _log.warning("no index of %s: %s", root, error.message)

    async def _close_unused(self) -> None:
        while True:
            await anyio.sleep(min(LOOK_S, self._unused_s))
            for root, kept in list(self._open.items()):
                if time.monotonic() - kept.used_at > self._unused_s and not kept.is_busy:
                    await self._open.pop(root).end()


def _is_no_project(root: Path) -> bool:
    """Whether `root` is the person's home folder or holds it, without a mark: nobody asks for the whole disk."""
    home = os.path.realpath(Path("~").expanduser())
    return Path(home).is_relative_to(root) and not (
        os.path.lexists(root / ".git") or (root / SETTINGS_NAME).is_file()
    )
