"""`undo`: take back the patch that a run applied.

`client` above calls it; below stand the journal, which keeps what undo needs, and `policy.changes`, which writes.
Nothing is written when a file was changed since. A crash in the middle is mended by undoing once more.
"""

from pathlib import Path

import anyio.to_thread
import msgspec

from naestro.council.apply import APPLY
from naestro.errors import RunStateError
from naestro.policy.changes import Recovered, UndoRecord, recover, undo
from naestro.policy.workspace import Workspace
from naestro.runs.drafts import Draft
from naestro.runs.history import History
from naestro.runs.journal import Journal
from naestro.types import PatchUndone


async def last_change(journal: Journal) -> str | None:
    """The newest run whose patch is still applied; None where there is none."""
    for run in await journal.read(journal.reader.runs_with, APPLY):
        history = History.of(await journal.read(journal.reader.events, run))
        if any(change.undone is None for change in history.changes):
            return run
    return None


async def undo_change(journal: Journal, run: str) -> list[str]:
    """Take back the newest patch of `run` that is still applied; the paths that are as they were before it.

    Raises:
        RunStateError: The run applied none, or it was taken back already.
        PatchConflict: A file was changed since; nothing was written.
    """
    history = History.of(await journal.read(journal.reader.events, run))
    applied = [change for change in history.changes if change.undone is None]
    if not applied or history.started is None:
        raise RunStateError(
            f"The run {run} has applied no patch that could be undone.",
            hint="`naestro runs` lists the runs; name the one that changed the files.",
        )
    raw = await journal.read(journal.reader.artifact, applied[-1].change)
    record = msgspec.json.decode(raw, type=UndoRecord)
    await anyio.to_thread.run_sync(_take_back, Workspace(Path(history.started.workspace)), record)
    await journal.write(run, Draft(PatchUndone(paths=record.paths)))
    return record.paths


def _take_back(workspace: Workspace, record: UndoRecord) -> None:
    if recover(workspace, record) is Recovered.APPLIED:
        undo(workspace, record)
