"""Subscriptions to runs, in both forms: up to 2025-11-25 an address at a time, from 2026-07-28 on as a stream.

`server` above hands over the requests; below stands `watching`, which follows the runs, and `tool_notices`, whose
notices such a stream carries too.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from naestro.errors import NaestroError
from naestro_mcp.errors import wire_error
from naestro_mcp.host import Host
from naestro_mcp.places import workspace_of, workspace_so_far
from naestro_mcp.request import Context, InputNeeded, Request
from naestro_mcp.resource import ResourceKind
from naestro_mcp.tool_notices import ToolNotices
from naestro_mcp.watching import run_of

SUBSCRIPTIONS_MAX = 256
"""Of one server: each run that is watched costs a task."""
WAITING_MAX = 256
"""Notices that wait for a client that does not read; more are left out, since each says only "look again"."""


@dataclass(slots=True)
class _Standing:
    """One client's subscription to one address."""

    stack: ExitStack
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Subscribing:
    """The subscriptions of one server's clients."""

    def __init__(self, host: Host, kinds: list[ResourceKind], notices: ToolNotices) -> None:
        """Watch runs by `host`, tools by `notices`; of `kinds` those can be subscribed to that say so."""
        self._host = host
        self._notices = notices
        self._kinds = [kind for kind in kinds if kind.is_watched]
        self._listening = ListenHandler(host.watching.bus)
        self._standing: dict[tuple[str, str], _Standing] = {}
        """By session and address."""

    async def subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Notices of a run from now on. Raises `MCPError` for an address of something that does not change."""
        uri = str(params.uri)
        await self._check(ctx, uri)
        key = (Request(ctx).session, uri)
        if key not in self._standing:
            if len(self._standing) >= SUBSCRIPTIONS_MAX:
                raise MCPError(
                    code=INVALID_PARAMS, message=f"There are {SUBSCRIPTIONS_MAX} subscriptions already."
                )
            self._stand(key, ctx.session)
            Request(ctx).when_gone(partial(self._drop, key))
        return EmptyResult()

    async def unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """No more notices."""
        self._drop((Request(ctx).session, str(params.uri)))
        return EmptyResult()

    async def listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """The stream of notices, as long as the client wants it. Raises `MCPError`."""
        uris = [str(uri) for uri in params.notifications.resource_subscriptions or []]
        for uri in uris:
            if run_of(uri) is not None:
                await self._check(ctx, uri)
        with self._host.watching.of(uris), ExitStack() as held:
            if params.notifications.tools_list_changed:
                root = await workspace_so_far(self._host, Request(ctx))
                told = partial(self._host.watching.bus.publish, ToolsListChanged())
                held.callback(self._notices.watch(root, told).cancel)
            return await self._listening(ctx, params)

    async def _check(self, ctx: Context, uri: str) -> None:
        """Raise `MCPError` where `uri` is nothing that is watched, or no run of the client's workspace."""
        if all(kind.match(uri) is None for kind in self._kinds):
            raise MCPError(code=INVALID_PARAMS, message=f"Only runs can be subscribed to, not {uri[:200]!r}.")
        run = run_of(uri)
        if run is None:
            return
        try:
            root = await workspace_of(self._host, Request(ctx))
            info = await self._host.client.get(run)
        except NaestroError as error:
            raise wire_error(error) from error
        except InputNeeded:
            return  # the client has not named its roots yet; a notice says nothing but that something happened
        if info.workspace != root:
            raise MCPError(code=INVALID_PARAMS, message=f"There is no run {run!r} in this workspace.")

    def _stand(self, key: tuple[str, str], session: ServerSession) -> None:
        send, receive = anyio.create_memory_object_stream[str](WAITING_MAX)
        stack = ExitStack()
        stack.enter_context(self._host.watching.of([key[1]]))
        stack.callback(self._host.watching.bus.subscribe(_listener(key[1], send)))
        stack.callback(send.close)
        self._standing[key] = standing = _Standing(stack)
        self._host.tasks.start_soon(
            self._notify, key, standing, session, receive, name=f"mcp notices {key[1]}"
        )

    async def _notify(
        self,
        key: tuple[str, str],
        standing: _Standing,
        session: ServerSession,
        notices: MemoryObjectReceiveStream[str],
    ) -> None:
        try:
            with notices, standing.scope:
                async for uri in notices:
                    await session.send_resource_updated(uri)
        finally:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        standing = self._standing.pop(key, None)
        if standing is not None:
            standing.stack.close()
            standing.scope.cancel()


def _listener(uri: str, notices: MemoryObjectSendStream[str]) -> Callable[[ServerEvent], None]:
    def hear(event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri == uri:
            with suppress(anyio.WouldBlock):
                notices.send_nowait(uri)

    return hear
