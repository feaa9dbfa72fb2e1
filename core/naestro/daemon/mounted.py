"""Protocols that also speak HTTP: each plug-in's application, loaded and opened with its first request.

`http` above mounts one under each protocol's name; `service` runs it. Below stands `listener`, which loads plug-ins.
An application is what the plug-in's `http_app(client)` gives, open until the daemon ends. A fault in it ends a request,
never the daemon.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from naestro.client.local import LocalClient
from naestro.daemon.identity import PROTOCOLS_GROUP
from naestro.daemon.listener import Refusal, check_enabled, load_plugin

OpenApp = Callable[[LocalClient], AbstractAsyncContextManager[ASGIApp]]

log = logging.getLogger(__name__)


def protocols() -> list[str]:
    """The names of the protocols that are installed; none of them is loaded."""
    return sorted({entry.name for entry in entry_points(group=PROTOCOLS_GROUP)})


class Mounted:
    """One protocol's application. As an ASGI application it waits for the plug-in's own, and then is that."""

    def __init__(self, name: str, client: LocalClient) -> None:
        """Of the protocol `name`, for the daemon's own user."""
        self._name = name
        self._client = client
        self._wanted, self._ready = anyio.Event(), anyio.Event()
        self._app: ASGIApp | None = None
        self._refusal: Refusal | None = None

    async def run(self) -> None:
        """Open the application when it is first asked for, and keep it open until cancelled."""
        await self._wanted.wait()
        try:
            plugin = await anyio.to_thread.run_sync(load_plugin, self._name)
            open_app: OpenApp | None = getattr(plugin, "http_app", None)
            if open_app is None:
                raise Refusal(f"The protocol {self._name} is not spoken over HTTP.", "Use it by a front end.")
            async with open_app(self._client) as self._app:
                self._ready.set()
                await anyio.sleep_forever()
        except Refusal as refusal:
            self._refusal = refusal
        except Exception:
            # A plug-in's boundary: what goes wrong in it is of no concern to the daemon's other doors.
            log.exception("The protocol %s failed over HTTP.", self._name)
            self._refusal = Refusal(f"The protocol {self._name} failed.", "Look into the daemon's log.")
        finally:
            self._app = None
            self._ready.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `HTTPException` where the protocol is switched off, not there, or failed."""
        try:
            await anyio.to_thread.run_sync(check_enabled, self._name, None)
        except Refusal as refusal:
            raise HTTPException(404, str(refusal)) from refusal
        self._wanted.set()
        await self._ready.wait()
        if self._app is None:
            raise HTTPException(404, str(self._refusal or "The daemon is ending."))
        await self._app(scope, receive, send)
