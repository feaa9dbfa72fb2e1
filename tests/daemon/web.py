"""The control API served over real sockets, with small flows behind it."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from httpx2 import AsyncClient, AsyncHTTPTransport

from naestro.client.local import LocalClient
from naestro.daemon.api import DaemonInfo
from naestro.daemon.http import build_app
from naestro.daemon.web_server import PATIENCE_S, WebServer

TOKEN = "0123456789abcdef"
INFO = DaemonInfo(
    version="1.2.3", pid=os.getpid(), prefix="/p", home="/h", started="2026-01-31T12:00:00Z", port=1
)
WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Web:
    """A daemon's HTTP."""

    path: str
    port: int
    own: AsyncClient
    """Over the user's own socket."""
    loopback: AsyncClient
    """Over the port, with the right token."""

    async def rpc(self, method: str, **params: object) -> Any:
        """The result of a method; the test fails where there is none."""
        answer = (await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json()
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, params: object) -> dict[str, Any]:
        """The error of a method."""
        return (await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json()[
            "error"
        ]

    async def post(self, content: object):
        return await self.own.post("/rpc", json=content)


@asynccontextmanager
async def served(
    client: LocalClient, folder: Path, token: str = TOKEN, *, patience_s: int = PATIENCE_S
) -> AsyncIterator[Web]:
    """Serve `client` until the block ends."""
    path = str(folder / "http.sock")
    own, port = socket.socket(socket.AF_UNIX), socket.socket()
    own.bind(path)
    port.bind(("127.0.0.1", 0))
    number = port.getsockname()[1]
    server = WebServer(build_app(client, INFO, token), patience_s=patience_s)
    authorized = {"Authorization": f"Bearer {TOKEN}"}
    with anyio.fail_after(WAIT_S):
        async with (
            AsyncClient(
                transport=AsyncHTTPTransport(uds=path), base_url="http://localhost", timeout=WAIT_S
            ) as over_socket,
            AsyncClient(
                base_url=f"http://127.0.0.1:{number}", headers=authorized, timeout=WAIT_S
            ) as over_port,
            anyio.create_task_group() as tasks,
        ):
            own.listen()
            port.listen()
            tasks.start_soon(server.serve, [own, port])
            try:
                yield Web(path, number, over_socket, over_port)
            finally:
                server.should_exit = server.force_exit = True
                for connection in list(server.server_state.connections):
                    connection.transport.abort()  # as when the process dies
