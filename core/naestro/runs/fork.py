"""A new run that begins with what another has: outputs are copied, nothing is run again that need not be.

`fork` keeps everything that does not depend on one step; `replay` keeps only what a person gave. The old run stays
as it is. Above stands the client, below the journal and the history.
"""

import msgspec

from naestro.runs.drafts import Draft
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.runs.loading import load_history
from naestro.runs.records import RevisionRecord, StepRecord, StepState
from naestro.types import (
    EVENT_SCHEMA,
    EventData,
    Fault,
    RunStarted,
    StepFailed,
    StepFinished,
    StepInput,
    StepKind,
    StepStarted,
)


async def fork(journal: Journal, run: str, *, at: str | None = None) -> str:
    """Make a new run of the same command with the outputs of `run`; its id. It is not executed yet.

    `at` names a step that the new run does itself, with everything that depends on it; without it, every output that
    there is is kept. Steps that the run went on without are kept as dropped. Questions are asked again.

    Raises:
        NotInJournal: There is no such run or step.
    """
    history = await load_history(journal, run)
    left_out = {history.step(at).name, *history.dependents(at)} if at is not None else set[str]()
    kept = [step for step in history.steps.values() if step.name not in left_out]
    started = restarted(history, forked_from=run)
    return await journal.create_run(started, *(draft for step in kept for draft in copies(run, step)))


def restarted(
    history: History, *, forked_from: str | None = None, replay_of: str | None = None
) -> RunStarted:
    """How a new run of the same command begins, with the same task, settings and seed."""
    assert history.started is not None
    return msgspec.structs.replace(
        history.started, schema=EVENT_SCHEMA, forked_from=forked_from, replay_of=replay_of
    )


def copies(run: str, step: StepRecord) -> list[Draft]:
    """The events that give a new run what `step` has in `run`, as revision 1, attempt 0; none when it has not ended."""
    last = step.last
    source = f"{run}/{step.name}/{last.revision}"
    if last.state is StepState.FINISHED and last.output is not None:
        end = StepFinished(last.output, last.usage, last.duration_ms or 0, copied_from=source)
        return _copied(step, last, end)
    if last.state is StepState.DROPPED:
        return _copied(step, last, StepFailed(last.fault or Fault("error", "Dropped."), is_dropped=True))
    return []


def _copied(step: StepRecord, last: RevisionRecord, end: EventData) -> list[Draft]:
    reads = dict.fromkeys(step.reads, 1)
    started = StepStarted(step.kind or StepKind.RETRIEVE, reads, step.engine, step.route)
    inputs = [StepInput(one.name, one.value, one.is_patched) for one in last.inputs.values()]
    return [Draft(data, step.name, 1, 0) for data in (started, *inputs, end)]
