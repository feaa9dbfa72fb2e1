"""Resources, prompts and completions: what answers the methods of the protocol that are no tool's.

`server` above hands over each request; below stand the kinds of resources and the prompts. Every one of them works in
the caller's workspace, as the tools do.
"""

import mcp.types as wire
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
)

from naestro.errors import NaestroError
from naestro_mcp.errors import wire_error
from naestro_mcp.host import Host
from naestro_mcp.options import Options
from naestro_mcp.places import workspace_of
from naestro_mcp.prompts import Complete, Prompt
from naestro_mcp.request import Context, InputNeeded, Request
from naestro_mcp.resource import Content, ResourceKind
from naestro_mcp.tool import Call

RUNS_LISTED = 20
"""The newest runs that the list of resources names; the tool `runs` has the rest."""
COMPLETIONS_MAX = 100
URI_CHARS_MAX = 8_192
NOT_FOUND = -32002
"""MCP up to 2025-11-25, "Resources"; from 2026-07-28 on it is `INVALID_PARAMS`."""


class Reading:
    """The resources and prompts of one server."""

    def __init__(self, host: Host, kinds: list[ResourceKind], prompts: list[Prompt]) -> None:
        """Serve `kinds` and `prompts`."""
        self._host = host
        self._kinds = kinds
        self._prompts = {prompt.name: prompt for prompt in prompts}

    async def resources(self, ctx: Context) -> list[wire.Resource]:
        """Those that stand, and the newest runs of the client's workspace."""
        listed = [kind.shown() for kind in self._kinds if kind.is_single]
        try:
            root = await workspace_of(self._host, Request(ctx))
        except (InputNeeded, NaestroError):  # no workspace, so far: no run
            return listed
        infos = await self._host.client.runs(limit=RUNS_LISTED, workspace=root)
        return listed + [
            wire.Resource(
                uri=f"naestro://runs/{info.id}",
                name=info.id,
                title=f"{info.command}: {info.task.get('text') or ''}"[:100],
                mime_type="application/json",
            )
            for info in infos
        ]

    def templates(self) -> list[wire.ResourceTemplate]:
        """The kinds of addresses."""
        return [kind.shown_template() for kind in self._kinds if not kind.is_single]

    async def read(
        self, ctx: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult | InputRequiredResult:
        """What lies at an address. Raises `MCPError`."""
        uri = str(params.uri)
        kind, value = self._kind(uri, ctx)
        try:
            call = await self._call(Request.of(ctx, params.input_responses, params.request_state), kind)
            async with self._host.calls:
                content = await kind.read(call, value)
        except InputNeeded as needed:
            return needed.result
        except NaestroError as error:
            raise wire_error(error) from error
        if not isinstance(content, Content):
            return ReadResourceResult(contents=content)
        return ReadResourceResult(
            contents=[TextResourceContents(uri=uri, mime_type=content.mime_type, text=content.text)]
        )

    def prompts(self) -> list[wire.Prompt]:
        """All of them."""
        return [prompt.shown() for prompt in self._prompts.values()]

    async def prompt(
        self, ctx: Context, params: GetPromptRequestParams
    ) -> GetPromptResult | InputRequiredResult:
        """One, with its arguments. Raises `MCPError`."""
        try:
            request = Request.of(ctx, params.input_responses, params.request_state)
            return self._prompt(params.name).rendered(params.arguments or {}, request)
        except InputNeeded as needed:
            return needed.result
        except NaestroError as error:
            raise wire_error(error) from error

    async def complete(self, ctx: Context, params: CompleteRequestParams) -> CompleteResult:
        """The values that an argument may go on to; none where nobody knows, or the workspace is not known yet."""
        name, beginning = params.argument.name, params.argument.value
        if isinstance(params.ref, PromptReference):
            complete = self._prompt(params.ref.name).complete.get(name)
        else:
            complete = self._completing(params.ref.uri)
        values = await self._values(ctx, complete, beginning) if complete is not None else []
        shown = values[:COMPLETIONS_MAX]
        return CompleteResult(
            completion=Completion(values=shown, total=len(values), has_more=len(values) > len(shown))
        )

    async def _values(self, ctx: Context, complete: Complete, beginning: str) -> list[str]:
        try:
            root = await workspace_of(self._host, Request(ctx))
            call = Call(self._host, Request(ctx), root, Options(), ())
            async with self._host.calls:
                return await complete(call, beginning)
        except (InputNeeded, NaestroError):
            return []

    async def _call(self, request: Request, kind: ResourceKind) -> Call:
        if not kind.needs_workspace:
            return Call(self._host, request, "", Options(), ())
        root = await workspace_of(self._host, request)
        await self._host.use(root)
        return Call(self._host, request, root, await self._host.options(root), ())

    def _kind(self, uri: str, ctx: Context) -> tuple[ResourceKind, str]:
        if len(uri) <= URI_CHARS_MAX:
            for kind in self._kinds:
                if (value := kind.match(uri)) is not None:
                    return kind, value
        code = INVALID_PARAMS if Request(ctx).is_modern else NOT_FOUND
        raise MCPError(
            code=code, message=f"There is no resource {uri[:200]!r}.", data={"uri": uri[:URI_CHARS_MAX]}
        )

    def _completing(self, template: str) -> Complete | None:
        return next((kind.complete for kind in self._kinds if kind.template == template), None)

    def _prompt(self, name: str) -> Prompt:
        if name not in self._prompts:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown prompt: {name[:100]}")
        return self._prompts[name]
