"""The code index over the daemon's socket: each question is one call, an update is followed as it goes on.

`http` above makes it; below stands `http_wire`. Questions change nothing and may be made twice; so may an update, which
joins the run that goes on. What counts of the caller's environment travels with each.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TypeVar

import msgspec

from naestro.client.api import (
    EVERYTHING,
    IndexProgress,
    IndexStatus,
    MapReply,
    Match,
    Only,
    Place,
    SearchReply,
)
from naestro.client.http_wire import LOSSES_MAX, Lost, Wire
from naestro.errors import DaemonUnreachable

T = TypeVar("T")


class HttpIndexing:
    """`naestro.client.api.Indexing` over HTTP."""

    def __init__(self, wire: Wire, environment: Callable[[str], Mapping[str, str]]) -> None:
        """Call over `wire`, for a caller with `environment`."""
        self._wire = wire
        self._environment = environment

    async def use(self, workspace: str) -> None:
        """Say that a workspace is worked in."""
        params = {"path": workspace, "environment": self._environment(workspace)}
        await self._wire.call("workspaces.open", params, object, is_repeatable=True)

    async def search(
        self,
        workspace: str,
        query: str,
        *,
        limit: int = 10,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """The places of `only` that answer `query`, the best first."""
        within = {"path": only.path, "language": only.language}
        params = {"query": query, "limit": limit, "buffers": buffers, **within}
        return await self._ask("index.search", workspace, params, SearchReply)

    async def symbol(self, workspace: str, name: str, *, limit: int = 50) -> list[Place]:
        """Where `name` is defined."""
        return await self._ask("index.symbol", workspace, {"name": name, "limit": limit}, list[Place])

    async def references(self, workspace: str, name: str, *, limit: int = 100) -> list[Place]:
        """Where `name` is used."""
        return await self._ask("index.references", workspace, {"name": name, "limit": limit}, list[Place])

    async def outline(
        self, workspace: str, path: str, *, buffers: Mapping[str, str | None] = {}
    ) -> list[Place]:
        """What a file defines."""
        return await self._ask("index.outline", workspace, {"path": path, "buffers": buffers}, list[Place])

    async def map(self, workspace: str, *, budget_tokens: int = 2048, question: str = "") -> MapReply:
        """The repository map."""
        params = {"budget_tokens": budget_tokens, "question": question}
        return await self._ask("index.map", workspace, params, MapReply)

    async def grep(
        self, workspace: str, pattern: str, *, limit: int = 200, buffers: Mapping[str, str | None] = {}
    ) -> list[Match]:
        """The lines that match."""
        params = {"pattern": pattern, "limit": limit, "buffers": buffers}
        return await self._ask("index.grep", workspace, params, list[Match])

    async def status(self, workspace: str) -> IndexStatus:
        """What the index holds now."""
        return await self._ask("index.status", workspace, {}, IndexStatus)

    def update(
        self, workspace: str, *, rebuild: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[IndexProgress]]:
        """Bring the index to what the disk says, over the loss of a daemon too."""
        return self._update(workspace, rebuild=rebuild)

    async def _ask(self, method: str, workspace: str, params: Mapping[str, object], kind: type[T]) -> T:
        told = {**params, "workspace": workspace, "environment": self._environment(workspace)}
        return await self._wire.call(method, told, kind, is_repeatable=True)

    @asynccontextmanager
    async def _update(self, workspace: str, *, rebuild: bool) -> AsyncGenerator[AsyncIterator[IndexProgress]]:
        async with aclosing(self._progress(workspace, rebuild=rebuild)) as steps:
            yield steps

    async def _progress(self, workspace: str, *, rebuild: bool) -> AsyncGenerator[IndexProgress]:
        body = {"workspace": workspace, "rebuild": rebuild, "environment": self._environment(workspace)}
        for _ in range(LOSSES_MAX):
            # The first call of a client may find the daemon gone that it reached.
            try:
                async with aclosing(self._wire.streamed("/index/update", body)) as datas:
                    async for data in datas:
                        yield msgspec.json.decode(data, type=IndexProgress)
                return
            except Lost:
                await self._wire.connect()
        raise DaemonUnreachable(f"The daemon was lost {LOSSES_MAX} times in a row.")
