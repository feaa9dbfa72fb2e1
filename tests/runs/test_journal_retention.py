"""What is kept of old runs, what goes, and what never goes by itself."""

import os
from pathlib import Path

import pytest

from naestro.errors import NotInJournal, RunStateError
from naestro.runs.journal import Draft, Journal, digest_of
from naestro.runs.retention import DAY_MS, RUNS_A_TRANSACTION, PruneReport, prune
from naestro.types import (
    EventData,
    Fault,
    InterruptOpened,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStopped,
    StepInput,
    Usage,
)
from tests.runs.journals import Clock, begun, database, notice, open_journal

pytestmark = pytest.mark.anyio

ENDED: list[EventData] = [
    RunFinished(digest_of(b"{}"), Usage(), 1),
    RunFailed(Fault("engine", "gone")),
    RunCancelled("asked to"),
]
SIZE = 50_000


async def ended_run(journal: Journal, ending: EventData = ENDED[0], content: bytes | None = None) -> str:
    """A run of a little more than `SIZE` bytes, or with `content`."""
    data = os.urandom(SIZE) if content is None else content
    given = Draft(StepInput("prompt", digest_of(data)), "propose.1", 1, 1)
    run = await journal.create_run(begun())
    await journal.write(run, given, Draft(ending), artifacts=[data])
    return run


def left(journal: Journal) -> list[str]:
    return [info.id for info in journal.reader.runs(limit=1000)][::-1]


async def test_ended_runs_go_when_their_last_event_is_old(home: Path) -> None:
    clock = Clock()
    async with open_journal(home, holder="test", clock=clock) as journal:
        old = [await ended_run(journal, ending) for ending in ENDED]
        touched = await ended_run(journal)
        clock.now_ms += 10 * DAY_MS
        await journal.write(touched, notice("undone"))
        young = await ended_run(journal)
        clock.now_ms += DAY_MS
        report = await prune(journal, keep_days=10.5, clock=clock)
        assert report.runs == old
        assert left(journal) == [touched, young]
        assert (await prune(journal, keep_days=10.5, clock=clock)).runs == []
        assert (await prune(journal, keep_days=0.5, clock=clock)).runs == [touched, young]


@pytest.mark.parametrize(
    "data",
    [RunStopped("shut down"), InterruptOpened("approve", "approve", "Apply it?", ["yes"]), notice().data],
    ids=lambda data: data.TYPE,
)
async def test_a_run_that_can_be_resumed_goes_only_when_it_is_named(home: Path, data: EventData) -> None:
    clock = Clock()
    async with open_journal(home, holder="test", clock=clock) as journal:
        run = await journal.create_run(begun(), Draft(data))
    clock.now_ms += 1000 * DAY_MS
    async with open_journal(home, holder="test", clock=clock) as journal:
        report = await prune(journal, keep_days=0, max_size_bytes=0, clock=clock)
        assert (report.runs, report.is_over_limit) == ([], True)
        assert (await prune(journal, runs=[run, run], clock=clock)).runs == [run]
        assert left(journal) == []
        with pytest.raises(NotInJournal):
            await journal.write(run, notice())


async def test_the_oldest_go_until_the_rest_fits(journal: Journal) -> None:
    runs = [await ended_run(journal) for _ in range(10)]
    size = journal.reader.size_bytes()
    report = await prune(journal, max_size_bytes=size - 3 * SIZE + 1000)
    assert report.runs == runs[:3]
    assert left(journal) == runs[3:]
    assert report.size_bytes == journal.reader.size_bytes() <= size - 3 * SIZE + 1000
    assert report.freed_bytes == size - report.size_bytes
    assert not report.is_over_limit


async def test_a_dry_run_says_what_would_go_and_deletes_nothing(journal: Journal) -> None:
    runs = [await ended_run(journal) for _ in range(RUNS_A_TRANSACTION + 5)]
    events = journal.reader.all_events()
    size = journal.reader.size_bytes()
    dry = await prune(journal, max_size_bytes=400_000, dry_run=True)
    assert dry.is_dry_run
    assert left(journal) == runs
    assert journal.reader.all_events() == events
    assert journal.reader.size_bytes() == size
    real = await prune(journal, max_size_bytes=400_000)
    assert (real.runs, real.is_dry_run) == (dry.runs, False)
    assert 0 < len(real.runs) < len(runs)


async def test_many_runs_go_in_several_transactions_and_all_go(journal: Journal) -> None:
    runs = [await ended_run(journal, content=b"x") for _ in range(3 * RUNS_A_TRANSACTION)]
    kept = await ended_run(journal, content=b"x")
    report = await prune(journal, runs=runs)
    assert report.runs == runs
    assert left(journal) == [kept]


async def test_an_artifact_goes_with_the_last_run_that_names_it(journal: Journal) -> None:
    first = await ended_run(journal, content=b"shared")
    second = await ended_run(journal, content=b"shared")
    await prune(journal, runs=[first])
    assert journal.reader.artifact(digest_of(b"shared")) == b"shared"
    await prune(journal, runs=[second])
    with pytest.raises(NotInJournal):
        journal.reader.artifact(digest_of(b"shared"))


async def test_an_artifact_that_no_event_names_goes_with_the_next_pruning(journal: Journal) -> None:
    run = await journal.create_run(begun())
    await journal.write(run, artifacts=[b"unnamed"])
    await prune(journal)
    with pytest.raises(NotInJournal):
        journal.reader.artifact(digest_of(b"unnamed"))


async def test_numbers_are_never_given_twice(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await ended_run(journal)
        last = journal.reader.all_events()[-1][0]
        await prune(journal, runs=[run])
        assert journal.reader.all_events() == []
    async with open_journal(home, holder="test") as journal:
        await ended_run(journal)
        assert [number for number, _ in journal.reader.all_events()] == [last + 1, last + 2, last + 3]


async def test_nothing_of_a_pruned_run_is_left_in_the_file(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await ended_run(journal)
        before = journal.reader.size_bytes()
        await prune(journal, runs=[run])
    with database(home) as file:
        for table in ("events", "runs", "steps", "uses", "ids", "artifacts"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        assert file.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert (home / "journal.db").stat().st_size < before - SIZE + 10_000


async def test_a_run_that_is_being_worked_on_is_refused_and_nothing_else_deleted(journal: Journal) -> None:
    ended = await ended_run(journal)
    working = await journal.create_run(begun())
    with pytest.raises(RunStateError, match="being worked on"):
        await prune(journal, runs=[ended, working])
    with pytest.raises(NotInJournal, match="nothing was deleted"):
        await prune(journal, runs=[ended, "nothing"])
    assert left(journal) == [ended, working]


async def test_a_journal_over_its_limit_is_pruned_on_opening_and_says_so(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        runs = [await ended_run(journal) for _ in range(10)]
        assert journal.pruned is None
        size = journal.reader.size_bytes()
    async with open_journal(home, holder="test", max_size_bytes=size) as journal:
        assert journal.pruned is not None
        assert journal.pruned.runs == []
    async with open_journal(home, holder="test", max_size_bytes=size - SIZE + 10_000) as journal:
        assert journal.pruned is not None
        assert journal.pruned.runs == runs[:1]
        assert left(journal) == runs[1:]


def test_a_report_tells_what_was_freed_and_what_is_left() -> None:
    report = PruneReport(["a"], 1_500_000, 22_000_000, is_dry_run=False, is_over_limit=False)
    assert str(report) == "1.5 MB freed, 22.0 MB left"
    over = PruneReport([], 0, 22_000_000, is_dry_run=False, is_over_limit=True)
    assert str(over) == "0.0 MB freed, 22.0 MB left, which is over the limit"
