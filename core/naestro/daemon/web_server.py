"""uvicorn inside the daemon: on sockets that are open already, with no signal, no log and no stranger of its own.

`process` runs it as one of its tasks. What it serves is `http`'s application, of which it knows nothing.
"""

import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from naestro.daemon.peers import is_own

GRACE_S = 1
"""What requests may take to end when the daemon does."""

log = logging.getLogger(__name__)


class Transport(Protocol):
    """What is asked of a connection of the event loop's."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A fact about the connection; its type depends on `name`."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class OwnUser(H11Protocol):
    """HTTP that hangs up on other users, where it comes over a Unix socket."""

    # The event loop's own transport has these methods; its class belongs to a library that the core does not use.
    def connection_made(self, transport: Transport) -> None:
        """Take the connection, or hang up."""
        super().connection_made(transport)  # pyright: ignore[reportArgumentType] - see above
        connection = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX and not is_own(
            connection
        ):  # pragma: no cover - needs a second user
            log.warning("Another user's process tried to connect.")
            transport.abort()


class WebServer(uvicorn.Server):
    """Serves `app` until `should_exit` is set."""

    def __init__(self, app: Any) -> None:  # an ASGI application; uvicorn's type for it is as wide
        super().__init__(
            uvicorn.Config(
                app,
                http=OwnUser,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the daemon."""
        yield

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server_state.connections)
