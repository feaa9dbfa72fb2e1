"""When a server that failed may be started again: later after each failure, and after too many not for a while.

`supervisor` above reports failures and successes, and asks before each start. It starts nothing.
"""

import anyio

from naestro.errors import EngineError, EngineStartFailed

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
FAILURES_MAX = 5
"""In a row. Five starts with their pauses take about half a minute: what lasts longer does not mend itself."""
REST_S = 60.0
"""After that many, how long nothing is tried; then one start decides."""


class Restarts:
    """The failures of one server in a row."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_row = 0
        self._last_at = 0.0
        self.total = 0
        """Failures ever; whoever waited for a start sees by it that the start failed."""
        self.last_error: EngineError | None = None
        """The failure that no success followed."""

    def failed(self, error: EngineError) -> None:
        """A start failed, or a running server ended by itself."""
        self.total += 1
        self._in_row += 1
        self._last_at = anyio.current_time()
        self.last_error = error

    def succeeded(self) -> None:
        """A request was answered."""
        self._in_row = 0
        self.last_error = None

    def repeated(self) -> EngineError | None:
        """The last failure once more, for another who has to be told of it."""
        error = self.last_error
        return type(error)(error.message, hint=error.hint) if error else None

    async def pause(self) -> None:
        """Wait as long as the failures ask for; raises `EngineStartFailed` where there were too many of late."""
        since_s = anyio.current_time() - self._last_at
        error = self.last_error
        if error and self._in_row >= FAILURES_MAX and since_s < REST_S:
            raise EngineStartFailed(
                f"The engine {self._name} failed {self._in_row} times in a row and is left alone for"
                f" {REST_S - since_s:.0f} s more. The last time: {error.message}",
                hint=error.hint,
            )
        if self._in_row:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self._in_row - 1))
            await anyio.sleep(max(0.0, pause_s - since_s))
