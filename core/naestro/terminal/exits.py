"""Exit codes, and how an error becomes one sentence, a hint and a code.

`docs/terminal.md` documents the codes; scripts rely on them. This module prints nothing.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import cast

from naestro import errors
from naestro.errors import NaestroError
from naestro.types import RunStatus


class Exit(IntEnum):
    """What the command's exit code says."""

    OK = 0
    FAILED = 1
    """The run failed, a check of `doctor` or a test did, the output could not be written, or there is a defect."""
    USAGE = 2
    """Wrong input, settings, flags or run: nothing was done."""
    WAITING = 3
    """The run waits for a person or was parked; `naestro resume RUN` goes on."""
    ENGINE = 4
    """No engine or model could answer."""
    JOURNAL = 5
    """The journal or an index is locked, damaged or cannot be written, or the daemon cannot be reached."""
    FILES = 6
    """A file or a patch cannot be used; nothing was changed."""
    DIFFERENT = 7
    """`replay --execute` found differences."""
    CANCELLED = 130
    """Cancelled by Ctrl-C."""


_BY_ERROR: tuple[tuple[type[NaestroError], Exit], ...] = (
    (errors.InputError, Exit.USAGE),
    (errors.ConfigError, Exit.USAGE),
    (errors.WorkspaceError, Exit.FILES),
    (errors.PatchError, Exit.FILES),
    (errors.NotInJournal, Exit.USAGE),
    (errors.RunStateError, Exit.USAGE),
    (errors.JournalError, Exit.JOURNAL),
    (errors.DaemonError, Exit.JOURNAL),
    (errors.IndexFault, Exit.JOURNAL),
    (errors.EngineError, Exit.ENGINE),
    (errors.ToolError, Exit.ENGINE),
    (errors.ModelError, Exit.ENGINE),
    (errors.NoEngine, Exit.ENGINE),
    (errors.NoProposal, Exit.ENGINE),
)
"""First match wins, so that a narrower class stands before its base."""

_BY_STATUS = {
    RunStatus.FINISHED: Exit.OK,
    RunStatus.FAILED: Exit.FAILED,
    RunStatus.CANCELLED: Exit.CANCELLED,
    RunStatus.WAITING: Exit.WAITING,
    RunStatus.STOPPED: Exit.WAITING,
    RunStatus.RUNNING: Exit.WAITING,
}


def exit_for(error: NaestroError) -> Exit:
    """The exit code of an error that ended the command."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return Exit.FAILED


def exit_for_fault(code: str) -> Exit:
    """The exit code of a run that failed with the fault `code` (see `NaestroError.code`)."""
    for kind, exit_code in _BY_ERROR:
        if code in _codes_under(kind):
            return exit_code
    return Exit.FAILED


def exit_for_status(status: RunStatus) -> Exit:
    """The exit code of a command that ends with a run in `status`."""
    return _BY_STATUS[status]


def _codes_under(kind: type[NaestroError]) -> set[str]:
    found = {kind.code}
    for below in kind.__subclasses__():
        found |= _codes_under(below)
    return found


def innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a person should read: one of ours wherever it lies, else the only one, else the group."""
    leaves = list(_leaves(group))
    known = [error for error in leaves if isinstance(error, NaestroError)]
    return known[0] if known else leaves[0] if len(leaves) == 1 else group


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error
