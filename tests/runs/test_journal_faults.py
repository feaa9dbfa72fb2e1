"""Bad files, full disks, missing permissions: one clear sentence each, and nothing lost."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from naestro.errors import (
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalTooNew,
    JournalUnwritable,
)
from naestro.runs import schema
from naestro.runs.database import journal_error
from naestro.runs.journal import Draft, Journal, digest_of, open_reader
from naestro.types import StepInput
from tests.runs.flows import full_disk
from tests.runs.journals import begun, database, notice, open_journal, texts
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.anyio

BIG = os.urandom(3_000_000)


async def fill(home: Path) -> str:
    """A journal of some hundred pages; its run."""
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())
        await journal.write(run, *(notice(f"{number} " + "x" * 500) for number in range(500)))
        return run


async def assert_refused(home: Path, error: type[JournalError], match: str) -> None:
    """The owner and the reader are refused, and the file stays as it is."""
    before = (home / "journal.db").read_bytes()
    with pytest.raises(error, match=match) as caught:
        async with open_journal(home, holder="test"):
            pytest.fail("opened")
    assert str(home / "journal.db") in caught.value.message
    assert caught.value.hint
    with pytest.raises(error), open_reader(home) as reader:
        reader.all_events()
    assert (home / "journal.db").read_bytes() == before


async def test_a_damaged_page_is_told_and_the_file_is_left_as_it_is(home: Path) -> None:
    await fill(home)
    with (home / "journal.db").open("r+b") as file:
        for page in range(5, 80, 3):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    await assert_refused(home, JournalCorrupt, "is damaged")
    with open_reader(home) as reader:
        assert reader.damage()


async def test_a_damaged_page_of_a_large_journal_is_told_when_it_is_read(home: Path) -> None:
    run = await fill(home)
    large = os.urandom(schema.QUICK_CHECK_BYTES)
    async with open_journal(home, holder="test") as journal:
        await journal.write(run, Draft(StepInput("prompt", digest_of(large))), artifacts=[large])
        assert journal.reader.artifact(digest_of(large)) == large
    with (home / "journal.db").open("r+b") as file:
        file.seek(-6000, os.SEEK_END)
        file.write(b"\xff" * 100)
    async with open_journal(home, holder="test") as journal:
        await journal.write(run, notice("still at work"))
        with pytest.raises(JournalCorrupt, match="other bytes"):
            journal.reader.artifact(digest_of(large))


@pytest.mark.parametrize("content", [b"not a database at all, but longer than a header " * 40, b"short"])
async def test_a_file_that_is_no_database_is_told_and_kept(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "journal.db").write_bytes(content)
    await assert_refused(home, JournalCorrupt, "not a database")


async def test_another_programs_database_is_told_and_kept(home: Path) -> None:
    home.mkdir()
    with database(home) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    await assert_refused(home, JournalCorrupt, "another program")


@pytest.mark.parametrize("pragma", ["application_id = 77", "user_version = 1"])
async def test_a_database_that_only_looks_empty_is_told_and_kept(home: Path, pragma: str) -> None:
    home.mkdir()
    with database(home) as other:
        other.execute(f"PRAGMA {pragma}")
    await assert_refused(home, JournalCorrupt, "another program")


async def test_a_journal_of_a_newer_version_is_told_and_kept(home: Path) -> None:
    await fill(home)
    with database(home) as newer:
        newer.execute("PRAGMA user_version = 99")
    await assert_refused(home, JournalTooNew, "version 99")


async def test_an_empty_file_is_a_new_journal(home: Path) -> None:
    home.mkdir()
    (home / "journal.db").touch()
    with open_reader(home) as reader:
        assert reader.runs() == []
    async with open_journal(home, holder="test") as journal:
        await journal.create_run(begun())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET type = 'step.dreamt' WHERE seq = 2",
        "UPDATE events SET data = '{\"text\": 1}' WHERE seq = 2",
        "UPDATE events SET data = 'x' WHERE seq = 2",
    ],
)
async def test_an_event_that_cannot_be_read_is_told(home: Path, damage: str) -> None:
    run = await fill(home)
    with database(home) as connection:
        connection.execute(damage)
    async with open_journal(home, holder="test") as journal:
        assert journal.reader.run(run).last_seq == 501
        with pytest.raises(JournalCorrupt, match=f"event 2 of run {run}"):
            journal.reader.events(run)
        with pytest.raises(JournalCorrupt, match="cannot be read"):
            await journal.rebuild()
        assert journal.reader.run(run).last_seq == 501
        [event] = await journal.write(run, notice())
        assert event.seq == 502


async def test_what_is_known_of_a_run_can_be_made_anew_when_it_cannot_be_read(home: Path) -> None:
    run = await fill(home)
    with database(home) as connection:
        connection.execute("UPDATE runs SET status = 'dreaming'")
    async with open_journal(home, holder="test") as journal:
        with pytest.raises(JournalCorrupt, match=f"what it knows of run {run}"):
            await journal.write(run, notice())
        await journal.rebuild()
        await journal.write(run, notice())
        assert journal.reader.run(run).last_seq == 502


async def test_the_beginning_of_a_run_that_cannot_be_read_is_told(home: Path) -> None:
    run = await fill(home)
    with database(home) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 1")
    with open_reader(home) as reader, pytest.raises(JournalCorrupt, match=f"beginning of run {run}"):
        reader.runs()


async def test_a_full_disk_fails_the_write_that_needs_it_and_nothing_else(journal: Journal) -> None:
    run = await journal.create_run(begun())
    await limit_pages(journal, 100)
    failed: list[JournalUnwritable] = []

    async def write_much() -> None:
        try:
            await journal.write(run, notice("much"), artifacts=[BIG])
        except JournalUnwritable as error:
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.write, run, notice("before"))
        tasks.start_soon(write_much)
        tasks.start_soon(journal.write, run, notice("after"))
    assert [error.message for error in failed] == [
        f"There is no space left for the journal {journal.home / 'journal.db'}."
    ]
    assert texts(journal, run) == ["before", "after"]
    await limit_pages(journal, 1_000_000)
    await write_much()
    assert texts(journal, run) == ["before", "after", "much"]
    assert [number for number, _ in journal.reader.all_events()] == [1, 2, 3, 4]


async def limit_pages(journal: Journal, pages: int) -> None:
    await journal.apply(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages}").close())


async def test_a_disk_that_takes_nothing_more_is_told_and_writing_goes_on_when_it_does(
    journal: Journal,
) -> None:
    run = await journal.create_run(begun())
    with full_disk(journal.home):
        for _ in range(2):
            with pytest.raises(JournalUnwritable, match="cannot be written"):
                await journal.write(run, notice("lost"), notice("lost"))
        with pytest.raises(JournalUnwritable):
            await journal.rebuild()
    assert texts(journal, run) == []
    [event] = await journal.write(run, notice("kept"))
    assert event.seq == 2
    assert [number for number, _ in journal.reader.all_events()] == [1, 2]


async def test_a_journal_that_cannot_be_begun_for_lack_of_space_can_be_begun_later(home: Path) -> None:
    home.mkdir()
    with full_disk(home), pytest.raises(JournalUnwritable):
        async with open_journal(home, holder="test"):
            pytest.fail("opened")
    async with open_journal(home, holder="test") as journal:
        await journal.create_run(begun())


async def test_a_value_that_sqlite_cannot_hold_is_told(journal: Journal) -> None:
    run = await journal.create_run(begun())

    def lower_the_limit(tx: sqlite3.Connection) -> None:
        tx.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)

    await journal.apply(lower_the_limit)
    with pytest.raises(JournalUnwritable, match="larger than"):
        await journal.write(run, notice(), artifacts=[BIG])
    await journal.write(run, notice())


async def test_another_program_that_holds_the_file_is_told(journal: Journal) -> None:
    run = await journal.create_run(begun())
    await journal.apply(lambda tx: tx.execute("PRAGMA busy_timeout = 0").close())
    with database(journal.home) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalLocked, match="Another program"):
            await journal.write(run, notice())
        other.execute("ROLLBACK")
    [event] = await journal.write(run, notice())
    assert event.seq == 2


async def test_folder_and_files_are_for_their_owner_alone(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        await journal.create_run(begun())
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
    assert home.stat().st_mode & 0o777 == 0o700
    assert modes == dict.fromkeys(["journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"], 0o600)


async def test_a_file_that_others_could_read_is_closed_to_them(home: Path) -> None:
    await fill(home)
    (home / "journal.db").chmod(0o666)
    await fill(home)
    assert (home / "journal.db").stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_is_a_file_is_told(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(JournalUnwritable, match="cannot be opened: File exists"):
        async with open_journal(home, holder="test"):
            pytest.fail("opened")


@pytest.mark.parametrize("missing", ["the folder's parent", "the folder", "the file", "the lock"])
async def test_what_may_not_be_written_is_told(home: Path, missing: str) -> None:
    await fill(home)  # so that everything that is imported late has been
    with unprivileged() as folder:
        inner = folder / "home"
        take_away = _TAKE_AWAY[missing]
        if missing != "the folder's parent":
            await fill(inner)
        take_away(inner)
        with pytest.raises(JournalUnwritable, match="cannot be opened: Permission denied") as caught:
            async with open_journal(inner, holder="test"):
                pytest.fail("opened")
        assert "permissions" in caught.value.hint


_TAKE_AWAY: dict[str, Callable[[Path], None]] = {
    "the folder's parent": lambda home: home.parent.chmod(0o500),
    "the folder": lambda home: home.chmod(0o000),
    "the file": lambda home: (home.chmod(0o500), (home / "journal.lock").chmod(0o400))[0],
    "the lock": lambda home: (home / "journal.lock").chmod(0o000),
}


async def test_a_journal_that_may_only_be_read_is_read(home: Path) -> None:
    await fill(home)
    with unprivileged() as folder:
        run = await fill(folder / "home")
        (folder / "home" / "journal.db").chmod(0o400)
        with open_reader(folder / "home") as reader:
            assert reader.run("last").id == run


async def test_a_journal_that_may_not_be_read_is_told(home: Path) -> None:
    await fill(home)
    with unprivileged() as folder:
        await fill(folder / "home")
        (folder / "home" / "journal.db").chmod(0o000)
        with open_reader(folder / "home") as reader, pytest.raises(JournalUnwritable):
            reader.runs()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, JournalUnwritable),
        (sqlite3.SQLITE_READONLY_DBMOVED, JournalUnwritable),
        (sqlite3.SQLITE_IOERR_FSYNC, JournalUnwritable),
        (sqlite3.SQLITE_CANTOPEN, JournalUnwritable),
        (sqlite3.SQLITE_PERM, JournalUnwritable),
        (sqlite3.SQLITE_AUTH, JournalUnwritable),
        (sqlite3.SQLITE_TOOBIG, JournalUnwritable),
        (sqlite3.SQLITE_CORRUPT_INDEX, JournalCorrupt),
        (sqlite3.SQLITE_NOTADB, JournalCorrupt),
        (sqlite3.SQLITE_FORMAT, JournalCorrupt),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, JournalLocked),
        (sqlite3.SQLITE_LOCKED, JournalLocked),
        (sqlite3.SQLITE_ERROR, JournalError),
    ],
)
def test_each_error_of_sqlite_has_its_meaning(code: int, error: type[JournalError]) -> None:
    foreign = sqlite3.OperationalError("some words")
    foreign.sqlite_errorcode = code
    assert type(journal_error(foreign, Path("journal.db"))) is error
