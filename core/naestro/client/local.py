"""The control API in the process that holds the journal and works on the runs: of one caller, or of many.

Above stand the composition root, the daemon and in-process front ends; below it `bound`, which is the client as each
caller has it. A run works in a task of the client's task group and outlives whoever follows it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from logging import getLogger

from anyio.abc import TaskGroup

from naestro.client.bound import BoundClient, Caller, Core
from naestro.client.following import follow_all
from naestro.client.working import Working
from naestro.errors import JournalError
from naestro.policy.editor import Editor
from naestro.runs.clock import now_ms
from naestro.runs.history import History
from naestro.runs.loading import load_history
from naestro.runs.retention import PruneReport, prune
from naestro.types import Event

__all__ = ["Core", "LocalClient"]

TAKE_UP_AGE_MS = 24 * 60 * 60 * 1000
"""A run that lay for longer is old news: its person resumes it, or not."""
TAKE_UP_TRIES = 3
"""How often a run is gone on with between two finished steps: the step that it is at may be what ends the process."""

log = getLogger(__name__)


class LocalClient(BoundClient):
    """`naestro.client.api.CallerClient` over a journal that this process holds, for this process's own user."""

    def __init__(self, core: Core, tasks: TaskGroup) -> None:
        """Work on runs in `tasks`, which the caller owns and ends."""
        super().__init__(core, Working(core.journal, tasks), Caller())

    def bound(self, variables: Mapping[str, str] | None, editor: Editor | None = None) -> BoundClient:
        """The same core as one caller sees it.

        `variables` is the caller's whole environment, from which settings, flags and keys of its runs come; None:
        this process's own. Runs that it starts or resumes use `editor`.
        """
        return BoundClient(
            self._core, self._working, Caller(None if variables is None else dict(variables), editor)
        )

    @property
    def working(self) -> list[str]:
        """The ids of the runs in hand, in the order in which work on them began; those that wait for a person too."""
        return self._working.runs

    async def take_up(self) -> list[str]:
        """Go on with the runs that the last owner left in the middle; their ids, oldest first.

        Those are runs that it left without a word, because it was killed, and those that it set aside when it was
        shut down; unless the last event is over a day old, or the run was gone on with three times since a step of it
        finished. They have this process's own environment.
        """
        taken: list[str] = []
        for run in await self._journal.read(self._journal.reader.left_open, now_ms() - TAKE_UP_AGE_MS):
            try:
                if self._is_due(history := await load_history(self._journal, run)):
                    taken.append(self._take(history))
            except JournalError as error:
                log.warning("The run %s cannot be taken up: %s", run, error.message)
        return taken

    async def prune(
        self, *, keep_days: float | None, max_size_bytes: int | None, dry_run: bool
    ) -> PruneReport:
        """Delete ended runs older than `keep_days`, then the oldest until the size fits; `dry_run` only says which."""
        return await prune(self._journal, keep_days=keep_days, max_size_bytes=max_size_bytes, dry_run=dry_run)

    async def shut_down(self, drain_s: float) -> None:
        """Begin nothing more, let runs finish for at most `drain_s` seconds, and park the rest durably.

        The next process's `take_up` goes on with what was parked. Following, reading and answering work until the end.
        Index runs end where they are, and those who follow them are told.
        """
        # First, since it may take a second: once runs are parked their followers should see the process go at once.
        await self._core.close_indexes()
        await self._working.shut_down(drain_s)

    @asynccontextmanager
    async def everything(self, after: int) -> AsyncGenerator[AsyncIterator[tuple[int, Event]]]:
        """Follow all runs: what is recorded after the global number `after`, then what comes, each with its number.

        Numbers grow; a gap is what was pruned. It goes on until the journal is closed. A reader that falls behind
        slows nobody down: it reads on from the journal.
        """
        async with aclosing(follow_all(self._journal, after)) as items:
            yield items

    def _is_due(self, history: History) -> bool:
        is_left = history.run not in self._working and history.waits_for_an_owner
        if is_left and history.resumed_since_finish >= TAKE_UP_TRIES:
            log.warning("The run %s was taken up %d times in vain and is left.", history.run, TAKE_UP_TRIES)
            return False
        return is_left

    def _take(self, history: History) -> str:
        assert history.started is not None, "a run that waits for an owner has begun"
        return self._begin(history.run, history.started, last_seq=history.last_seq)
