"""A tool of a server as a model of the council sees and calls it. Above, `source`; below, the server's connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from naestro.tools.servers.allowed import Described
from naestro.tools.servers.naming import tool_name
from naestro.tools.tool import ToolResult, ToolSpec
from naestro.types import Json

DESCRIPTION_CHARS_MAX = 1_200
"""Of a description, for a model: servers write whole manuals, and every engine reads it in each round."""


class Callable(Protocol):
    """A server whose tools can be called."""

    @property
    def name(self) -> str:
        """The server's."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, Json]) -> ToolResult:
        """What a tool gives."""
        ...


@dataclass(frozen=True, slots=True)
class ServerTool:
    """`naestro.tools.tool.Tool` over a server."""

    server: Callable
    described: Described

    @property
    def spec(self) -> ToolSpec:
        """What a model is told of it. A server that says so may be asked twice; of all others nothing is assumed."""
        one = self.described
        words = one.description or one.title or one.name
        return ToolSpec(
            tool_name(self.server.name, one.name),
            words if len(words) <= DESCRIPTION_CHARS_MAX else f"{words[:DESCRIPTION_CHARS_MAX]} …",
            one.schema,
            is_idempotent=bool(one.hints.get("read_only_hint") or one.hints.get("idempotent_hint")),
        )

    async def call(self, arguments: Mapping[str, Json]) -> ToolResult:
        """What it gives. Raises a `ToolError`."""
        return await self.server.call(self.described.name, arguments)
