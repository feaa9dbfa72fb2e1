"""The server: which function answers which method of the protocol, in both of its eras.

`plugin` above runs one for each connection, and one for HTTP. Below stand the SDK's low-level server, which checks
messages by the protocol's version, and the modules that answer. It holds no logic of its own.
"""

from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
)

import naestro
from naestro_mcp.calling import Calling
from naestro_mcp.catalogue import Catalogue
from naestro_mcp.host import Host
from naestro_mcp.request import Context, Lifespan, Request

NAME = "naestro"
TITLE = "Naestro"
STATE_S = 3600.0
"""How long a question may lie with the client's person before its answer counts for nothing."""
INSTRUCTIONS = (
    "Naestro knows this workspace's code and asks a council of models. search_code finds, read_code reads, repo_map "
    "gives the overview. ask_council, test and review take minutes: they answer after 45 s at the latest with a run's "
    "id, and respond goes on with it. An answer with next_cursor goes on when you ask again with cursor. Where you "
    "have several roots, root names one."
)


def build_server(host: Host, catalogue: Catalogue) -> Server[Lifespan]:
    """A server of `catalogue`, for the clients of `host`."""
    calling = Calling(host, {tool.name: tool for tool in catalogue.tools})

    async def list_tools(ctx: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=await calling.listed(Request(ctx)))

    async def call_tool(ctx: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        return await calling.call(ctx, params)

    async def roots_changed(ctx: Context, _: NotificationParams) -> None:
        host.roots.pop(Request(ctx).session, None)

    server: Server[Lifespan] = Server(
        NAME,
        version=naestro.__version__,
        title=TITLE,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.add_notification_handler("notifications/roots/list_changed", NotificationParams, roots_changed)
    # What an "input required" carries comes back by the client's hand: it is sealed, and bound to its request.
    server.middleware.append(
        RequestStateBoundary(RequestStateSecurity.ephemeral(ttl=STATE_S), default_audience=NAME)
    )
    return server
