"""The tables `runs`, `steps` and `uses` as a fold over events: pure, so that they can be made anew at any time.

The store folds each event as it writes it; `rebuild` folds them all again and must come to the same. Below stand
the shared types. Nothing here knows SQLite.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from naestro.runs.drafts import Draft
from naestro.types import (
    CallFinished,
    CallStarted,
    Digest,
    EventData,
    Fault,
    InterruptAnswered,
    InterruptOpened,
    PatchApplied,
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
    Usage,
)

StepState = Literal["started", "finished", "failed", "open"]
"""`open`: a new revision that no attempt has begun."""


class StepRow(msgspec.Struct, frozen=True):
    """The newest revision of a step, and the newest attempt at it."""

    run: str
    step: str
    revision: int
    attempt: int
    """0 while no attempt at the revision has begun."""
    fence: int
    """The owner that wrote the event which this row comes from."""
    state: StepState
    output: Digest | None = None


class RunRow(msgspec.Struct):
    """What is known of a run after its last event."""

    id: str
    workspace: str
    fence: int
    """The owner that started or last resumed the run."""
    updated_ms: int
    """The time of its last event."""
    number: int = 0
    """Stands for `id` in the table of events; 0 before the first event is written."""
    last_seq: int = 0
    status: RunStatus = RunStatus.RUNNING
    """Never `WAITING`: that follows from `interrupts`."""
    usage: Usage = Usage()
    fault: Fault | None = None
    interrupts: list[str] = []
    """Those that are open, oldest first."""

    def shown_status(self, *, is_owned: bool) -> RunStatus:
        """The status for a person; `is_owned`: whether the owner of this run's fence lives."""
        if self.status.is_final:
            return self.status
        if self.interrupts:
            return RunStatus.WAITING
        if self.status is RunStatus.RUNNING and not is_owned:
            return RunStatus.STOPPED
        return self.status


def first_row(data: RunStarted, run: str, time_ms: int, fence: int) -> RunRow:
    """The row of a run that `data` begins, before any event is folded into it."""
    return RunRow(run, data.workspace, fence, time_ms)


def _set_status(row: RunRow, status: RunStatus, fault: Fault | None = None) -> None:
    row.status = status
    row.fault = fault


def _resumed(row: RunRow, data: RunResumed) -> None:
    _set_status(row, RunStatus.RUNNING)
    row.fence = data.fence


def _failed(row: RunRow, data: RunFailed) -> None:
    _set_status(row, RunStatus.FAILED, data.fault)


def _reopened(row: RunRow, _: EventData) -> None:
    """A run that had ended has something to do again once a step of it has a new revision."""
    if row.status.is_final:
        _set_status(row, RunStatus.STOPPED)


def _called(row: RunRow, data: CallFinished) -> None:
    if data.copied_from is None:
        row.usage += data.usage


def _asked(row: RunRow, data: InterruptOpened) -> None:
    row.interrupts = [*row.interrupts, data.interrupt]


def _answered(row: RunRow, data: InterruptAnswered) -> None:
    row.interrupts = [name for name in row.interrupts if name != data.interrupt]


_RUN_FOLDS: dict[str, Callable[[RunRow, EventData], None]] = {
    RunStarted.TYPE: lambda row, _: _set_status(row, RunStatus.RUNNING),
    RunResumed.TYPE: _resumed,
    RunStopped.TYPE: lambda row, _: _set_status(row, RunStatus.STOPPED),
    RunFinished.TYPE: lambda row, _: _set_status(row, RunStatus.FINISHED),
    RunFailed.TYPE: _failed,
    RunCancelled.TYPE: lambda row, _: _set_status(row, RunStatus.CANCELLED),
    StepPatched.TYPE: _reopened,
    StepReopened.TYPE: _reopened,
    CallFinished.TYPE: _called,
    InterruptOpened.TYPE: _asked,
    InterruptAnswered.TYPE: _answered,
}  # pyright: ignore[reportAssignmentType]  # each function takes the struct that its key names


def fold_run(row: RunRow, data: EventData, time_ms: int) -> bool:
    """Take the next event of the run into `row`; whether more changed than its last number and time."""
    row.last_seq += 1
    row.updated_ms = time_ms
    if fold := _RUN_FOLDS.get(data.TYPE):
        fold(row, data)
    return fold is not None


_STEP_TYPES = frozenset(
    data.TYPE for data in (StepStarted, StepFinished, StepFailed, StepPatched, StepReopened)
)


def step_row(run: str, draft: Draft, fence: int) -> StepRow | None:
    """The row of the step that `draft` is about, written by the owner `fence`; nothing if it leaves it as it is."""
    if draft.data.TYPE not in _STEP_TYPES or draft.step is None:
        return None
    state, output = _step_outcome(draft.data)
    return StepRow(run, draft.step, draft.revision or 1, draft.attempt or 0, fence, state, output)


def _step_outcome(data: EventData) -> tuple[StepState, Digest | None]:
    match data:
        case StepStarted():
            return "started", None
        case StepFinished(output=output):
            return "finished", output
        case StepFailed():
            return "failed", None
        case StepPatched(target="output", after=after):
            return "finished", after
        case _:
            return "open", None


ARTIFACT_FIELDS: dict[str, tuple[str, ...]] = {
    StepInput.TYPE: ("value",),
    StepFinished.TYPE: ("output",),
    StepPatched.TYPE: ("before", "after", "diff"),
    CallStarted.TYPE: ("request",),
    CallFinished.TYPE: ("response",),
    InterruptOpened.TYPE: ("payload",),
    PatchApplied.TYPE: ("change",),
    RunFinished.TYPE: ("result",),
}
"""Which fields of an event name artifacts; a test holds this against the types."""


OF_STEPS_OR_ARTIFACTS = _STEP_TYPES | ARTIFACT_FIELDS.keys()
"""The types of events that `step_row` or `artifacts_named` has something to say of; `tokens` is none."""


def artifacts_named(data: EventData) -> list[Digest]:
    """The artifacts that `data` names; they stay as long as the run does."""
    named = (getattr(data, field) for field in ARTIFACT_FIELDS.get(data.TYPE, ()))
    return [digest for digest in named if digest]
