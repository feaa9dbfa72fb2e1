"""A process that dies in the middle of a patch or its undo: the record alone makes the files whole again."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from naestro.policy.changes import Recovered, UndoRecord, execute, plan, recover, undo
from naestro.policy.workspace import Workspace
from tests.policy.conftest import picture
from tests.policy.test_changes import everything

CHILD = """
import os, signal, sys
from pathlib import Path
import msgspec
from naestro.policy.changes import UndoRecord, execute, plan, undo
from naestro.policy.workspace import Workspace
from tests.policy.test_changes import everything
from tests.support.faults import watching

workspace, journal, act, left = Workspace(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
if act == "undo":
    record = msgspec.json.decode(journal.read_bytes(), type=UndoRecord)
    work = lambda: undo(workspace, record)
else:
    planned = plan(workspace, everything(workspace))
    journal.write_bytes(msgspec.json.encode(planned.record))
    work = lambda: execute(planned)

def kill(event, arguments):
    global left
    if event != "open" or int(arguments[2]) & os.O_CREAT:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

with watching(kill):
    work()
"""
CHANGES = 9
"""Calls that change a file or folder: as many in the patch as in its undo."""
ROOT = Path(__file__).parents[2]


def crash(files: Workspace, journal: Path, act: str, nth: int) -> bool:
    """Run `act` in a process that is killed before its `nth` change; whether it got that far."""
    command = [sys.executable, "-c", CHILD, str(files.root), str(journal), act, str(nth)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("nth", range(1, CHANGES + 1))
def test_a_patch_killed_before_any_change_is_taken_back_or_complete(
    files: Workspace, tmp_path: Path, nth: int
) -> None:
    at_first = picture(files.root)
    assert crash(files, tmp_path / "record", "execute", nth)
    record = msgspec.json.decode((tmp_path / "record").read_bytes(), type=UndoRecord)
    state = recover(files, record)
    if state is Recovered.APPLIED:
        undo(files, record)
    assert picture(files.root) == at_first
    execute(plan(files, everything(files)))


@pytest.mark.parametrize("nth", range(1, CHANGES + 1))
def test_an_undo_killed_before_any_change_is_finished_by_recovery(
    files: Workspace, tmp_path: Path, nth: int
) -> None:
    at_first = picture(files.root)
    planned = plan(files, everything(files))
    execute(planned)
    (tmp_path / "record").write_bytes(msgspec.json.encode(planned.record))
    assert crash(files, tmp_path / "record", "undo", nth)
    if recover(files, planned.record) is Recovered.APPLIED:
        undo(files, planned.record)
    assert picture(files.root) == at_first


def test_patch_and_undo_make_no_more_changes_than_these_tests_try(files: Workspace, tmp_path: Path) -> None:
    assert not crash(files, tmp_path / "record", "execute", CHANGES + 1)
    assert not crash(files, tmp_path / "record", "undo", CHANGES + 1)
