"""The server: which function answers which method of the protocol, in both of its eras.

`plugin` above runs one for each connection, and one for HTTP. Below stand the SDK's low-level server, which checks
messages by the protocol's version, and the modules that answer. It holds no logic of its own.
"""

from typing import Any

from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

import naestro
from naestro_mcp.about import INSTRUCTIONS, NAME, TITLE
from naestro_mcp.calling import Calling
from naestro_mcp.catalogue import Catalogue
from naestro_mcp.host import Host
from naestro_mcp.reading import Reading
from naestro_mcp.request import Context, Lifespan, Request
from naestro_mcp.subscribing import Subscribing
from naestro_mcp.tool_notices import ToolNotices
from naestro_mcp.wording import in_words

STATE_S = 3600.0
"""How long a question may lie with the client's person before its answer counts for nothing."""


class McpServer(Server[Lifespan]):
    """The SDK's server, which says by itself that its list of tools may change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """As of any server of the SDK."""
        changing = notification_options or NotificationOptions(tools_changed=True)
        return super().create_initialization_options(changing, experimental_capabilities, extensions)


def build_server(host: Host, catalogue: Catalogue) -> McpServer:
    """A server of `catalogue`, for the clients of `host`."""
    server = McpServer(NAME, version=naestro.__version__, title=TITLE, instructions=INSTRUCTIONS)
    notices = ToolNotices(host)
    _serve_tools(server, Calling(host, {tool.name: tool for tool in catalogue.tools}, notices))
    _serve_reading(server, Reading(host, catalogue.resources, catalogue.prompts))
    _serve_subscriptions(server, Subscribing(host, catalogue.resources, notices))

    async def roots_changed(ctx: Context, _: NotificationParams) -> None:
        request = Request(ctx)
        host.roots.pop(request.session, None)
        await notices.roots_changed(request)

    server.add_notification_handler("notifications/roots/list_changed", NotificationParams, roots_changed)
    server.middleware.append(in_words)
    # What an "input required" carries comes back by the client's hand: it is sealed, and bound to its request.
    security = RequestStateSecurity.ephemeral(ttl=STATE_S)
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


def _serve_tools(server: McpServer, calling: Calling) -> None:
    async def listed(ctx: Context, params: PaginatedRequestParams) -> ListToolsResult:
        _check_page(params)
        return ListToolsResult(tools=await calling.listed(Request(ctx)))

    server.add_request_handler("tools/list", PaginatedRequestParams, listed)
    server.add_request_handler("tools/call", CallToolRequestParams, calling.call)


def _serve_reading(server: McpServer, reading: Reading) -> None:
    async def resources(ctx: Context, params: PaginatedRequestParams) -> ListResourcesResult:
        _check_page(params)
        return ListResourcesResult(resources=await reading.resources(ctx))

    async def templates(_: Context, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
        _check_page(params)
        return ListResourceTemplatesResult(resource_templates=reading.templates())

    async def prompts(_: Context, params: PaginatedRequestParams) -> ListPromptsResult:
        _check_page(params)
        return ListPromptsResult(prompts=reading.prompts())

    server.add_request_handler("resources/list", PaginatedRequestParams, resources)
    server.add_request_handler("resources/templates/list", PaginatedRequestParams, templates)
    server.add_request_handler("resources/read", ReadResourceRequestParams, reading.read)
    server.add_request_handler("prompts/list", PaginatedRequestParams, prompts)
    server.add_request_handler("prompts/get", GetPromptRequestParams, reading.prompt)
    server.add_request_handler("completion/complete", CompleteRequestParams, reading.complete)


def _serve_subscriptions(server: McpServer, subscribing: Subscribing) -> None:
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribing.subscribe)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, subscribing.unsubscribe)
    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, subscribing.listen)


def _check_page(params: PaginatedRequestParams) -> None:
    """Raise `MCPError` for a cursor: these lists have one page, so nobody was given one."""
    if params.cursor is not None:
        raise MCPError(code=INVALID_PARAMS, message="The cursor is none of this list, which has one page.")
