"""What a person does to a run: answer it, patch a recorded output or input, run a step again.

Each is one transaction, possible at any time: while the run waits, works, or has ended; an execution of this process
notices at once. Patching and re-running open a new revision of the step and of everything that reads it, directly or
through others; the old revisions stay. To override a verdict is to patch the output of the step that gave it. Above
stands the client, below the journal and the history. Nothing here knows what a step's output means.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from naestro.errors import InputError, NotInJournal, RunStateError, StaleAttempt
from naestro.runs.drafts import Draft, digest_of
from naestro.runs.guards import RevisionsGuard
from naestro.runs.history import History
from naestro.runs.in_hand import holding_still
from naestro.runs.journal import Journal
from naestro.runs.loading import load_history
from naestro.runs.readable import diff_of
from naestro.runs.records import StepRecord
from naestro.types import Digest, InterruptAnswered, Notice, StepFinished, StepPatched, StepReopened, Usage

OUTPUT = "output"
"""The target of a patch of what a step gave; any other target names an input."""


@dataclass(frozen=True, slots=True)
class _Revision:
    """What to write for the new revision of one step."""

    events: list[Draft]
    artifacts: tuple[bytes, ...] = ()


_Subject: TypeAlias = Callable[[StepRecord], Digest | None]
"""Which artifact of a step is changed; None for none."""

_Revise: TypeAlias = Callable[[StepRecord, bytes], _Revision]
"""What to write, given the step and the bytes of that artifact."""


@dataclass(frozen=True, slots=True)
class _OpenGuard:
    """Lets an interrupt be answered once."""

    run: str
    interrupt: str

    def check(self, tx: sqlite3.Connection) -> None:
        """Look the interrupt up among the open ones; raises `RunStateError`."""
        (names,) = tx.execute("SELECT interrupts FROM runs WHERE id = ?", (self.run,)).fetchone()
        if self.interrupt not in msgspec.json.decode(names, type=list[str]):
            raise RunStateError(
                f"The question {self.interrupt} of the run {self.run} has been answered already."
            )


async def answer(journal: Journal, run: str, interrupt: str, answer: str, by: str) -> None:
    """Answer a question of the run; a flow of this process that waits for it goes on at once.

    Raises:
        NotInJournal: There is no such run or question.
        RunStateError: It was answered already, or the run has ended.
        InputError: The answer is none of the options.
    """
    history = await load_history(journal, run)
    record = history.interrupts.get(interrupt)
    if record is None:
        asked = ", ".join(one.interrupt for one in history.open_interrupts) or "none"
        raise NotInJournal(f"The run {run} asked no question {interrupt!r}; open questions: {asked}.")
    if history.status.is_final:
        raise RunStateError(f"The run {run} is {history.status}: it no longer waits for an answer.")
    if record.options and answer not in record.options:
        raise InputError(
            f"{answer!r} is no answer to {interrupt}.", hint=f"Say one of: {', '.join(record.options)}."
        )
    await journal.write(
        run, Draft(InterruptAnswered(interrupt, answer, by)), guard=_OpenGuard(run, interrupt)
    )


async def patch_output(journal: Journal, run: str, step: str, new_json: bytes, by: str) -> int:
    """Replace what a step gave; the number of its new revision, which is finished at once.

    A step without an output, because it failed or was never finished, is given one.

    Raises:
        NotInJournal: There is no such run or step.
        InputError: It is no JSON, of another kind than the output so far, or the same.
    """
    _check_json(new_json)

    def revise(record: StepRecord, before: bytes) -> _Revision:
        if before and _kind(before) != _kind(new_json):
            raise InputError(f"The output of {step} is {_kind(before)}, the new one is {_kind(new_json)}.")
        number = record.revision + 1
        patched, artifacts = _patched(step, OUTPUT, before, new_json, by)
        source = f"{run}/{step}/{record.revision}"
        finished = StepFinished(digest_of(new_json), Usage(), 0, copied_from=source)
        return _Revision([Draft(patched, step, number, 0), Draft(finished, step, number, 0)], artifacts)

    return await _revise(journal, run, step, _last_output, revise)


async def patch_input(journal: Journal, run: str, step: str, name: str, text: str, by: str) -> int:
    """Replace a text that a step was given, its `prompt` for instance; the number of its new revision, to be run.

    Raises:
        NotInJournal: There is no such run, step or input.
        InputError: The text is the same.
    """

    def revise(record: StepRecord, before: bytes) -> _Revision:
        patched, artifacts = _patched(step, name, before, text.encode(), by)
        return _Revision([Draft(patched, step, record.revision + 1, 0)], artifacts)

    return await _revise(journal, run, step, lambda record: _last_input(record, name), revise)


async def rerun(journal: Journal, run: str, step: str, by: str) -> int:
    """Open a new revision of a step as it is, to be run with another seed; its number.

    Raises:
        NotInJournal: There is no such run or step.
    """

    def revise(record: StepRecord, before: bytes) -> _Revision:
        reopened = Draft(StepReopened(step), step, record.revision + 1, 0)
        return _Revision([reopened, Draft(Notice(f"{by} asked to run {step} again."), step)])

    return await _revise(journal, run, step, lambda record: None, revise)


async def _revise(journal: Journal, run: str, step: str, subject: _Subject, revise: _Revise) -> int:
    """Write the new revision of `step`, and with it those of all steps that depend on it; its number."""
    with holding_still(journal, run):
        while True:
            history = await load_history(journal, run)
            if await _write_revision(journal, history, history.step(step), subject, revise):
                return history.step(step).revision + 1


async def _write_revision(
    journal: Journal, history: History, record: StepRecord, subject: _Subject, revise: _Revise
) -> bool:
    """Whether it was written: not when a step that had begun before the run held still came in between."""
    digest = subject(record)
    before = b"" if digest is None else await journal.read(journal.reader.artifact, digest)
    revision = revise(record, before)
    dependents = [_reopened(history.step(name), record.name) for name in history.dependents(record.name)]
    guard = RevisionsGuard(history.run, {one.name: one.revision for one in history.steps.values()})
    try:
        await journal.write(
            history.run, *revision.events, *dependents, artifacts=revision.artifacts, guard=guard
        )
    except StaleAttempt:
        if (await load_history(journal, history.run)).last_seq == history.last_seq:
            raise
        return False
    return True


def _reopened(step: StepRecord, cause: str) -> Draft:
    return Draft(StepReopened(cause), step.name, step.revision + 1, 0)


def _patched(
    step: str, target: str, before: bytes, after: bytes, by: str
) -> tuple[StepPatched, tuple[bytes, bytes, bytes]]:
    if before == after:
        raise InputError(
            f"The {target} of {step} is just that already.", hint="Change something, or re-run the step."
        )
    diff = diff_of(f"{step}/{target}", before, after)
    patched = StepPatched(target, digest_of(before), digest_of(after), digest_of(diff), by)
    return patched, (before, after, diff)


def _last_output(step: StepRecord) -> Digest | None:
    return next((one.output for one in reversed(step.revisions) if one.output is not None), None)


def _last_input(step: StepRecord, name: str) -> Digest:
    """The newest text of that name: the patched one of a revision not tried yet, or what was given."""
    for one in reversed(step.revisions):
        if one.patch is not None and one.patch.target == name:
            return one.patch.after
        if name in one.inputs:
            return one.inputs[name].value
    known = ", ".join(sorted({name for one in step.revisions for name in one.inputs})) or "none"
    raise NotInJournal(f"The step {step.name} was given no {name!r}; its inputs: {known}.")


def _check_json(raw: bytes) -> None:
    try:
        msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise InputError(
            f"The new output is no JSON: {error}.", hint="Give the whole output as JSON."
        ) from error


_KINDS = {b"{": "an object", b"[": "a list", b'"': "a text", b"t": "a flag", b"f": "a flag", b"n": "null"}


def _kind(raw: bytes) -> str:
    """What kind of JSON value it is, by its first character."""
    return _KINDS.get(raw.lstrip()[:1], "a number")
