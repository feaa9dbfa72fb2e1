"""Documents beside the runs: the latest value of each key, durable, in the order in which they were put."""

from pathlib import Path

import anyio
import pytest

from naestro.errors import JournalUnwritable
from naestro.runs.documents import Delete, Put
from naestro.runs.journal import Journal, open_reader
from naestro.runs.retention import prune
from tests.runs.flows import full_disk, journal_in
from tests.runs.journals import begun, notice

pytestmark = pytest.mark.anyio


async def test_a_document_is_there_after_a_restart(home: Path) -> None:
    async with journal_in(home) as journal:
        await journal.apply(Put("sessions", "a", b'{"n":1}'))
        with open_reader(home) as other:
            assert other.document("sessions", "a") == b'{"n":1}'
    async with journal_in(home) as journal:
        assert journal.reader.document("sessions", "a") == b'{"n":1}'
        assert journal.reader.document("sessions", "b") is None
        assert journal.reader.document("elsewhere", "a") is None


async def test_the_latest_put_comes_first_and_has_one_value(journal: Journal) -> None:
    for key, value in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")):
        await journal.apply(Put("s", key, value))
    await journal.apply(Put("t", "a", b"5"))
    assert journal.reader.documents("s") == [("a", b"4"), ("c", b"3"), ("b", b"2")]
    await journal.apply(Delete("s", "a"))
    await journal.apply(Delete("s", "never there"))
    assert journal.reader.documents("s") == [("c", b"3"), ("b", b"2")]
    await journal.apply(Put("s", "a", b"6"))
    assert journal.reader.documents("s")[0] == ("a", b"6")


def test_a_journal_that_is_not_there_has_no_document(home: Path) -> None:
    with open_reader(home) as reader:
        assert (reader.document("s", "a"), reader.documents("s"), reader.left_open(0)) == (None, [], [])


async def test_a_document_that_finds_no_space_leaves_what_was_there(journal: Journal, home: Path) -> None:
    await journal.apply(Put("s", "a", b"1"))
    with full_disk(home), pytest.raises(JournalUnwritable):
        await journal.apply(Put("s", "a", b"2" * 1_000_000))
    assert journal.reader.documents("s") == [("a", b"1")]


async def test_putting_documents_disturbs_no_run_that_writes(journal: Journal) -> None:
    run = await journal.create_run(begun())

    async def write() -> None:
        for number in range(20):
            await journal.write(run, notice(str(number)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        for number in range(20):
            await journal.apply(Put("s", "a", str(number).encode()))
    assert [event.seq for event in journal.reader.events(run)] == list(range(1, 22))
    assert [number for number, _ in journal.reader.all_events()] == list(range(1, 22))


async def test_pruning_runs_keeps_documents(journal: Journal) -> None:
    await journal.apply(Put("s", "a", b"1"))
    run = await journal.create_run(begun())
    await prune(journal, runs=[])
    await prune(journal, keep_days=0, max_size_bytes=0)
    assert journal.reader.documents("s") == [("a", b"1")]
    assert journal.reader.left_open(0) == [run]
