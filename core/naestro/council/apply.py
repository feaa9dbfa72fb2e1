"""Applying a change, after a yes: the person sees the diff, the undo record is journalled, then all files or none.

Two steps, so that a crash at any moment is mended: `apply.plan` leaves the undo record in the journal before a byte
is written, and `apply` first makes whole what an earlier attempt left. Above, `orchestrate`; below,
`policy.changes`, which does the writing. A replay never comes here with a yes.
"""

from functools import partial

import anyio.to_thread
import msgspec

from naestro.council.sitting import Sitting
from naestro.council.verdict import CouncilResult
from naestro.errors import PatchConflict, PatchError, WorkspaceError
from naestro.policy.buffers import reading
from naestro.policy.changes import Change, FileRecord, Plan, Recovered, UndoRecord, execute, plan, recover
from naestro.policy.workspace import Workspace
from naestro.runs.attempt import Attempt
from naestro.runs.drafts import Draft, digest_of
from naestro.runs.history import History
from naestro.runs.run import StepSpec
from naestro.types import PatchApplied, StepKind, Value, encode

INTERRUPT = "apply"
"""The name of the question."""
YES, NO = "yes", "no"
APPLY = "apply"
"""The step that writes the files."""


class Applied(Value, frozen=True):
    """The output of `apply`."""

    paths: list[str]


async def apply_on_yes(sitting: Sitting, result: CouncilResult, more: str = "") -> CouncilResult:
    """`result`, its change applied where there is one and the person says yes; `more` is added to the question.

    A file that changed since is no failure of the run: the result says that nothing was applied, and why.
    """
    if result.patch is None:
        return result
    if sitting.run.is_replay:
        return _unapplied(result, "A replay changes no file.")
    if await _answer(sitting, result, more) != YES:
        return _unapplied(result, "The change was declined; no file was changed.")
    try:
        record = await sitting.run.step(
            _spec("apply.plan"), partial(_plan, sitting, result.changes), UndoRecord
        )
        sitting.ended.append("apply.plan")
        await sitting.run.step(
            _spec(APPLY, "apply.plan"), partial(_apply, sitting, result.changes, record), Applied
        )
    except (PatchError, WorkspaceError) as error:
        return _unapplied(result, f"The change was not applied: {error.message} {error.hint}")
    return msgspec.structs.replace(result, is_applied=True)


async def _answer(sitting: Sitting, result: CouncilResult, more: str) -> str:
    count = len(result.changes)
    question = " ".join(filter(None, [f"Apply this change to {count} file{'s' * (count > 1)}?", more]))
    payload = (result.patch or "").encode()
    return await sitting.run.ask(INTERRUPT, "approve", question, [YES, NO], payload, step="adjudicate")


def _spec(name: str, *more: str) -> StepSpec:
    return StepSpec(name, StepKind.APPLY, reads=("adjudicate", *more))


async def _plan(sitting: Sitting, changes: list[Change], _: Attempt) -> UndoRecord:
    return (await reading(plan, sitting.kit.files, changes)).record


async def _apply(sitting: Sitting, changes: list[Change], record: UndoRecord, _: Attempt) -> Applied:
    await anyio.to_thread.run_sync(_write, sitting.kit.files, changes, record)
    await _tell(sitting, record)
    return Applied(paths=record.paths)


def _write(workspace: Workspace, changes: list[Change], record: UndoRecord) -> None:
    """Write what `record` was planned for; an earlier attempt may have written none of it, a part, or all."""
    if recover(workspace, record) is Recovered.APPLIED:
        return
    fresh = plan(workspace, changes)
    if _settled(fresh.record) != _settled(record):
        raise PatchConflict("The files are not those that the change was planned for.")
    execute(Plan(workspace, record, fresh.contents))


def _settled(record: UndoRecord) -> list[FileRecord]:
    """The files of a record, whether they were saved or not: a buffer that was saved since is the same text."""
    return [msgspec.structs.replace(file, is_unsaved=False, disk_sha256=None) for file in record.files]


async def _tell(sitting: Sitting, record: UndoRecord) -> None:
    """Record that the files were changed, once: an earlier attempt may have said so already."""
    journal, run = sitting.kit.journal, sitting.run.id
    raw = encode(record)
    history = History.of(await journal.read(journal.reader.events, run))
    standing = [change.change for change in history.changes if change.undone is None]
    if digest_of(raw) not in standing:
        applied = PatchApplied(change=digest_of(raw), paths=record.paths)
        await journal.write(run, Draft(applied, step="apply"), artifacts=[raw])


def _unapplied(result: CouncilResult, why: str) -> CouncilResult:
    return msgspec.structs.replace(result, warnings=[*result.warnings, why])
