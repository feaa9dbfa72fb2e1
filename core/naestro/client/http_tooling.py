"""The servers of tools over the daemon's socket, which starts them: each question is one call. See `http_index`."""

from collections.abc import Callable, Mapping

from naestro.client.api import ToolServer, ToolServerLook
from naestro.client.http_wire import Wire


class HttpTooling:
    """`naestro.client.api.Tooling` over HTTP."""

    def __init__(self, wire: Wire, environment: Callable[[str], Mapping[str, str]]) -> None:
        """Call over `wire`, for a caller with `environment`."""
        self._wire = wire
        self._environment = environment

    async def servers(self, workspace: str) -> list[ToolServer]:
        """All that the settings and a trusted `.mcp.json` name."""
        params = self._params(workspace)
        return await self._wire.call("tools.servers", params, list[ToolServer], is_repeatable=True)

    async def look(self, workspace: str, server: str) -> ToolServerLook:
        """Start a server, and tell its tools."""
        params = self._params(workspace, server=server)
        return await self._wire.call("tools.look", params, ToolServerLook, is_repeatable=True)

    async def allow(
        self, workspace: str, server: str, patterns: list[str], *, seen: Mapping[str, str] = {}
    ) -> ToolServerLook:
        """Allow the tools that fit `patterns`."""
        params = self._params(workspace, server=server, patterns=patterns, seen=dict(seen))
        return await self._wire.call("tools.allow", params, ToolServerLook, is_repeatable=True)

    async def deny(self, workspace: str, server: str, patterns: list[str]) -> bool:
        """Take back what was allowed."""
        params = self._params(workspace, server=server, patterns=patterns)
        return await self._wire.call("tools.deny", params, bool, is_repeatable=True)

    async def log(self, workspace: str, server: str) -> str:
        """What the server wrote to its standard error of late."""
        params = self._params(workspace, server=server)
        return await self._wire.call("tools.log", params, str, is_repeatable=True)

    def _params(self, workspace: str, **more: object) -> dict[str, object]:
        return {"workspace": workspace, **more, "environment": self._environment(workspace)}
