"""The indexes of a process: each opened when its workspace is first used, kept fresh, closed when it is not used.

The daemon's core holds one `Indexes`, and so does a process that works without a daemon:

    async with anyio.create_task_group() as tasks, Indexes(tasks, settings_of) as indexes:
        reply = await indexes.search(root, "where is the retry policy decided?")

`app` opens it around the core; `client` asks it. `WorkspaceIndex` does the work, in worker threads. It knows no
protocol; `roots` are those of `Workspace.find`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType

from anyio.abc import TaskGroup

from naestro.config import Settings
from naestro.index.found import IndexProgress, IndexStatus, MapReply, Match, Place, SearchReply
from naestro.index.workspace_index import WorkspaceIndex


class Indexes:
    """The open indexes of this process, by the root of their workspace."""

    def __init__(
        self, tasks: TaskGroup, settings_of: Callable[[Path], Settings], *, is_following: bool = True
    ) -> None:
        """Keep indexes whose runs and watches live in `tasks`, with the settings of each root.

        Not `is_following`: nothing is indexed or watched by itself, as a command that ends soon wants it.
        """
        raise NotImplementedError

    async def open(self, root: Path) -> WorkspaceIndex:
        """The index of `root`, opened where it is not; a run and a watch begin where the settings say so.

        For callers that go on in a worker thread (`grounding`). It must not be closed.
        """
        raise NotImplementedError

    def use(self, root: Path) -> None:
        """Say that `root` is worked in, so that its index is made meanwhile; returns at once, tells no fault."""
        raise NotImplementedError

    async def search(
        self, root: Path, question: str, limit: int = 10, buffers: Mapping[str, str | None] = {}
    ) -> SearchReply:
        """See `WorkspaceIndex.search`; these come back without waiting for a run."""
        raise NotImplementedError

    async def symbol(self, root: Path, name: str, limit: int = 50) -> list[Place]:
        """See `WorkspaceIndex.symbol`."""
        raise NotImplementedError

    async def references(self, root: Path, name: str, limit: int = 200) -> list[Place]:
        """See `WorkspaceIndex.references`."""
        raise NotImplementedError

    async def outline(self, root: Path, path: str, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        """See `WorkspaceIndex.outline`."""
        raise NotImplementedError

    async def map(self, root: Path, budget_tokens: int = 2000, question: str = "") -> MapReply:
        """See `WorkspaceIndex.map`."""
        raise NotImplementedError

    async def grep(
        self, root: Path, regex: str, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """See `WorkspaceIndex.grep`."""
        raise NotImplementedError

    async def status(self, root: Path) -> IndexStatus:
        """See `WorkspaceIndex.status`."""
        raise NotImplementedError

    async def update(self, root: Path, *, is_anew: bool = False) -> IndexProgress:
        """Begin a run over the whole workspace, or join the one that goes on; its last progress.

        A caller that is cancelled leaves the run going on.
        """
        raise NotImplementedError

    def progress(self, root: Path) -> IndexProgress | None:
        """The latest of the run that goes on, or of the last one; None where there was none."""
        raise NotImplementedError

    def updating(
        self, root: Path, *, is_anew: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IndexProgress]]:
        """`update`, with its progress as it comes; the last one's phase is `done`, `failed` or `waiting`.

        async with indexes.updating(root) as steps:
            async for progress in steps: ...
        """
        raise NotImplementedError

    async def __aenter__(self) -> "Indexes":
        """Begin."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End runs soon (what they did stays) and close every index."""
        raise NotImplementedError
