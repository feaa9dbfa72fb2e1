"""The raw wire of a connection, for tests that send what no SDK would: one end of a socket pair, line by line."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
from acp.router import MessageRouter
from anyio.abc import UNIXSocketStream

from naestro.client.api import CallerClient
from naestro_acp.plugin import serve
from naestro_acp.sdk_gaps import ClientConnection, MendedConnection, connect
from naestro_acp.transport import LineTransport

WAIT_S = 30.0
Message = dict[str, Any]


class Wire:
    """What an editor's end of a connection sees."""

    def __init__(self, stream: UNIXSocketStream) -> None:
        self.stream = stream
        self._rest = b""
        self._number = 0

    async def send(self, message: object) -> None:
        """One line: `message` as JSON, or bytes as they are."""
        raw = message if isinstance(message, bytes) else msgspec.json.encode(message)
        await self.stream.send(raw + b"\n")

    async def receive(self) -> Message:
        """The next message."""
        with anyio.fail_after(WAIT_S):
            while b"\n" not in self._rest:
                self._rest += await self.stream.receive()
        line, _, self._rest = self._rest.partition(b"\n")
        return msgspec.json.decode(line)

    async def until(self, **wanted: object) -> list[Message]:
        """Messages up to and with the first that has all of `wanted`."""
        seen = [await self.receive()]
        while any(seen[-1].get(key, ...) != value for key, value in wanted.items()):
            seen.append(await self.receive())
        return seen

    async def ask(self, method: str, **params: object) -> Message:
        """The answer to a request, whatever comes before it."""
        return (await self.asked(method, **params))[-1]

    async def asked(self, method: str, **params: object) -> list[Message]:
        """What comes up to and with the answer to a request."""
        return await self.until(id=await self.begin(method, **params))

    async def begin(self, method: str, **params: object) -> int:
        """Send a request and do not wait for its answer; its id."""
        self._number += 1
        await self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    async def tell(self, method: str, **params: object) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})


@asynccontextmanager
async def socket_pair() -> AsyncGenerator[tuple[UNIXSocketStream, UNIXSocketStream]]:
    """Both ends of a connection; closed in the end."""
    ours, theirs = socket.socketpair()
    async with (
        await UNIXSocketStream.from_socket(ours) as left,
        await UNIXSocketStream.from_socket(theirs) as right,
    ):
        yield left, right


@asynccontextmanager
async def wired(
    router: MessageRouter, *, max_line_bytes: int = 1024 * 1024
) -> AsyncGenerator[tuple[Wire, ClientConnection, MendedConnection]]:
    """A wire to a mended connection that answers by `router`; both ends are closed in the end."""
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        transport = LineTransport(ours, max_line_bytes)
        editor, connection = connect(router, transport)
        tasks.start_soon(transport.run_writer)
        tasks.start_soon(editor.listen)
        yield Wire(theirs), editor, connection
        with anyio.CancelScope(shield=True):
            await editor.close()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def served(client: CallerClient, capabilities: dict[str, Any] | None = None) -> AsyncGenerator[Wire]:
    """A wire to the agent itself, initialized; the connection has ended in the end."""
    async with socket_pair() as (ours, theirs), anyio.create_task_group() as tasks:
        tasks.start_soon(serve, ours, client, Path("/"))
        wire = Wire(theirs)
        await wire.ask("initialize", protocolVersion=1, clientCapabilities=capabilities or {})
        yield wire
        await theirs.aclose()
