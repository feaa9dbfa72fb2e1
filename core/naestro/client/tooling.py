"""The servers of tools in this process, as one caller sees them: what there is, a look at one, and what is allowed.

It implements `LendableTooling` of `api`; above stand the client and the composition root, below it
`naestro.tools.servers`. A server that is looked at is started for that look alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from naestro.client.api import ServerTool, ToolServer, ToolServerLook
from naestro.config import Settings, environment
from naestro.engines.guard import older
from naestro.errors import InputError, ToolUnavailable
from naestro.policy.workspace import Workspace
from naestro.tools.servers.allowed import Described, Judged, Permissions, Store, fits
from naestro.tools.servers.connection import Connection
from naestro.tools.servers.definition import Definition, Definitions, all_definitions, file_trust
from naestro.tools.servers.gate import TOOLS_MAX
from naestro.tools.servers.lent import Lent
from naestro.tools.servers.naming import tool_name
from naestro.tools.servers.source import open_server
from naestro.tools.servers.way import Terms, log_path
from naestro.types import Json

PATTERNS_MAX = 200
LOG_BYTES_MAX = 65_536
"""Of a log that is shown, the end of it."""


class LocalTooling:
    """`naestro.client.api.Tooling` for servers that this process starts."""

    def __init__(
        self,
        store: Store,
        load: Callable[[Path], Settings],
        logs: Path,
        lent: Lent,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Keep permissions in `store`; `load` reads the settings of a workspace for a caller with `variables`.

        `lent` has what editors lend, to whichever caller.
        """
        self._lent = lent
        self._permissions = Permissions(store)
        self._load, self._logs, self._variables = load, logs, variables

    async def servers(self, workspace: str) -> list[ToolServer]:
        """All that the settings and a trusted `.mcp.json` name, and what editors lend at the moment."""
        with environment(self._variables):
            found, _ = self._found(workspace)
            return [await self._told(one) for one in found.servers.values()]

    async def look(self, workspace: str, server: str) -> ToolServerLook:
        """Start a server, and tell its tools."""
        with environment(self._variables):
            definition, settings = self._one(workspace, server)
            async with open_server(definition, self._terms(settings)) as connection:
                tools = await connection.tools()
                return await self._looked(connection, tools)

    async def allow(
        self, workspace: str, server: str, patterns: list[str], *, seen: Mapping[str, str] = {}
    ) -> ToolServerLook:
        """Allow the tools that fit `patterns`; none: what was allowed before, as it is described now."""
        _check(patterns)
        with environment(self._variables):
            definition, settings = self._one(workspace, server)
            async with open_server(definition, self._terms(settings)) as connection:
                tools = await connection.tools()
                wanted = [tool for tool in tools if not patterns or fits(tool.name, patterns)]
                if patterns and not wanted:
                    raise InputError(
                        f"The server {server} has no tool that fits {', '.join(patterns)}.",
                        hint=f"It has {', '.join(tool.name for tool in tools[:20]) or 'none'}.",
                    )
                _refuse_changed(server, wanted, seen)
                await self._permissions.allow(definition, patterns, wanted)
                return await self._looked(connection, tools)

    async def deny(self, workspace: str, server: str, patterns: list[str]) -> bool:
        """Take back `patterns`, or all that was allowed of the server."""
        _check(patterns)
        with environment(self._variables):
            found, _ = self._found(workspace)
            definition = found.servers.get(server)
            if definition is None or not patterns:
                return await self._permissions.forget(server)
            had = await self._permissions.of(definition)
            await self._permissions.deny(definition, patterns)
            return had is not None and any(one in had.patterns for one in patterns)

    async def log(self, workspace: str, server: str) -> str:
        """What the server wrote to its standard error of late."""
        with environment(self._variables):
            definition, _ = self._one(workspace, server)
            return _tail(log_path(self._logs, definition))

    async def lend(self, session: str, workspace: str, servers: Sequence[Mapping[str, Json]]) -> list[str]:
        """Know what the editor of `session` lends; what of that is off, in a sentence."""
        root = Workspace.find(Path(workspace)).root
        self._lent.lend(session, root, servers)
        if not servers:
            return []
        with environment(self._variables):
            found, settings = self._found(workspace)
            lent = [one for one in found.servers.values() if one.origin == "editor"]
            off = [one.name for one in lent if not (await self._told(one)).patterns]
        return list(_how_to_use(lent, off, is_enabled=settings.tools.enabled))

    def take_back(self, session: str) -> None:
        """Forget what the editor of `session` lent."""
        self._lent.take_back(session)

    def _found(self, workspace: str) -> tuple[Definitions, Settings]:
        root = Workspace.find(Path(workspace)).root
        settings = self._load(root)
        lent = self._lent.within(root)
        return all_definitions(root, settings, is_trusted=file_trust(root), lent=lent), settings

    def _one(self, workspace: str, server: str) -> tuple[Definition, Settings]:
        found, settings = self._found(workspace)
        if server not in found.servers:
            raise InputError(
                f"There is no server of tools {server!r}; there are {', '.join(found.servers) or 'none'}.",
                hint=" ".join(found.troubles)
                or "Name it under tools.servers in the settings, or in .mcp.json.",
            )
        return found.servers[server], settings

    def _terms(self, settings: Settings) -> Terms:
        return Terms(settings.tools, self._logs, settings.isolated)

    async def _told(self, one: Definition) -> ToolServer:
        permission = await self._permissions.of(one)
        patterns: list[str] = [*(permission.patterns if permission else []), *one.allow]
        return ToolServer(
            name=one.name,
            origin=one.origin,
            starts=one.shown,
            patterns=list(dict.fromkeys(patterns)),
            log=str(log_path(self._logs, one)),
        )

    async def _looked(self, connection: Connection, tools: list[Described]) -> ToolServerLook:
        definition = connection.definition
        judged = await self._permissions.judge(definition, tools)
        return ToolServerLook(
            server=await self._told(definition),
            tools=[_shown(definition.name, tool, judged) for tool in tools],
            lost=_lost(connection),
        )


def _how_to_use(lent: Sequence[Definition], off: Sequence[str], *, is_enabled: bool) -> Iterator[str]:
    """What is left to do before the council uses the tools of the servers that an editor lends; one sentence."""
    steps: list[str] = []
    if off:
        steps.append(
            f"allow some in a terminal, in this folder, by `naestro tools allow {quote(off[0])} '*'`"
        )
    if lent and not is_enabled:
        steps.append("set `tools.enabled` in the settings")
    if steps:
        names = ", ".join(off or [one.name for one in lent])
        yield f"The tools of your editor's MCP servers are off ({names}): to use them, {', and '.join(steps)}."


def _shown(server: str, tool: Described, judged: Judged) -> ServerTool:
    return ServerTool(
        name=tool.name,
        called=tool_name(server, tool.name),
        description=tool.description,
        title=tool.title,
        schema=tool.schema,
        hints=tool.hints,
        digest=tool.digest,
        standing=judged.standings[tool.name],
    )


def _lost(connection: Connection) -> dict[str, str]:
    """The tools that are left out, and in one line those that are too many."""
    if not connection.listing.further:
        return dict(connection.listing.lost)
    return {
        **connection.listing.lost,
        f"{connection.listing.further:,} more": f"only the first {TOOLS_MAX} are looked at",
    }


def _refuse_changed(server: str, tools: list[Described], seen: Mapping[str, str]) -> None:
    for tool in tools:
        if seen and seen.get(tool.name) != tool.digest:
            raise ToolUnavailable(
                f"The server {server} describes {tool.name} in another way than a moment ago; nothing was allowed.",
                hint="Look at it again.",
            )


def _tail(path: Path) -> str:
    """The end of a log, with the end of the older one where that is all there is room for."""
    pieces = [_bytes(one) for one in (older(path), path)]
    return b"".join(pieces)[-LOG_BYTES_MAX:].decode("utf-8", "replace")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _check(patterns: list[str]) -> None:
    if len(patterns) > PATTERNS_MAX or any(not one or len(one) > 200 for one in patterns):
        raise InputError(f"At most {PATTERNS_MAX} patterns are taken, each of 1 to 200 characters.")
