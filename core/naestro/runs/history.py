"""A run as its events tell it: the one projection that trace, command line, fork and replay read.

`History.of(events)` is a pure fold over the events of one run in order; the records it fills are in `records`.
It opens no journal and reads no artifact. Whether an owner is alive is not in the events: a history that says
RUNNING means "not ended by the events", and the reader of the journal knows more (`Reader.run`).
"""

from collections.abc import Iterable
from datetime import datetime

from naestro.errors import NotInJournal
from naestro.runs.records import (
    AttemptRecord,
    CallRecord,
    ChangeRecord,
    InputRecord,
    InterruptRecord,
    NoticeRecord,
    PatchRecord,
    RevisionRecord,
    StepRecord,
    StepState,
)
from naestro.types import (
    CallFailed,
    CallFinished,
    CallStarted,
    Digest,
    Event,
    Fault,
    InterruptAnswered,
    InterruptOpened,
    Notice,
    PatchApplied,
    PatchUndone,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStatus,
    RunStopped,
    StepFailed,
    StepFinished,
    StepInput,
    StepPatched,
    StepReopened,
    StepStarted,
    Tokens,
    Usage,
)

ENDINGS: dict[type, RunStatus] = {
    RunStopped: RunStatus.STOPPED,
    RunFinished: RunStatus.FINISHED,
    RunFailed: RunStatus.FAILED,
    RunCancelled: RunStatus.CANCELLED,
}
"""The events with which an owner lets go of a run."""


class History:
    """One run, folded from its events. Read its attributes; only `add` changes them."""

    def __init__(self) -> None:
        """Begin with no event; `of` is the usual way."""
        self.run = ""
        self.started: RunStarted | None = None
        self.last_seq = 0
        self.opened_at = ""
        self.updated_at = ""
        self.result: Digest | None = None
        self.fault: Fault | None = None
        self.reason = ""
        """Why it was stopped or cancelled."""
        self.steps: dict[str, StepRecord] = {}
        """In the order in which they first began."""
        self.interrupts: dict[str, InterruptRecord] = {}
        self.notices: list[NoticeRecord] = []
        self.changes: list[ChangeRecord] = []
        self.active_ms = 0
        """Time during which an owner worked on it, up to the last event; waits over restarts do not count."""
        self.is_untouched = True
        """Whether nobody executed it yet: it was only created, or forked."""
        self.is_set_aside = False
        """Whether its last owner was shut down while it worked, and meant the next one to go on."""
        self.resumed_since_finish = 0
        """How often a new owner went on with it since a step of it was last finished."""
        self._ending = RunStatus.RUNNING
        self._calls: dict[str, CallRecord] = {}

    @classmethod
    def of(cls, events: Iterable[Event]) -> "History":
        """The history that `events`, all of one run and in order, tell."""
        history = cls()
        for event in events:
            history.add(event)
        return history

    @property
    def status(self) -> RunStatus:
        """Where the run stands by its events."""
        if not self._ending.is_final and self.open_interrupts:
            return RunStatus.WAITING
        return self._ending

    @property
    def waits_for_an_owner(self) -> bool:
        """Whether the next owner should go on with it by itself: the last one went away in the middle of it.

        So it is when that owner said so, or said nothing. Not with a run that a person parked, nor with a fork, which
        begins when somebody says so.
        """
        if self._ending is not RunStatus.RUNNING or self.started is None:
            return self._ending is RunStatus.STOPPED and self.is_set_aside
        return not (self.is_untouched and self.started.forked_from is not None)

    @property
    def usage(self) -> Usage:
        """Tokens and cost of every call that was made, those of old revisions and failed attempts too."""
        return sum((step.usage for step in self.steps.values()), Usage())

    @property
    def open_calls(self) -> list[CallRecord]:
        """Calls without a result, in the order in which they began."""
        return [call for call in self._calls.values() if call.state == "open"]

    @property
    def open_interrupts(self) -> list[InterruptRecord]:
        """Interrupts that wait for a person, oldest first."""
        return [one for one in self.interrupts.values() if one.is_open]

    def step(self, name: str) -> StepRecord:
        """The step of that name; raises `NotInJournal`."""
        if name not in self.steps:
            known = ", ".join(self.steps) or "none yet"
            raise NotInJournal(f"The run {self.run} has no step {name!r}; its steps: {known}.")
        return self.steps[name]

    def dependents(self, name: str) -> list[str]:
        """The steps that read `name`, directly or through others, in the order in which they first began."""
        found = {name}
        while more := {s.name for s in self.steps.values() if s.name not in found and found & s.reads.keys()}:
            found |= more
        return [step for step in self.steps if step in found and step != name]

    def add(self, event: Event) -> None:
        """Fold one more event in; it must be the next of the same run."""
        self._count_time(event)
        self.run, self.last_seq, self.updated_at = event.run, event.seq, event.time
        any(fold(event) for fold in (self._add_run, self._add_step, self._add_call, self._add_rest))

    def _count_time(self, event: Event) -> None:
        if self._ending is RunStatus.RUNNING and self.updated_at and not isinstance(event.data, RunResumed):
            self.active_ms += between_ms(self.updated_at, event.time)

    def _add_run(self, event: Event) -> bool:
        match event.data:
            case RunStarted() as data:
                self.started, self.opened_at = data, event.time
            case RunResumed():
                self._let_go(event, RunStatus.RUNNING)
                self.fault, self.reason = None, ""
                self.resumed_since_finish += 1
            case RunStopped(reason=reason) | RunCancelled(reason=reason):
                self._let_go(event, ENDINGS[type(event.data)])
                self.reason = reason
            case RunFailed(fault=fault):
                self._let_go(event, RunStatus.FAILED)
                self.fault = fault
            case RunFinished(result=result):
                self._let_go(event, RunStatus.FINISHED)
                self.result = result
            case _:
                return False
        return True

    def _let_go(self, event: Event, ending: RunStatus) -> None:
        self._ending, self.is_untouched = ending, False
        self.is_set_aside = isinstance(event.data, RunStopped) and event.data.resumes
        for step in self.steps.values():
            _interrupt(step.last, event.time)

    def _add_step(self, event: Event) -> bool:
        match event.data:
            case StepStarted() as data:
                self._start_step(event, data)
            case StepInput() as data:
                self._revision(event).inputs[data.name] = InputRecord(data.name, data.value, data.is_patched)
            case StepFinished() as data:
                _finish_step(self._revision(event), event, data)
                self.resumed_since_finish = 0
            case StepFailed() as data:
                _fail_step(self._revision(event), event, data)
            case StepPatched() as data:
                patch = PatchRecord(data.target, data.before, data.after, data.diff, data.by, event.time)
                self._open_revision(event, patch, cause=str(event.step))
            case StepReopened() as data:
                self._open_revision(event, None, cause=data.cause)
            case _:
                return False
        return True

    def _revision(self, event: Event) -> RevisionRecord:
        """The revision that `event` speaks of, made on first sight."""
        step = self.steps.setdefault(str(event.step), StepRecord(str(event.step)))
        number = event.revision or 1
        if not step.revisions or step.revision < number:
            step.revisions.append(RevisionRecord(number))
        return next(one for one in step.revisions if one.revision == number)

    def _start_step(self, event: Event, data: StepStarted) -> None:
        revision = self._revision(event)
        _interrupt(revision, event.time)
        self.steps[str(event.step)].kind = data.kind
        revision.state, revision.reads = StepState.RUNNING, data.reads
        revision.started, revision.fault = revision.started or event.time, None
        revision.attempts.append(
            AttemptRecord(event.attempt or 0, event.time, engine=data.engine, route=data.route)
        )
        self.is_untouched = self.is_untouched and event.attempt == 0

    def _open_revision(self, event: Event, patch: PatchRecord | None, cause: str) -> None:
        _interrupt(self.step(str(event.step)).last, event.time)
        revision = self._revision(event)
        revision.patch, revision.cause = patch, cause
        if self._ending.is_final:
            self._ending = RunStatus.STOPPED

    def _add_call(self, event: Event) -> bool:
        match event.data:
            case CallStarted() as data:
                self._start_call(event, data)
            case Tokens() as data:
                self._calls[data.call].text += data.text
            case CallFinished() as data:
                call = self._calls[data.call]
                call.state, call.ended, call.response = "finished", event.time, data.response
                call.usage, call.copied_from = data.usage, data.copied_from
                call.first_token_ms, call.duration_ms = data.first_token_ms, data.duration_ms
            case CallFailed() as data:
                call = self._calls[data.call]
                call.state, call.ended, call.fault = data.outcome, event.time, data.fault
            case _:
                return False
        return True

    def _start_call(self, event: Event, data: CallStarted) -> None:
        ordinal = int(data.call.rpartition("/")[2])
        call = CallRecord(
            data.call, ordinal, data.engine, data.request, data.is_idempotent, event.time, tool=data.tool
        )
        self._calls[data.call] = call
        self._revision(event).attempts[-1].calls.append(call)

    def _add_rest(self, event: Event) -> bool:
        match event.data:
            case InterruptOpened() as data:
                self.interrupts[data.interrupt] = InterruptRecord(
                    interrupt=data.interrupt,
                    kind=data.kind,
                    question=data.question,
                    options=data.options,
                    payload=data.payload,
                    step=event.step,
                    revision=event.revision,
                    opened=event.time,
                )
            case InterruptAnswered() as data:
                one = self.interrupts[data.interrupt]
                one.answer, one.by, one.answered = data.answer, data.by, event.time
            case Notice() as data:
                self.notices.append(NoticeRecord(data.text, data.level, event.step, event.time))
            case PatchApplied() as data:
                self.changes.append(ChangeRecord(data.change, data.paths, event.time))
            case data:
                assert isinstance(data, PatchUndone)
                _undo(self.changes, event, data)
        return True


def between_ms(before: str, after: str) -> int:
    """Milliseconds from one event's time to another's; 0 when the clock went back."""
    passed = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    return max(0, round(passed.total_seconds() * 1000))


def _interrupt(revision: RevisionRecord, time: str) -> None:
    """Mark what still runs in `revision` as overtaken or left."""
    if revision.state is StepState.RUNNING:
        revision.state = StepState.INTERRUPTED
        revision.attempts[-1].state, revision.attempts[-1].ended = StepState.INTERRUPTED, time


def _end_attempt(
    revision: RevisionRecord, event: Event, state: StepState, fault: Fault | None = None
) -> None:
    for attempt in revision.attempts:
        if attempt.attempt == event.attempt:
            attempt.state, attempt.ended, attempt.fault = state, event.time, fault


def _finish_step(revision: RevisionRecord, event: Event, data: StepFinished) -> None:
    revision.state, revision.output, revision.fault = StepState.FINISHED, data.output, None
    revision.usage, revision.duration_ms = data.usage, data.duration_ms
    revision.finished, revision.copied_from = event.time, data.copied_from
    _end_attempt(revision, event, StepState.FINISHED)


def _fail_step(revision: RevisionRecord, event: Event, data: StepFailed) -> None:
    revision.state = StepState.DROPPED if data.is_dropped else StepState.FAILED
    revision.fault = data.fault
    _end_attempt(revision, event, revision.state, data.fault)


def _undo(changes: list[ChangeRecord], event: Event, data: PatchUndone) -> None:
    """Mark the newest applied patch of those paths as taken back."""
    applied = (one for one in reversed(changes) if one.undone is None)
    change = next((one for one in applied if sorted(one.paths) == sorted(data.paths)), None)
    if change is not None:
        change.undone = event.time
