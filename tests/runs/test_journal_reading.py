"""Reading: from any process, without a lock, also while there is no journal yet; and the status of each run."""

from pathlib import Path

import pytest

from naestro.errors import NotInJournal
from naestro.runs.journal import Draft, Journal, digest_of, open_reader
from naestro.types import (
    CallFinished,
    EventData,
    Fault,
    InterruptAnswered,
    InterruptOpened,
    Notice,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStatus,
    RunStopped,
    StepReopened,
    Usage,
)
from tests.runs.journals import Clock, begun, notice, open_journal, step_begins

pytestmark = pytest.mark.anyio

ASKED = InterruptOpened("approve", "approve", "Apply it?", ["yes", "no"])
ANSWERED = InterruptAnswered("approve", "yes", "me")
FINISHED = RunFinished(digest_of(b"{}"), Usage(), 1)
FAULT = Fault("engine", "gone")
STOPPED = RunStopped("shut down")


def test_a_journal_that_does_not_exist_yet_reads_as_an_empty_one(home: Path) -> None:
    with open_reader(home) as reader:
        assert reader.runs() == reader.events("x") == reader.all_events() == reader.steps("x") == []
        assert reader.damage() == []
        assert reader.version() == 0
        with pytest.raises(NotInJournal, match="No run 'last'"):
            reader.run("last")
        with pytest.raises(NotInJournal, match="No artifact"):
            reader.artifact(digest_of(b""))
    assert not home.exists()


async def test_a_reader_finds_the_journal_that_appears_after_it(home: Path) -> None:
    with open_reader(home) as reader:
        assert reader.runs() == []
        async with open_journal(home, holder="test") as journal:
            run = await journal.create_run(begun())
            assert [info.id for info in reader.runs()] == [run]
        assert [info.id for info in reader.runs()] == [run]


async def test_the_version_changes_with_each_commit_and_only_then(home: Path, journal: Journal) -> None:
    run = await journal.create_run(begun())
    with open_reader(home) as reader:
        first = reader.version()
        assert reader.version() == first
        await journal.write(run, notice())
        assert reader.version() != first


async def test_events_are_read_on_from_any_number_and_in_portions(journal: Journal) -> None:
    run = await journal.create_run(begun(), *(notice(str(number)) for number in range(2, 10)))
    assert [event.seq for event in journal.reader.events(run, after=4, limit=3)] == [5, 6, 7]
    assert [number for number, _ in journal.reader.all_events(after=7, limit=1)] == [8]
    assert journal.reader.events(run, limit=0) == []
    assert journal.reader.events("another") == []


async def test_runs_are_listed_newest_first_by_workspace_and_up_to_a_limit(journal: Journal) -> None:
    ids = [await journal.create_run(begun(workspace)) for workspace in ("/a", "/b", "/a")]
    assert [info.id for info in journal.reader.runs()] == ids[::-1]
    assert [info.id for info in journal.reader.runs(limit=2)] == ids[:0:-1]
    assert [info.id for info in journal.reader.runs(workspace="/a")] == [ids[2], ids[0]]
    assert journal.reader.runs(workspace="/c") == []


async def test_a_run_is_found_by_its_id_a_unique_beginning_or_last(home: Path) -> None:
    clock = Clock()
    async with open_journal(home, holder="test", clock=clock) as journal:
        first = await journal.create_run(begun())
        clock.now_ms += 10_000_000
        second = await journal.create_run(begun())
        assert journal.reader.run(first).id == first
        assert journal.reader.run(f" {first[:9].upper()}\n").id == first
        assert journal.reader.run("last").id == second


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("", "More than one"),
        ("0", "More than one"),
        ("zzz", "No run 'zzz'"),
        ("%", "No run"),
        ("_", "No run"),
    ],
)
async def test_a_run_that_is_not_meant_clearly_is_not_guessed(
    journal: Journal, wanted: str, said: str
) -> None:
    await journal.create_run(begun())
    await journal.create_run(begun())
    with pytest.raises(NotInJournal, match=said):
        journal.reader.run(wanted)


async def test_a_run_tells_how_it_was_begun_and_how_far_it_is(journal: Journal) -> None:
    run = await journal.create_run(begun("/there"), notice())
    info = journal.reader.run(run)
    assert (info.command, info.task, info.workspace) == ("explain", {"target": "x.py"}, "/there")
    assert (info.origin, info.last_seq, info.usage, info.fault) == ("cli", 2, Usage(), None)


async def test_a_run_adds_up_what_its_calls_cost_but_not_those_it_copied(journal: Journal) -> None:
    run = await journal.create_run(begun())
    used = Usage(100, 20, 60, 0.25)
    for call, copied_from in (("a", None), ("b", None), ("c", "a")):
        data = CallFinished(call, digest_of(b""), used, 1, 2, copied_from=copied_from)
        await journal.write(run, Draft(data, "propose.1", 1, 1))
    await journal.write(run, Draft(FINISHED))
    assert journal.reader.run(run).usage == Usage(200, 40, 120, 0.5)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], RunStatus.RUNNING),
        ([STOPPED], RunStatus.STOPPED),
        ([STOPPED, RunResumed(1)], RunStatus.RUNNING),
        ([FINISHED], RunStatus.FINISHED),
        ([RunFailed(FAULT)], RunStatus.FAILED),
        ([RunCancelled("asked to")], RunStatus.CANCELLED),
        ([ASKED], RunStatus.WAITING),
        ([ASKED, STOPPED], RunStatus.WAITING),
        ([ASKED, ANSWERED], RunStatus.RUNNING),
        ([ASKED, RunCancelled("asked to")], RunStatus.CANCELLED),
        ([FINISHED, Notice("undone")], RunStatus.FINISHED),
        ([FINISHED, StepReopened("propose.1")], RunStatus.STOPPED),
        ([StepReopened("propose.1")], RunStatus.RUNNING),
    ],
    ids=str,
)
async def test_the_status_of_a_run_follows_from_its_events(
    journal: Journal, events: list[EventData], status: RunStatus
) -> None:
    run = await journal.create_run(begun())
    for data in events:
        await journal.write(run, Draft(data))
    assert journal.reader.run(run).status is status


async def test_a_fault_is_told_until_the_run_is_resumed(journal: Journal) -> None:
    run = await journal.create_run(begun())
    await journal.write(run, Draft(RunFailed(FAULT)))
    assert journal.reader.run(run).fault == FAULT
    await journal.write(run, Draft(RunResumed(journal.fence)))
    assert journal.reader.run(run).fault is None


async def test_a_run_of_a_dead_owner_is_stopped_also_while_a_new_owner_has_not_taken_it_up(
    home: Path,
) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())
        asked = await journal.create_run(begun(), Draft(ASKED))
    with open_reader(home) as reader:
        assert reader.run(run).status is RunStatus.STOPPED
        assert reader.run(asked).status is RunStatus.WAITING
        async with open_journal(home, holder="test") as journal:
            await journal.write(run, notice("looked at"))
            assert reader.run(run).status is journal.reader.run(run).status is RunStatus.STOPPED
            await journal.write(run, Draft(RunResumed(journal.fence)))
            assert reader.run(run).status is RunStatus.RUNNING


async def test_an_event_of_a_step_without_a_name_moves_no_step(journal: Journal) -> None:
    run = await journal.create_run(begun())
    await journal.write(run, Draft(step_begins("x").data))
    assert journal.reader.steps(run) == []


async def test_a_reader_can_be_closed_twice_and_used_again(journal: Journal) -> None:
    run = await journal.create_run(begun())
    reader = open_reader(journal.home)
    assert reader.run(run).id == run
    reader.close()
    reader.close()
    assert reader.run(run).id == run
    reader.close()


@pytest.mark.parametrize("name", ["with space", "per%20cent", "question?mode=rw", "hash#tag", "ümläut-中"])
async def test_a_home_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    async with open_journal(tmp_path / name, holder="test") as journal:
        run = await journal.create_run(begun())
    with open_reader(tmp_path / name) as reader:
        assert reader.run("last").id == run
