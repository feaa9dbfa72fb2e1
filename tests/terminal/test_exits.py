"""Exit codes: every error of the tree has one, and a run's fault ends with the same code as the error itself."""

from naestro import errors
from naestro.errors import NaestroError
from naestro.terminal.exits import Exit, exit_for, exit_for_fault, exit_for_status
from naestro.types import RunStatus


def tree(kind: type[NaestroError]) -> list[type[NaestroError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


def test_a_fault_ends_with_the_code_of_its_error() -> None:
    kinds = [kind for kind in tree(NaestroError) if kind.__module__ == errors.__name__]
    assert len(kinds) > 30
    for kind in kinds:
        assert exit_for_fault(kind.code) == exit_for(kind("It is wrong.")), kind


def test_what_the_person_can_mend_differently_has_different_codes() -> None:
    codes = [
        exit_for(errors.InputError("x")),
        exit_for(errors.ModelMissing("x")),
        exit_for(errors.JournalLocked("x")),
        exit_for(errors.DaemonUnreachable("x")),
        exit_for(errors.PatchConflict("x")),
        exit_for(errors.CouncilError("x")),
    ]
    assert codes == [Exit.USAGE, Exit.ENGINE, Exit.JOURNAL, Exit.JOURNAL, Exit.FILES, Exit.FAILED]
    assert exit_for_fault("no such code") is Exit.FAILED


def test_every_status_of_a_run_has_a_code() -> None:
    assert [exit_for_status(status) for status in RunStatus] == [
        Exit.WAITING,
        Exit.WAITING,
        Exit.WAITING,
        Exit.OK,
        Exit.FAILED,
        Exit.CANCELLED,
    ]
