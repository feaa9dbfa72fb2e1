"""Seeing a run once more: its events again at their pace, or the whole run again, and where the two differ.

Re-emitting makes no call. Executing again is a new run with `replay_of` set: it takes the recorded inputs, seeds and
answers of the old one (`run`, `standing` and `questions` do that), so what differs is the engines' doing. Above
stands the client, below the journal and the history.
"""

from collections.abc import AsyncGenerator, Iterator
from typing import Literal

import anyio
import anyio.to_thread

from naestro.runs.drafts import Draft
from naestro.runs.fork import copies, restarted
from naestro.runs.history import History, between_ms
from naestro.runs.journal import Journal
from naestro.runs.loading import load_history, read_history
from naestro.runs.readable import diff_of
from naestro.runs.reader import Reader
from naestro.runs.records import StepRecord
from naestro.types import Digest, Event, Value

PAGE_EVENTS = 500
"""Events read at a time."""

GAP_MAX_S = 2.0
"""A longer pause of the run, for a person's answer or over a restart, is cut to this."""

RESULT = "result"
"""Stands for the result of the whole run where a step is named."""


class Difference(Value, frozen=True):
    """Where two runs of one command part."""

    step: str
    """The step, or `result` for the run's own."""
    kind: Literal["output", "state", "missing", "added"]
    before: Digest | None
    after: Digest | None
    diff: str
    """A unified diff of the outputs, or one sentence."""


async def replay_events(reader: Reader, run: str, *, speed: float | None = None) -> AsyncGenerator[Event]:
    """The events of `run` once more, in order, with their old numbers and times.

    `speed` is how many times as fast as it was (1.0: the same pace); None waits for nothing. The reader is used from
    a worker thread; nobody else may use it meanwhile.
    """
    seq, time = 0, None
    while page := await anyio.to_thread.run_sync(reader.events, run, seq, PAGE_EVENTS):
        for event in page:
            if speed is not None and time is not None:
                await anyio.sleep(min(between_ms(time, event.time) / 1000 / speed, GAP_MAX_S))
            seq, time = event.seq, event.time
            yield event


async def prepare_execution(journal: Journal, run: str) -> str:
    """Make a new run that does the same again with the recorded seeds, inputs and answers; its id.

    Outputs that a person gave are kept: they came from outside. Approvals are asked anew, and the flow must not
    change files (`Run.is_replay`).

    Raises:
        NotInJournal: There is no such run.
    """
    history = await load_history(journal, run)
    given = [step for step in history.steps.values() if step.last.is_given]
    drafts: list[Draft] = [draft for step in given for draft in copies(run, step)]
    return await journal.create_run(restarted(history, replay_of=run), *drafts)


def compare(reader: Reader, before: str, after: str) -> list[Difference]:
    """Where two runs differ, by the current revision of each step, in the order of the steps; empty when nowhere.

    Raises:
        NotInJournal: There is no such run.
    """
    old, new = read_history(reader, before), read_history(reader, after)
    names = dict.fromkeys([*old.steps, *new.steps])
    found = [_difference(reader, name, old.steps.get(name), new.steps.get(name)) for name in names]
    return [one for one in (*found, *_results(reader, old, new)) if one is not None]


def _difference(
    reader: Reader, name: str, old: StepRecord | None, new: StepRecord | None
) -> Difference | None:
    if old is not None and new is not None:
        if old.state is not new.state:
            return Difference(
                name, "state", *_ends(old, new), f"It was {_told(old)}, now it is {_told(new)}."
            )
        return _outputs(reader, name, old.last.output, new.last.output)
    if old is not None:
        return Difference(name, "missing", *_ends(old, new), f"Only the first run has it: {_told(old)}.")
    return Difference(name, "added", *_ends(old, new), "Only the second run has it.")


def _ends(old: StepRecord | None, new: StepRecord | None) -> tuple[Digest | None, Digest | None]:
    return (old.last.output if old else None, new.last.output if new else None)


def _told(step: StepRecord) -> str:
    fault = step.last.fault
    return step.state if fault is None else f"{step.state} ({fault.message})"


def _outputs(reader: Reader, name: str, old: Digest | None, new: Digest | None) -> Difference | None:
    if old == new or old is None or new is None:
        return None
    diff = diff_of(name, reader.artifact(old), reader.artifact(new))
    return Difference(name, "output", old, new, diff.decode())


def _results(reader: Reader, old: History, new: History) -> Iterator[Difference | None]:
    """How the runs themselves ended."""
    if old.status is not new.status:
        yield Difference(
            RESULT, "state", old.result, new.result, f"It was {old.status}, now it is {new.status}."
        )
    else:
        yield _outputs(reader, RESULT, old.result, new.result)
