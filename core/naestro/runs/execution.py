"""Starting, resuming and ending a run: who calls a flow, how often, and what is written when it ends.

`execute` calls the flow from its top. When a person patches or re-runs a step meanwhile, the flow is cancelled and
called again, so that nothing goes on with what was replaced. Cancelling, parking and being shut down are three
things, each with its own event. Above stands the client; `run` is what the flow sees. This module knows no command.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import getLogger
from typing import TypeAlias

import anyio

from naestro.errors import (
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalUnwritable,
    RunStateError,
    StaleAttempt,
)
from naestro.runs.drafts import Draft, Guard, digest_of
from naestro.runs.faults import fault_of, known_error, leaves
from naestro.runs.guards import OwnerGuard, RevisionsGuard
from naestro.runs.in_hand import Hand, taken_in_hand
from naestro.runs.journal import Journal
from naestro.runs.loading import load_history
from naestro.runs.outbox import write_shielded
from naestro.runs.records import CallRecord
from naestro.runs.run import Run
from naestro.types import (
    CallFailed,
    Event,
    EventData,
    InterruptAnswered,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStatus,
    RunStopped,
    StepPatched,
    StepReopened,
    Value,
    encode,
)

Flow: TypeAlias = Callable[[Run], Awaitable[Value]]

log = getLogger(__name__)


async def execute(journal: Journal, run_id: str, flow: Flow) -> RunStatus:
    """Start or resume a run and return the status in which it ended; see `Execution.run`."""
    return await Execution(journal, run_id, flow).run()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one call of the flow ended: with a result, with an error, or with neither when it was cancelled."""

    result: Value | None = None
    error: Exception | None = None


class Execution:
    """One run in the hands of this process; `run` it once."""

    def __init__(self, journal: Journal, run_id: str, flow: Flow) -> None:
        """`flow` is called from its top, more than once when steps are patched meanwhile."""
        self.run_id = run_id
        self._journal = journal
        self._flow = flow
        self._scope = anyio.CancelScope()
        self._ending: RunCancelled | RunStopped | None = None
        self._is_reopened = False

    def cancel(self, reason: str = "Cancelled by the person.") -> None:
        """End the run: the flow is cancelled at once and `run.cancelled` written. Nothing after it has ended."""
        self._end_by(RunCancelled(reason))

    def park(self, reason: str = "Parked until it is resumed.", *, resumes: bool = False) -> None:
        """Leave the run for later: the flow is cancelled at once and `run.stopped` written.

        With `resumes` the next owner goes on with it by itself.
        """
        self._end_by(RunStopped(reason, resumes))

    def _end_by(self, ending: RunCancelled | RunStopped) -> None:
        self._ending = self._ending or ending
        self._scope.cancel()

    async def run(self) -> RunStatus:
        """Take the run up, call its flow, and record how it ended.

        A finished run of which no step was reopened is left as it is. Being cancelled from outside is being shut
        down: the run is recorded as stopped.

        Raises:
            NotInJournal: There is no such run, or the one that it replays is gone.
            RunStateError: This process has it in hand already.
            StaleAttempt: Another owner took it over.
            JournalError: The journal cannot be read or written.
        """
        with taken_in_hand(self._journal, self.run_id) as hand:
            if await self._take_over() is RunStatus.FINISHED:
                return RunStatus.FINISHED
            try:
                while (status := await self._pass(hand)) is None:
                    pass
            except anyio.get_cancelled_exc_class():
                await self._leave(RunStopped("The process that ran it was shut down."))
                raise
            return status

    async def _take_over(self) -> RunStatus:
        """Close what the last owner left open and say who goes on; the status that was found."""
        history = await load_history(self._journal, self.run_id)
        info = await self._journal.read(self._journal.reader.run, self.run_id)
        is_new = history.is_untouched and info.status is RunStatus.RUNNING
        if history.status is not RunStatus.FINISHED and not is_new:
            unknown = [_unknown(call) for call in history.open_calls]
            resumed = RunResumed(self._journal.fence, [call.call for call in history.open_calls])
            await self._journal.write(self.run_id, *unknown, Draft(resumed))
        return history.status

    async def _pass(self, hand: Hand) -> RunStatus | None:
        """Call the flow once; the status in which the run ended, or None when it must be called again."""
        history = await load_history(self._journal, self.run_id)
        replay_of = history.started.replay_of if history.started is not None else None
        recorded = await load_history(self._journal, replay_of) if replay_of is not None else None
        run = Run(self._journal, history, hand, recorded)
        self._is_reopened, self._scope = False, anyio.CancelScope()
        outcome = await self._call(run, history.last_seq)
        if self._is_reopened:
            return None
        if outcome.result is not None:
            return await self._finish(run, outcome.result)
        if self._ending is not None:
            await self._write(self._ending)
            return (await self._journal.read(self._journal.reader.run, self.run_id)).status
        return await self._fail(run, outcome.error or RunStateError("The flow came to no result."))

    async def _call(self, run: Run, seq: int) -> _Outcome:
        """Call the flow with the run's own tasks beside it."""
        outcome = _Outcome()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, run, seq)
                tasks.start_soon(run.courier.run)
                try:
                    outcome = await self._call_flow(run)
                finally:
                    await run.courier.deliver()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise (known_error(group) or group) from group
        return outcome

    async def _call_flow(self, run: Run) -> _Outcome:
        with self._scope:
            if self._ending is not None:
                self._scope.cancel()
            try:
                return _Outcome(result=await self._flow(run))
            except Exception as error:  # noqa: BLE001  # the root of a run
                return _Outcome(error=error)
        return _Outcome()

    async def _watch(self, run: Run, seq: int) -> None:
        """Follow what others write to the run after `seq`."""
        while True:
            async with self._journal.live(run.id) as feed:
                for event in await self._journal.read(self._journal.reader.events, run.id, seq):
                    seq = self._heed(run, event)
                async for item in feed:
                    if isinstance(item, Event) and item.seq > seq:
                        seq = self._heed(run, item)

    def _heed(self, run: Run, event: Event) -> int:
        if isinstance(event.data, InterruptAnswered):
            run.questions.take(event.data)
        elif isinstance(event.data, StepPatched | StepReopened):
            self._is_reopened = True
            self._scope.cancel()
        return event.seq

    async def _finish(self, run: Run, result: Value) -> RunStatus | None:
        history = await load_history(self._journal, run.id)
        raw = encode(result)
        finished = RunFinished(digest_of(raw), history.usage, history.active_ms)
        return RunStatus.FINISHED if await self._end(run, finished, raw) else None

    async def _fail(self, run: Run, error: Exception) -> RunStatus | None:
        stale = next((leaf for leaf in leaves(error) if isinstance(leaf, StaleAttempt)), None)
        if stale is not None:
            if await self._has_moved_on(run):
                return None
            raise stale
        known = known_error(error)
        if isinstance(known, JournalUnwritable | JournalCorrupt | JournalLocked):
            await self._leave(RunStopped(known.message))
            raise known
        if known is None:
            log.error("The run %s met a defect.", run.id, exc_info=error)
        return RunStatus.FAILED if await self._end(run, RunFailed(fault_of(error))) else None

    async def _end(self, run: Run, ending: EventData, *artifacts: bytes) -> bool:
        """Write the ending of this pass; False when a step was reopened meanwhile, so that the flow is called again."""
        try:
            await self._write(ending, *artifacts, guard=RevisionsGuard(run.id, run.revisions))
        except StaleAttempt:
            if await self._has_moved_on(run):
                return False
            raise
        return True

    async def _has_moved_on(self, run: Run) -> bool:
        """Whether a step has a newer revision than this pass knows of."""
        history = await load_history(self._journal, run.id)
        return any(step.revision != run.revisions.get(step.name, 1) for step in history.steps.values())

    async def _leave(self, stopped: RunStopped) -> None:
        """Record that the run was left, as far as that is possible: without it, it is found to be stopped too."""
        ending = self._ending or stopped
        try:
            await self._write(ending, guard=OwnerGuard(self.run_id, self._journal.fence))
        except JournalError:
            log.warning("The run %s was left without a word: the journal cannot be written.", self.run_id)

    async def _write(self, ending: EventData, *artifacts: bytes, guard: Guard | None = None) -> None:
        await write_shielded(self._journal, self.run_id, [Draft(ending)], list(artifacts), guard)


def _unknown(call: CallRecord) -> Draft:
    """The end of a call whose owner went away."""
    step, revision, attempt, _ = call.call.rsplit("/", 3)
    return Draft(CallFailed(call.call, "unknown"), step=step, revision=int(revision), attempt=int(attempt))
