"""One open index with what keeps it fresh: its runs, one at a time, its watch, its idle time.

`scheduling` holds one for each workspace that is used; below lie `workspace_index` and `watch`, which block: they run
in worker threads here, behind limiters.
"""

import logging
import math
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio import CapacityLimiter, from_thread, to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from naestro.config import IndexSettings
from naestro.index.files.watch import CannotWatch, Changed, Watcher
from naestro.index.found import IndexProgress
from naestro.index.workspace_index import STOPPED, WorkspaceIndex

T = TypeVar("T")

_log = logging.getLogger(__name__)

UNWATCHED_S: Final = 300.0
"""Between two walks where the system tells no changes."""
RETRY_S: Final = 30.0
"""After a run that failed (a full disk), or while another process writes, until the next one."""
QUIET_S: Final = 20.0
"""Without any change; then the table is compacted, if it needs that."""
FOLLOWING_FAILED: Final = (
    "Following the changes of this workspace failed; the log says where. It is tried again."
)
FINAL: Final = frozenset({"done", "failed", "waiting"})
"""Phases after which a run has ended."""


class OpenIndex:
    """An open `WorkspaceIndex` that stays fresh for as long as `keep` runs."""

    def __init__(
        self, index: WorkspaceIndex, settings: IndexSettings, tasks: TaskGroup, watched_max: int
    ) -> None:
        """For `index`, opened by `settings`; runs live in `tasks`; at most `watched_max` folders are watched."""
        self.index = index
        self.settings = settings
        self.used_at = time.monotonic()
        self.progress: IndexProgress | None = None
        """The latest of the run over the whole workspace."""
        self._tasks = tasks
        self._watched_max = watched_max
        self._questions = CapacityLimiter(8)
        self._turn = anyio.Lock()
        self._stop = threading.Event()
        """Ends the run that goes on."""
        self._is_ending = False
        self._keeping = anyio.CancelScope()
        self._changed_at = 0.0
        self._whole: anyio.Event | None = None
        """Set when the run over the whole workspace that goes on has ended; None where none does."""
        self._listeners: set[MemoryObjectSendStream[IndexProgress]] = set()
        self._watcher: Watcher | None = None
        self._embedding = Chore(tasks, self._embed)
        self._resting = Chore(tasks, self._rest)
        self._retrying = Chore(tasks, self._retry)

    async def ask(self, question: Callable[[], T]) -> T:
        """What a method of the index answers, in a worker thread."""
        self.used_at = time.monotonic()
        if self._watcher is not None:
            self._watcher.use()
        try:
            return await to_thread.run_sync(question, limiter=self._questions, abandon_on_cancel=True)
        finally:
            if self.index.standing.damage:
                self._begun(is_anew=False)

    @property
    def is_busy(self) -> bool:
        """Whether a run goes on, or a question."""
        return self._turn.locked() or self._questions.borrowed_tokens > 0

    async def update(self, *, is_anew: bool = False) -> IndexProgress:
        """A run over the whole workspace, or the one that goes on; its last progress."""
        await self._begun(is_anew=is_anew).wait()
        return self.progress or IndexProgress("failed", detail=STOPPED)

    @asynccontextmanager
    async def updating(self, *, is_anew: bool = False) -> AsyncGenerator[AsyncIterator[IndexProgress]]:
        """`update`, with its progress as it comes; the last one's phase is `done`, `failed` or `waiting`."""
        send, receive = anyio.create_memory_object_stream[IndexProgress](
            math.inf
        )  # ten a second, for one run
        with send, receive:
            if self._whole is not None and self.progress is not None:
                send.send_nowait(self.progress)
            self._begun(is_anew=is_anew)
            self._listeners.add(send)
            try:
                yield receive
            finally:
                self._listeners.discard(send)

    async def keep(self) -> None:
        """Keep the index fresh until `end`: a run, then one for each change."""
        with self._keeping:
            while True:
                try:
                    await self._keep()
                except Exception:  # noqa: BLE001  What one workspace makes of a watch ends no other one.
                    _log.exception("following %s failed", self.index.workspace.root)
                    self.index.watch_trouble = FOLLOWING_FAILED
                await anyio.sleep(UNWATCHED_S)

    async def _keep(self) -> None:
        last = await self.update()
        while True:
            if last.phase == "done" and await self._followed():
                continue
            await anyio.sleep(UNWATCHED_S if last.phase == "done" else RETRY_S)
            last = await self.update()

    async def end(self) -> None:
        """End runs soon, and close the index."""
        self._is_ending = True
        self._stop.set()
        self._keeping.cancel()
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await to_thread.run_sync(self.index.close)

    def _begun(self, *, is_anew: bool) -> anyio.Event:
        """Set when the run over the whole workspace has ended: the one that goes on, else a new one."""
        self.used_at = time.monotonic()
        if self._whole is None:
            self._whole = anyio.Event()
            self.progress = IndexProgress("walking")
            self._tasks.start_soon(self._run_whole, self._whole, is_anew)
        return self._whole

    async def _run_whole(self, ended: anyio.Event, is_anew: bool) -> None:
        last = IndexProgress("failed", detail=STOPPED)
        try:
            last = await self._run(partial(self.index.refresh, progress=self._heard, is_anew=is_anew))
        finally:
            self._whole = None
            self._tell(last)
            ended.set()

    async def _run(self, refresh: Callable[..., IndexProgress]) -> IndexProgress:
        """One run, when those before it have ended; a cancelled one ends soon, and what it did stays."""
        last = IndexProgress("failed", detail=STOPPED)
        async with self._turn, anyio.create_task_group() as beside:
            self._stop = threading.Event()
            beside.start_soon(_set_when_cancelled, self._stop)
            if not self._is_ending:
                last = await to_thread.run_sync(partial(refresh, stop=self._stop))
            beside.cancel_scope.cancel()
        self._changed_at = time.monotonic()
        if self.index.embeds_later:
            self._embedding.begin()
        if self.index.large_runs.is_lasting:
            self._resting.begin()
        return last

    async def _embed(self) -> None:
        """Let a slow embedder work on, a little at a time between runs."""
        is_more = True
        while is_more and not self._is_ending:
            async with self._turn:
                stop = self._stop = threading.Event()
                is_more = not self._is_ending and await to_thread.run_sync(self.index.embed_some, stop)

    def _heard(self, progress: IndexProgress) -> None:
        """Hear of a run, in its thread; how it ended is told when its turn is over."""
        if progress.phase not in FINAL:
            from_thread.run_sync(self._tell, progress)

    def _tell(self, progress: IndexProgress) -> None:
        self.progress = progress
        for listener in list(self._listeners):
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody reads any more
                listener.send_nowait(progress)
            if progress.phase in FINAL:
                listener.close()

    async def _followed(self) -> bool:
        """Follow changes until the folders are others; False where the system tells none."""
        try:
            open_ = partial(Watcher, folders_max=self._watched_max)
            watcher = await to_thread.run_sync(open_, self.index.workspace.root, self.index.folders)
            watcher.on_many = self.index.large_runs.expect
        except CannotWatch as error:
            self._say_unwatched(error)
            return False
        self._watcher, self.index.is_watching, self.index.watch_trouble = watcher, True, ""
        try:
            last = await self.update()  # what changed before the watch stood
            while watcher.folders == frozenset(self.index.folders):
                if last.phase == "failed":
                    self._retrying.begin()
                changed = await _next(watcher)
                last = await self._run(partial(self.index.refresh, changed.paths))
        except CannotWatch as error:
            self._say_unwatched(error)
            return False
        finally:
            self._watcher, self.index.is_watching = None, False
            watcher.close()
        return True

    async def _retry(self) -> None:
        """Take up what a run left undone, some time after it failed."""
        last = IndexProgress("failed")
        while last.phase == "failed" and not self._is_ending:
            await anyio.sleep(RETRY_S)
            last = await self.update() if not self._is_ending else last

    def _say_unwatched(self, error: CannotWatch) -> None:
        self.index.watch_trouble = f"{error} Changes are looked for every {UNWATCHED_S / 60:.0f} minutes."
        _log.warning("%s: %s", self.index.workspace.root, self.index.watch_trouble)

    async def _rest(self) -> None:
        """Do what can wait when it is quiet."""
        left_s = QUIET_S
        while left_s > 0:
            await anyio.sleep(left_s)
            left_s = self._changed_at + QUIET_S - time.monotonic()
        async with self._turn:
            self._stop = threading.Event()
            if not self._is_ending:
                await to_thread.run_sync(self.index.rest, self._stop)
        if self.index.standing.damage:
            self._begun(is_anew=False)


class Chore:
    """Work beside the runs that is begun again and again, and goes on once at a time."""

    def __init__(self, tasks: TaskGroup, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` in `tasks`."""
        self._tasks = tasks
        self._work = work
        self._goes_on = False

    def begin(self) -> None:
        """Do it, unless it goes on already."""
        if not self._goes_on:
            self._goes_on = True
            self._tasks.start_soon(self._do)

    async def _do(self) -> None:
        try:
            await self._work()
        finally:
            self._goes_on = False


async def _set_when_cancelled(stop: threading.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


async def _next(watcher: Watcher) -> Changed:
    """What changes next. Raises CannotWatch."""
    stop = threading.Event()
    changed: Changed | None = None
    async with anyio.create_task_group() as beside:
        beside.start_soon(_set_when_cancelled, stop)
        # One thread for each workspace that is watched, beside those for work.
        changed = await to_thread.run_sync(watcher.wait, stop, limiter=CapacityLimiter(1))
        beside.cancel_scope.cancel()
    if changed is None:  # stopped, so cancelled, which is raised here
        await anyio.sleep_forever()
    return changed or Changed(None)
