"""The lock: one owner, named to whoever is refused, gone with its process, and never inherited."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from naestro.errors import JournalLocked
from naestro.runs.lock import TRIES, hold_lock, is_held, read_holder
from tests.runs.journals import begun, open_journal

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(home: Path) -> Path:
    home.mkdir()
    return home


def test_the_holder_is_named_while_it_holds_the_lock_and_not_after(folder: Path) -> None:
    assert not is_held(folder)
    with hold_lock(folder, "naestro orchestrate"):
        assert is_held(folder)
        holder = read_holder(folder)
        assert holder is not None
        assert (holder.pid, holder.command) == (os.getpid(), "naestro orchestrate")
        assert str(holder) == f"`naestro orchestrate` (process {os.getpid()}, since {holder.since})"
        assert json.loads((folder / "journal.lock").read_bytes())["pid"] == os.getpid()
        assert (folder / "journal.lock").stat().st_mode & 0o777 == 0o600
    assert not is_held(folder)
    assert read_holder(folder) is None


def test_the_second_is_refused_with_the_name_of_the_first_and_can_try_again(folder: Path) -> None:
    with hold_lock(folder, "first"):
        with (
            pytest.raises(JournalLocked, match=r"held by `first` \(process") as caught,
            hold_lock(folder, "second"),
        ):
            pytest.fail("two holders")
        assert caught.value.hint == "Wait until it is done, or end that process."
        assert read_holder(folder) is not None
    with hold_lock(folder, "second"):
        assert is_held(folder)


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"pid": "x"}'])
def test_a_holder_whose_name_cannot_be_read_is_another_process(folder: Path, text: bytes) -> None:
    with (folder / "journal.lock").open("wb") as held:
        held.write(text)
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(JournalLocked, match="held by another process"), hold_lock(folder, "second"):
            pytest.fail("two holders")


class _AuditedLocks:
    """Calls `then` once, at the second attempt at an exclusive lock."""

    def __init__(self) -> None:
        self.attempts = 0
        self.then = lambda: None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "fcntl.flock" and arguments[1] == fcntl.LOCK_EX | fcntl.LOCK_NB:
            self.attempts += 1
            if self.attempts == 2:
                self.then()


def test_a_reader_that_looks_at_the_lock_for_a_moment_makes_no_owner_fail(folder: Path) -> None:
    (folder / "journal.lock").touch()
    looking = (folder / "journal.lock").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)
    audited = _AuditedLocks()
    audited.then = looking.close
    sys.addaudithook(audited)
    with hold_lock(folder, "owner"):
        assert audited.attempts == 2 < TRIES
        assert is_held(folder)


async def test_a_program_that_the_owner_started_does_not_keep_the_lock(home: Path) -> None:
    async with open_journal(home, holder="first"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with child:
        async with open_journal(home, holder="second") as journal:
            await journal.create_run(begun())
        assert child.poll() is None
        child.communicate(b"\n")


async def test_another_process_is_refused_and_told_the_holder(home: Path) -> None:
    code = (
        "import anyio, pathlib, sys\n"
        "from naestro.runs.journal import open_journal\n"
        "async def own():\n"
        "    async with open_journal(pathlib.Path(sys.argv[1]), holder='second'): pass\n"
        "anyio.run(own)\n"
    )
    async with open_journal(home, holder="naestro explain x.py"):
        refused = subprocess.run(
            [sys.executable, "-c", code, str(home)], capture_output=True, text=True, timeout=60, check=False
        )
    assert refused.returncode == 1
    assert f"is held by `naestro explain x.py` (process {os.getpid()}, since 2" in refused.stderr


async def test_a_refused_owner_changes_nothing(home: Path) -> None:
    async with open_journal(home, holder="first") as journal:
        run = await journal.create_run(begun())
        with pytest.raises(JournalLocked):
            async with open_journal(home, holder="second"):
                pytest.fail("two owners")
        assert journal.reader.run(run).id == run
        await journal.create_run(begun())
