"""Calling a tool: its arguments are checked, its workspace is found, and whatever goes wrong is told in words.

`server` above hands over each call; below stand the tools. A tool that the settings leave out is unknown. Only what a
client did against the protocol is an error of the protocol; the rest is a result that a model can read.
"""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

import mcp.types as wire
import msgspec
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, InputRequiredResult, TextContent

from naestro.errors import NaestroError
from naestro.types import Json
from naestro_mcp.arguments import decoded
from naestro_mcp.errors import told, tool_error
from naestro_mcp.host import Host
from naestro_mcp.options import Options
from naestro_mcp.places import workspace_of, workspace_so_far
from naestro_mcp.request import Context, InputNeeded, Request
from naestro_mcp.tool import ROOT, Call, Reply, Tool
from naestro_mcp.tool_notices import ToolNotices

CURSOR = "cursor"
"""The argument of all tools that page."""

log = logging.getLogger(__name__)


class Calling:
    """The tools of one server."""

    def __init__(self, host: Host, tools: Mapping[str, Tool], notices: ToolNotices) -> None:
        """Call `tools`, which are known by their names; `notices` hears who was told of which."""
        self._host = host
        self._notices = notices
        self._tools = tools

    async def listed(self, request: Request) -> list[wire.Tool]:
        """The tools that the settings allow in the client's workspace; where it has none yet, by the person's own."""
        root = await workspace_so_far(self._host, request)
        options = await self._host.options(root)
        self._notices.listed(request, root)
        has_roots = len(self._host.roots.get(request.session, ())) > 1 and not request.is_alone
        allowed = [tool for tool in self._tools.values() if tool.toolset in ("", *options.toolsets)]
        return [tool.shown(has_roots=has_roots) for tool in allowed]

    async def call(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        """The tool's result, its failure in words, or the questions that come first. Raises `MCPError`."""
        tool = self._tools.get(params.name)
        if tool is None:
            raise _unknown(params.name)
        request = Request.of(ctx, params.input_responses, params.request_state)
        try:
            return await self._called(tool, params.arguments or {}, request)
        except InputNeeded as needed:
            return needed.result
        except NaestroError as error:
            return tool_error(told(error))
        except MCPError:
            raise
        except Exception:
            # A request's boundary: what went wrong in it is of no concern to the others.
            log.exception("The tool %s failed.", tool.name)
            return tool_error(
                f"The tool {tool.name} failed by a defect of Naestro; its log says more. [defect]"
            )

    async def _called(
        self, tool: Tool, given: Mapping[str, Json], request: Request
    ) -> CallToolResult | InputRequiredResult:
        arguments = decoded(tool.name, given, tool.arguments)
        root = await self._root(tool, request, arguments)
        options = await self._host.options(root) if root else Options()
        if tool.toolset and tool.toolset not in options.toolsets:
            raise _unknown(tool.name)
        call = self._ready(tool, given, request, root, options)
        async with AsyncExitStack() as held:
            if tool.is_reading:
                await held.enter_async_context(self._host.calls)
            return _result(await tool.work(call, arguments))

    async def _root(self, tool: Tool, request: Request, arguments: msgspec.Struct) -> str:
        if not tool.needs_workspace:
            return ""
        root = await workspace_of(self._host, request, getattr(arguments, ROOT, ""))
        self._notices.called(request, root)
        await self._host.use(root)
        return root

    def _ready(
        self, tool: Tool, given: Mapping[str, Json], request: Request, root: str, options: Options
    ) -> Call:
        question = {name: value for name, value in given.items() if name != CURSOR}
        about = (request.session, root, tool.name, question)
        cursor = given.get(CURSOR)
        place = self._host.signer.place(str(cursor), *about) if cursor else 0
        return Call(self._host, request, root, options, about, place)


def _unknown(name: str) -> MCPError:
    shown = name if name.isprintable() and len(name) <= 100 else ascii(name[:100])
    return MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {shown}")


def _result(reply: Reply | CallToolResult | InputRequiredResult) -> CallToolResult | InputRequiredResult:
    if not isinstance(reply, Reply):
        return reply
    return CallToolResult(
        content=[TextContent(type="text", text=reply.text)],
        structured_content=msgspec.to_builtins(reply.value),
    )
