"""The runs that this process works on: each in a task of its own, followed by whoever wants to.

`bound` and `local` above start and end them here; below stand the journal and `execution`. It knows no command and no
engine. What goes wrong in one run ends that run's work alone: it is logged, and whoever follows the run is told.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from logging import getLogger

import anyio
from anyio.abc import TaskGroup

from naestro.client.following import RunFollower
from naestro.client.lending import LentEditor
from naestro.errors import NaestroError, RunStateError
from naestro.policy.editor import Editor
from naestro.runs.execution import Execution, Flow
from naestro.runs.faults import REPORT_HINT, known_error
from naestro.runs.history import ENDINGS
from naestro.runs.journal import Journal
from naestro.types import Delta, Event, RunStatus

PARK_S = 10.0
"""How long runs may take to record that they were parked when the process is shut down."""
SHUT_DOWN = "Naestro was shut down; the run goes on with the next start."

log = getLogger(__name__)


@dataclass(slots=True)
class Work:
    """One run in hand."""

    execution: Execution
    last_seq: int
    """The newest event when the work began: an ending after it ends this work."""
    editor: LentEditor
    error: NaestroError | None = None
    """Why the work ended without an ending in the journal."""
    done: anyio.Event = field(default_factory=anyio.Event)

    def is_ended_by(self, item: Event | Delta) -> bool:
        """Whether `item` is the last that this work shows."""
        return isinstance(item, Event) and item.seq > self.last_seq and type(item.data) in ENDINGS


class Working:
    """The runs in hand, by id."""

    def __init__(self, journal: Journal, tasks: TaskGroup) -> None:
        """Work in `tasks`, which the caller owns: when they are cancelled, the runs are parked."""
        self._journal = journal
        self._tasks = tasks
        self._runs: dict[str, Work] = {}
        self._is_ending = False

    def __contains__(self, run: str) -> bool:
        """Whether the run is in hand."""
        return run in self._runs

    @property
    def runs(self) -> list[str]:
        """The ids of the runs in hand, in the order in which work on them began."""
        return list(self._runs)

    def check_open(self) -> None:
        """Raise `RunStateError` once `shut_down` was called."""
        if self._is_ending:
            raise RunStateError(
                "Naestro is being shut down and begins no more runs.", hint="Run the command again."
            )

    def begin(
        self, run: str, flow: Callable[[LentEditor], Flow], *, last_seq: int, editor: Editor | None = None
    ) -> str:
        """Work on `run`, whose newest event is `last_seq`, in the context of the caller; its id.

        Raises `RunStateError` when it is in hand already, or when the process is being shut down.
        """
        self.check_open()
        if run in self._runs:
            raise RunStateError(f"The run {run} is being worked on.")
        lent = LentEditor(editor)
        self._runs[run] = work = Work(Execution(self._journal, run, flow(lent)), last_seq, lent)
        self._tasks.start_soon(self._do, work, name=f"run {run}")
        return run

    def lend(self, run: str, editor: Editor) -> None:
        """Let `run` use `editor` from now on; nothing happens when it is not in hand."""
        if (work := self._runs.get(run)) is not None:
            work.editor.lend(editor)

    async def cancel(self, run: str, reason: str) -> None:
        """Cancel a run; returns when that is recorded. Raises `RunStateError` when it is not in hand."""
        work = self._in_hand(run)
        work.execution.cancel(reason)
        await _ended(work)

    async def park(self, run: str) -> None:
        """Leave a run for later; returns when that is recorded. Raises `RunStateError` when it is not in hand."""
        work = self._in_hand(run)
        work.execution.park()
        await _ended(work)

    async def shut_down(self, drain_s: float) -> None:
        """Begin nothing more, let runs finish for at most `drain_s` seconds, and park the rest.

        A run that waits for a person is parked at once. When this returns, the journal says that the next owner goes
        on with what was parked; being shut down is not being cancelled.
        """
        self._is_ending = True
        await self._park_waiting()
        with anyio.move_on_after(drain_s):
            await self._all_done()
        with anyio.move_on_after(PARK_S, shield=True):
            for work in self._runs.values():
                work.execution.park(SHUT_DOWN, resumes=True)
            await self._all_done()

    @asynccontextmanager
    async def follow(self, run: str, after: int) -> AsyncGenerator[AsyncIterator[Event | Delta]]:
        """What is recorded of `run` after number `after`, then what comes, until it is no longer in hand."""
        follower = RunFollower(self._journal, run, after, lambda: self._runs.get(run))
        async with aclosing(follower.items()) as items:
            yield items

    def _in_hand(self, run: str) -> Work:
        if run not in self._runs:
            raise RunStateError(f"Nobody works on the run {run} here.")
        return self._runs[run]

    async def _park_waiting(self) -> None:
        for run, work in list(self._runs.items()):
            try:
                info = await self._journal.read(self._journal.reader.run, run)
            except NaestroError as error:
                log.warning("Whether the run %s waits cannot be read: %s", run, error.message)
                continue
            if info.status is RunStatus.WAITING:
                work.execution.park(SHUT_DOWN, resumes=True)

    async def _all_done(self) -> None:
        for work in list(self._runs.values()):
            await work.done.wait()

    async def _do(self, work: Work) -> None:
        run = work.execution.run_id
        try:
            await work.execution.run()
        except Exception as error:  # noqa: BLE001  # a run's root: what fails in it ends no other run
            work.error = _told(run, error)
        finally:
            del self._runs[run]
            work.done.set()
            self._journal.end_live(run)


async def _ended(work: Work) -> None:
    """Return when nobody works on it any more; raises what kept its ending from being recorded."""
    await work.done.wait()
    if work.error is not None:
        raise work.error


def _told(run: str, error: Exception) -> NaestroError:
    """The error for whoever follows the run; it is logged."""
    known = known_error(error)
    if known is None:
        log.error("Work on the run %s ended by a defect.", run, exc_info=error)
        return NaestroError(f"Work on the run {run} ended by a defect.", hint=REPORT_HINT)
    log.warning("Work on the run %s ended: %s", run, known.message)
    return known
