"""A journal of an older version is brought up to date, with a copy kept, or left as it is."""

from pathlib import Path

import pytest

from naestro.errors import JournalCorrupt, JournalError, JournalUnwritable
from naestro.runs.documents import Put
from naestro.runs.journal import digest_of, open_reader
from naestro.runs.schema import APPLICATION_ID, MIGRATIONS, SCHEMA
from naestro.types import RunStatus
from tests.runs.early_journal import EVENTS, FIRST, OUTPUT, SECOND, write_early_journal
from tests.runs.flows import full_disk
from tests.runs.journals import begun, database, notice, open_journal

pytestmark = pytest.mark.anyio

COPY = "journal.db.v0.bak"


def content(home: Path) -> list[str]:
    with database(home) as file:
        return [*file.iterdump(), str(file.execute("PRAGMA user_version").fetchone())]


def test_there_is_a_way_from_every_older_version() -> None:
    assert sorted(MIGRATIONS) == list(range(SCHEMA))


async def test_every_event_and_artifact_of_an_old_journal_is_there_afterwards(home: Path) -> None:
    write_early_journal(home)
    async with open_journal(home, holder="test") as journal:
        assert journal.reader.all_events() == list(enumerate(EVENTS, start=1))
        assert journal.reader.artifact(digest_of(OUTPUT)) == OUTPUT
        assert journal.reader.damage() == []


async def test_an_old_journal_has_its_views_afterwards_and_goes_on(home: Path) -> None:
    write_early_journal(home)
    async with open_journal(home, holder="test") as journal:
        info = journal.reader.run(FIRST)
        assert (info.status, info.workspace, info.last_seq) == (RunStatus.STOPPED, "/first", 4)
        rows = {row.step: (row.revision, row.attempt, row.state) for row in journal.reader.steps(FIRST)}
        assert rows == {"propose.1": (1, 1, "finished"), "propose.2": (2, 3, "finished")}
        [event] = await journal.write(SECOND, notice())
        assert event.seq == 3
        assert journal.reader.all_events()[-1] == (7, event)
        assert await journal.create_run(begun()) > SECOND


async def test_the_copy_is_the_old_file_and_for_its_owner_alone(home: Path) -> None:
    write_early_journal(home)
    before = content(home)
    async with open_journal(home, holder="test"):
        copy = home / COPY
        assert copy.stat().st_mode & 0o777 == 0o600
    (home / "journal.db").unlink()
    copy.rename(home / "journal.db")
    assert content(home) == before
    assert sorted(path.name for path in home.iterdir()) == ["journal.db", "journal.lock"]


async def test_a_migrated_file_says_what_it_is(home: Path) -> None:
    write_early_journal(home)
    for _ in range(2):
        async with open_journal(home, holder="test"):
            pass
    with database(home) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert file.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - {"sqlite_sequence"} == {
        "artifacts",
        "documents",
        "events",
        "ids",
        "meta",
        "runs",
        "steps",
        "uses",
    }


def as_version_1(home: Path) -> None:
    """Turn a journal of this version into one of version 1, which had no documents."""
    with database(home) as file:
        file.execute("DROP TABLE documents")
        file.execute("PRAGMA user_version = 1")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a_journal_without_documents_gets_room_for_them_and_loses_nothing(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())
        await journal.write(run, notice("kept"))
        events, info = journal.reader.all_events(), journal.reader.run(run)
    as_version_1(home)
    with open_reader(home) as reader, pytest.raises(JournalError, match="older version"):
        reader.runs()
    async with open_journal(home, holder="test") as journal:
        assert (journal.reader.all_events(), journal.reader.run(run).last_seq) == (events, info.last_seq)
        await journal.apply(Put("c", "k", b"1"))
        assert journal.reader.documents("c") == [("k", b"1")]
        assert journal.reader.damage() == []
    assert (home / "journal.db.v1.bak").exists()
    with database(home) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA,)


async def test_a_reader_changes_nothing_and_says_what_brings_it_up_to_date(home: Path) -> None:
    old = write_early_journal(home)
    before = old.read_bytes()
    with open_reader(home) as reader, pytest.raises(JournalError, match="older version") as caught:
        reader.runs()
    assert "Start or resume" in caught.value.hint
    assert old.read_bytes() == before


async def test_an_old_journal_that_cannot_be_understood_is_left_as_it_is(home: Path) -> None:
    old = write_early_journal(home)
    with database(home) as file:
        file.execute("UPDATE events SET type = 'step.dreamt' WHERE seq = 2")
    before = old.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalCorrupt, match="event of run"):
            async with open_journal(home, holder="test"):
                pytest.fail("opened")
        assert old.read_bytes() == before


async def test_without_space_for_the_copy_nothing_is_changed(home: Path) -> None:
    old = write_early_journal(home)
    before = old.read_bytes()
    with full_disk(home), pytest.raises(JournalUnwritable):
        async with open_journal(home, holder="test"):
            pytest.fail("opened")
    assert old.read_bytes() == before
    assert not (home / COPY).exists()
    async with open_journal(home, holder="test") as journal:
        assert len(journal.reader.all_events()) == len(EVENTS)
    assert (home / COPY).stat().st_size == len(before)
    assert not (home / f"{COPY}.half").exists()
