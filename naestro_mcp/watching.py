"""Who wants to hear of which run: one task follows each run that somebody subscribed to, and tells all of them.

`resources` above subscribes, in either form that the protocol has; below stands the client. An event is told as "this
changed": whoever wants to know what reads it. It knows no connection.
"""

import logging
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated

from naestro.client.api import CallerClient
from naestro.errors import NaestroError

PAUSE_S = 0.25
"""Between two notices of one run: tokens come every 50 ms, and each notice may cost its reader a read."""
AGAIN_S = 2.0
"""How soon a run that nobody works on is looked at again: somebody may resume it."""
PREFIX = "naestro://runs/"
PARTS = ("", "/events", "/patch")
"""What there is of a run to subscribe to."""

log = logging.getLogger(__name__)


def run_of(uri: str) -> str | None:
    """The run that `uri` is about; None for an address of something else."""
    if not uri.startswith(PREFIX):
        return None
    run, slash, part = uri.removeprefix(PREFIX).partition("/")
    return run if run and f"{slash}{part}" in PARTS else None


class Watching:
    """The runs that are watched for somebody."""

    def __init__(self, client: CallerClient, tasks: TaskGroup) -> None:
        """Follow runs through `client` in `tasks`, which the caller ends."""
        self.bus = InMemorySubscriptionBus()
        """Takes the listeners."""
        self._client = client
        self._tasks = tasks
        self._counts = Counter[str]()
        self._scopes: dict[str, anyio.CancelScope] = {}

    @contextmanager
    def of(self, uris: Iterable[str]) -> Generator[None]:
        """Watch the runs of `uris` as long as the block lasts."""
        runs = {run for uri in uris if (run := run_of(uri)) is not None}
        for run in runs:
            self._counts[run] += 1
            if self._counts[run] == 1:
                self._scopes[run] = anyio.CancelScope()
                self._tasks.start_soon(self._watch, run, self._scopes[run], name=f"mcp watch {run}")
        try:
            yield
        finally:
            for run in runs:
                self._counts[run] -= 1
                if not self._counts[run]:
                    del self._counts[run]
                    self._scopes.pop(run).cancel()

    async def _watch(self, run: str, scope: anyio.CancelScope) -> None:
        """Tell of `run` whenever its journal grew, until nobody listens."""
        with scope:
            seq = 0
            while True:
                try:
                    seq = await self._follow(run, seq)
                except NaestroError as error:
                    log.info("The run %s cannot be watched: %s", run, error.message)
                await anyio.sleep(AGAIN_S)

    async def _follow(self, run: str, seq: int) -> int:
        """Tell of what comes while somebody works on `run`, and of what came after `seq`; the newest number."""
        newest = (await self._client.get(run)).last_seq
        if seq and newest > seq:
            await self._tell(run)
        async with self._client.events(run, newest) as items:
            async for item in items:
                number = getattr(item, "seq", 0)
                if number > newest:
                    newest = number
                    await self._tell(run)
                    await anyio.sleep(PAUSE_S)
        return newest

    async def _tell(self, run: str) -> None:
        for part in PARTS:
            await self.bus.publish(ResourceUpdated(uri=f"{PREFIX}{run}{part}"))
