"""When the daemon ends: told by a signal, idle for too long, in the way of another version, or changed underneath.

`process` waits for `Life.ending` and then ends all the rest. Nothing here knows a run or a connection: whether there is
one it is told by functions.
"""

import logging
import os
import signal
from collections.abc import Callable

import anyio

from naestro.daemon.identity import Identity

LOOK_MAX_S = 5.0
QUIET_S = 2.0
"""A daemon whose files changed ends when its connections have said nothing for so long: a request may be under way."""

log = logging.getLogger(__name__)


class Life:
    """The end of this daemon: whether it has come, and why."""

    def __init__(self, is_working: Callable[[], bool], last_used_at: Callable[[], float | None]) -> None:
        """`is_working`: whether a run is in hand; `last_used_at`: see `is_used`."""
        self.ending = anyio.Event()
        self.drain_s = 0.0
        """How long runs may go on before they are parked."""
        self._is_working = is_working
        self._last_used_at = last_used_at
        """When a connection was last heard; None where none is open."""

    def end(self, reason: str, *, drain_s: float = 0.0) -> None:
        """End, because of `reason`; the first call counts."""
        if not self.ending.is_set():
            log.info("The daemon ends: %s.", reason)
            self.drain_s = drain_s
            self.ending.set()

    async def watch_signals(self) -> None:
        """End at SIGTERM or SIGINT; at the second, without any care."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                # A process that kills itself leaves no measure.
                if self.ending.is_set():  # pragma: no cover - see above
                    log.warning("The daemon was told twice to end, and ends at once.")
                    os.kill(os.getpid(), signal.SIGKILL)
                self.end(f"it got {number.name}")

    async def watch_idleness(self, idle_stop_s: float) -> None:
        """End when neither run nor connection was there for `idle_stop_s`; 0: never."""
        used_at = anyio.current_time()
        while idle_stop_s and not self.ending.is_set():
            if self._is_working() or self._last_used_at() is not None:
                used_at = anyio.current_time()
            if anyio.current_time() >= used_at + idle_stop_s:
                self.end(f"nobody needed it for {idle_stop_s:g} seconds")
            await anyio.sleep(min(idle_stop_s / 4, LOOK_MAX_S))

    async def watch_files(self, identity: Identity) -> None:
        """End when the files that it was loaded from changed, with no run in hand and no request under way."""
        while not self.ending.is_set():
            await anyio.sleep(LOOK_MAX_S)
            if identity.has_changed() and not self._is_working() and self._is_quiet():
                self.end("its files have changed")

    def _is_quiet(self) -> bool:
        used_at = self._last_used_at()
        return used_at is None or anyio.current_time() >= used_at + QUIET_S
