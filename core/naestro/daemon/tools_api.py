"""The methods of the control API for servers of tools, in the style of `api`, which takes them in.

Below stands `naestro.client`. A server that is looked at is started for that look alone.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from msgspec import Meta

from naestro.client.api import ToolServer, ToolServerLook
from naestro.daemon.context import Context, Environment, Folder, absolute

ServerName = Annotated[str, Meta(min_length=1, max_length=200, description="The server's name.")]
Patterns = Annotated[list[str] | None, Meta(description="Names of tools, or patterns (`read_*`).")]
Seen = Annotated[
    dict[str, str] | None,
    Meta(description="Digests of the tools that the person saw; one that changed since is refused."),
]


async def tools_servers(
    context: Context, workspace: Folder, environment: Environment = None
) -> list[ToolServer]:
    """List the servers of tools that the settings, a trusted `.mcp.json` and open editors name; starts none."""
    return await context.of(environment).tooling.servers(str(absolute(workspace)))


async def tools_look(
    context: Context, workspace: Folder, server: ServerName, environment: Environment = None
) -> ToolServerLook:
    """Start a server of tools, and tell its tools and what is allowed of them."""
    return await context.of(environment).tooling.look(str(absolute(workspace)), server)


async def tools_allow(
    context: Context,
    workspace: Folder,
    server: ServerName,
    patterns: Patterns = None,
    seen: Seen = None,
    environment: Environment = None,
) -> ToolServerLook:
    """Allow tools of a server; without patterns those that were allowed before, as they are described now."""
    tooling, root = context.of(environment).tooling, str(absolute(workspace))
    return await tooling.allow(root, server, patterns or [], seen=seen or {})


async def tools_deny(
    context: Context,
    workspace: Folder,
    server: ServerName,
    patterns: Patterns = None,
    environment: Environment = None,
) -> bool:
    """Take back what was allowed of a server: some patterns, or all; whether there was anything."""
    return await context.of(environment).tooling.deny(str(absolute(workspace)), server, patterns or [])


async def tools_log(
    context: Context, workspace: Folder, server: ServerName, environment: Environment = None
) -> str:
    """Give the end of what a server wrote to its standard error."""
    return await context.of(environment).tooling.log(str(absolute(workspace)), server)


TOOLS_METHODS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "tools.servers": tools_servers,
    "tools.look": tools_look,
    "tools.allow": tools_allow,
    "tools.deny": tools_deny,
    "tools.log": tools_log,
}
"""The methods by name."""
