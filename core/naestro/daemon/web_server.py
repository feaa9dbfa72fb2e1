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

PATIENCE_S = 5
"""How long a connection may take to say the head of its next request."""
LOOPBACK_MAX = 256
"""Connections over the loopback port, which any user of the machine may open: they must not use up the files that the
daemon may have open."""
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


class Timer(Protocol):
    """What is asked of a timer of the event loop's."""

    def cancel(self) -> None:
        """Do nothing when its time comes."""
        ...


class OwnUser(H11Protocol):
    """HTTP that hangs up on other users, where it comes over a Unix socket, and on whoever is too slow to ask."""

    _patience: Timer | None = None

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
        elif connection.family != socket.AF_UNIX and len(self.connections) > LOOPBACK_MAX:
            transport.abort()
        self._expect_request()

    def on_response_complete(self) -> None:
        """Go on with the next request, for which the same patience counts."""
        self._expect_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be done."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.timeout_keep_alive, self._give_up, self.scope)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _give_up(self, last: object) -> None:
        """Hang up, unless another request than `last` has come."""
        if self.scope is last:
            self.transport.abort()


class WebServer(uvicorn.Server):
    """Serves `app` until `should_exit` is set."""

    # `app` is an ASGI application; uvicorn's type for it is as wide.
    def __init__(self, app: Any, *, patience_s: int = PATIENCE_S) -> None:
        """`patience_s`: see `PATIENCE_S`."""
        super().__init__(
            uvicorn.Config(
                app,
                http=OwnUser,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=patience_s,
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
