"""The tools of one run: the built-in ones, and those that the person allowed of each server.

The composition root above opens it for each run; below stand connections and permissions. A server is started when its
tools are first asked for, and only where something of it is allowed; it ends with the run.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from naestro.errors import ToolError
from naestro.runs.faults import leaves
from naestro.tools.servers.allowed import Permissions
from naestro.tools.servers.connection import Connection
from naestro.tools.servers.definition import Definition, Definitions
from naestro.tools.servers.server_tool import ServerTool
from naestro.tools.servers.way import Terms
from naestro.tools.tool import Offered, Tool, Tools

LOST_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class _Part:
    """What one server brings."""

    tools: tuple[Tool, ...] = ()
    troubles: tuple[str, ...] = ()


class RunTools:
    """`naestro.tools.tool.Tools` of one run."""

    def __init__(
        self,
        builtin: Tools | None,
        troubles: tuple[str, ...],
        servers: list[Connection],
        permissions: Permissions,
    ) -> None:
        """Offer what `builtin` has and what is allowed of `servers`; `troubles` are told with it."""
        self._builtin, self._troubles = builtin, troubles
        self._servers, self._permissions = servers, permissions
        self._lock = anyio.Lock()
        self._offered: Offered | None = None

    async def offered(self) -> Offered:
        """All of them; servers start side by side at the first call."""
        async with self._lock:
            if self._offered is None:
                own = (await self._builtin.offered()).tools if self._builtin is not None else ()
                parts = await self._parts()
                tools = {tool.spec.name: tool for part in parts for tool in part.tools}
                troubles = (*self._troubles, *(one for part in parts for one in part.troubles))
                self._offered = Offered((*own, *tools.values()), troubles)
            return self._offered

    async def _parts(self) -> list[_Part]:
        """What each server brings, in their order."""
        found: dict[int, _Part] = {}

        async def ask(number: int, server: Connection) -> None:
            found[number] = await self._part(server)

        async with anyio.create_task_group() as tasks:
            for number, server in enumerate(self._servers):
                tasks.start_soon(ask, number, server)
        return [found[number] for number in sorted(found)]

    async def _part(self, server: Connection) -> _Part:
        definition = server.definition
        if not definition.allow and await self._permissions.of(definition) is None:
            return _Part()
        try:
            described = await server.tools()
        except ToolError as error:
            return _Part(troubles=(f"The tools of the server {server.name} are missing: {error.message}",))
        judged = await self._permissions.judge(definition, described)
        allowed = set(judged.allowed)
        server.rely_on(allowed)
        tools = tuple(ServerTool(server, one) for one in described if one.name in allowed)
        return _Part(tools, tuple(_troubles(server, judged.changed)))


def _troubles(server: Connection, changed: list[str]) -> Iterator[str]:
    if changed:
        yield (
            f"The server {server.name} is off: it describes {', '.join(changed[:5])} in another way than when it was "
            f"allowed. Look at it with `naestro tools show {server.name}`, and allow it again."
        )
    for name, reason in list(server.listing.lost.items())[:LOST_SHOWN_MAX]:
        yield f"The tool {name} of the server {server.name} is left out: {reason}."
    unsaid = max(0, len(server.listing.lost) - LOST_SHOWN_MAX) + server.listing.further
    if unsaid:
        yield (
            f"{unsaid:,} more tools of the server {server.name} are left out; see `naestro tools show {server.name}`."
        )


@asynccontextmanager
async def open_tools(
    builtin: Tools | None, definitions: Definitions, terms: Terms, permissions: Permissions
) -> AsyncGenerator[RunTools]:
    """The tools of a run, for as long as the block; then all servers have ended."""
    async with _held() as tasks:
        servers = [Connection(one, terms, tasks) for one in definitions.servers.values()]
        yield RunTools(builtin, definitions.troubles, servers, permissions)


@asynccontextmanager
async def open_server(definition: Definition, terms: Terms) -> AsyncGenerator[Connection]:
    """One server, for a look at it."""
    async with _held() as tasks:
        yield Connection(definition, terms, tasks)


@asynccontextmanager
async def _held() -> AsyncGenerator[TaskGroup]:
    """Tasks that end with the block; what the block raises comes out as it is, not in a group."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        alone = list(leaves(group))
        if len(alone) != 1:
            raise
        raise alone[0] from group.__cause__
