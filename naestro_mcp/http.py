"""The protocol's streamable HTTP: the SDK's sessions around one server, without its check of Host and Origin.

`plugin` above opens it; the daemon's guard has compared token, Host and Origin exactly before a request comes here,
where the SDK would compare them by their beginnings.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from naestro_mcp.about import MAX_LINE_BYTES
from naestro_mcp.posting import Posting
from naestro_mcp.request import Lifespan

SESSIONS_MAX = 256
"""As many as the daemon takes connections over its port."""
IDLE_S = 1800.0
"""Seconds after which a session that nobody used is forgotten, as the SDK has it."""


@asynccontextmanager
async def sessions(server: Server[Lifespan]) -> AsyncGenerator[ASGIApp]:
    """The application, which serves as long as the context is open."""
    manager = StreamableHTTPSessionManager(
        app=server,
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        session_idle_timeout=IDLE_S,
        max_request_body_size=MAX_LINE_BYTES,
        max_sessions=SESSIONS_MAX,
    )
    async with manager.run():
        yield Posting(StreamableHTTPASGIApp(manager), MAX_LINE_BYTES)
