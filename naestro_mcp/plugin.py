"""The Model Context Protocol as a plug-in of the daemon: `serve` speaks it on one connection, `http_app` over HTTP.

The daemon (or a front end's own process) above hands over a stream of bytes, or its HTTP server, and a client that is
bound to the caller; below stand the transport and the server. A fault here ends this connection alone. What is heavy
is imported with the first connection.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import ByteStream
from starlette.types import ASGIApp

from naestro.client.api import CallerClient
from naestro.client.json_lines import BadLine, LineReader, parse_message
from naestro.types import Json
from naestro_mcp.about import MAX_LINE_BYTES, Opening, first_answer

SERVER = "naestro_mcp.server"
"""The module that brings the SDK."""


async def serve(stream: ByteStream, client: CallerClient, cwd: Path) -> None:
    """Speak the protocol on `stream` until the other side has gone; the runs that it began go on.

    `cwd` is where the front end was started: the workspace of a client that names no roots.
    """
    lines = LineReader(stream, MAX_LINE_BYTES)
    opening = None if SERVER in sys.modules else await _opened(stream, lines)
    await _load()
    from naestro_mcp.catalogue import CATALOGUE
    from naestro_mcp.host import open_host
    from naestro_mcp.server import build_server
    from naestro_mcp.transport import LineTransport

    async with open_host(client, cwd) as host:
        server = build_server(host, CATALOGUE)
        async with LineTransport(stream, lines, opening).messages() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


@asynccontextmanager
async def http_app(client: CallerClient) -> AsyncGenerator[ASGIApp]:
    """The protocol's streamable HTTP as an ASGI application, for as long as the context is open.

    Who may ask is checked by the daemon's guard.
    """
    await _load()
    from naestro_mcp.catalogue import CATALOGUE
    from naestro_mcp.host import open_host
    from naestro_mcp.http import sessions
    from naestro_mcp.server import build_server

    async with open_host(client, None) as host, sessions(build_server(host, CATALOGUE)) as app:
        yield app


async def _opened(stream: ByteStream, lines: LineReader) -> Opening | None:
    """The first line, answered where that needs no library; None where there is none."""
    try:
        line = await lines.next()
        if line is None:
            return None
        result = first_answer(message := parse_message(line))
    except BadLine as fault:
        await _send(stream, {"id": fault.request_id, "error": fault.error.shown()})
        return None
    if result is not None:
        await _send(stream, {"id": message["id"], "result": result})
    return Opening(message, is_answered=result is not None)


async def _send(stream: ByteStream, message: dict[str, Json]) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.send(msgspec.json.encode({"jsonrpc": "2.0", **message}) + b"\n")


async def _load() -> None:
    """Import what is heavy in a thread, while other connections go on."""
    await anyio.to_thread.run_sync(import_module, SERVER)
