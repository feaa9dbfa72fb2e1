"""Notices that the list of tools is another one: the settings that it follows may change while a client is connected.

`calling` above tells which list a client got, `subscribing` who listens for it; below stand the host and its settings,
which are looked at now and then while somebody wants to hear of them. It knows no tool.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from mcp.server.session import ServerSession

from naestro.errors import NaestroError
from naestro_mcp.host import Host
from naestro_mcp.request import Request

LOOK_S = 3.0
"""Between two looks at the settings: a person who changed them looks for the tools a moment later."""

log = logging.getLogger(__name__)
Tell = Callable[[], Awaitable[None]]


class ToolNotices:
    """Who hears that the tools are other ones."""

    def __init__(self, host: Host, look_s: float = LOOK_S) -> None:
        """Look at the settings every `look_s` seconds, in tasks of `host`."""
        self._host = host
        self._look_s = look_s
        self._watched: dict[str, tuple[str, anyio.CancelScope]] = {}
        """By session: the workspace that its list was made for, and what ends the watch."""

    def listed(self, request: Request, root: str) -> None:
        """A client, up to 2025-11-25, got its list by the settings of `root`; it hears when they make it another."""
        if request.is_modern or request.is_alone:
            return
        session = request.session
        known, scope = self._watched.get(session, ("", anyio.CancelScope()))
        if known == root:
            return
        scope.cancel()
        if not known:
            request.when_gone(partial(self._forget, session))
        self._watched[session] = (root, scope := self.watch(root, partial(_tell, request.ctx.session)))

    def called(self, request: Request, root: str) -> None:
        """A client works in `root`: it has its list of another daemon, perhaps, in whose place this one came."""
        if request.session not in self._watched:
            self.listed(request, root)

    async def roots_changed(self, request: Request) -> None:
        """A client named other roots: its list, if it has one, may be another by that alone."""
        if request.session in self._watched:
            await _tell(request.ctx.session)

    def watch(self, root: str, tell: Tell) -> anyio.CancelScope:
        """Call `tell` whenever the settings of `root` allow other tools, until the scope is cancelled."""
        scope = anyio.CancelScope()
        self._host.tasks.start_soon(self._watch, root, tell, scope, name=f"mcp tools of {root}")
        return scope

    async def _watch(self, root: str, tell: Tell, scope: anyio.CancelScope) -> None:
        with scope:
            known = await self._toolsets(root)
            while True:
                await anyio.sleep(self._look_s)
                found = await self._toolsets(root)
                if found is not None and known is not None and found != known:
                    await tell()
                known = found or known

    async def _toolsets(self, root: str) -> tuple[str, ...] | None:
        """The groups of tools; None where the settings cannot be read now, which the next call tells."""
        try:
            return (await self._host.options(root)).toolsets
        except NaestroError as error:
            log.info("The settings of %s cannot be read: %s", root, error.message)
            return None

    def _forget(self, session: str) -> None:
        _, scope = self._watched.pop(session)
        scope.cancel()


async def _tell(session: ServerSession) -> None:
    await session.send_tool_list_changed()
