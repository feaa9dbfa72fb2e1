"""What `Journal.write` promises: numbers, times, artifacts, guards, group commit, and what becomes of the cancelled."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from naestro.errors import JournalError, NotInJournal, RunStateError, StaleAttempt
from naestro.runs.journal import AttemptGuard, Draft, Journal, digest_of
from naestro.types import Fault, Notice, RunStarted, StepFailed
from tests.runs.journals import Clock, begin_step, begun, commits, notice, open_journal, step_ends, texts

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Refusing:
    """A guard that refuses whatever it is asked."""

    error: Exception

    def check(self, tx: sqlite3.Connection) -> None:
        raise self.error


class Waiting:
    """A guard that keeps its transaction open until it is released."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self.release = threading.Event()

    def check(self, tx: sqlite3.Connection) -> None:
        self.wait()

    def wait(self) -> None:
        self._begun.set()
        assert self.release.wait(10)

    async def has_begun(self) -> None:
        assert await anyio.to_thread.run_sync(self._begun.wait, 10)


async def test_events_are_numbered_from_one_without_a_gap_in_each_run_and_over_all(journal: Journal) -> None:
    a = await journal.create_run(begun())
    b = await journal.create_run(begun())
    await journal.write(a, notice("1"), notice("2"))
    await journal.write(b, notice("3"))
    await journal.write(a, notice("4"))
    assert [event.seq for event in journal.reader.events(a)] == [1, 2, 3, 4]
    assert [event.seq for event in journal.reader.events(b)] == [1, 2]
    assert [(number, event.run) for number, event in journal.reader.all_events()] == [
        (1, a),
        (2, b),
        (3, a),
        (4, a),
        (5, b),
        (6, a),
    ]


async def test_a_write_returns_the_events_as_a_reader_finds_them(journal: Journal) -> None:
    run = await journal.create_run(begun())
    written = await journal.write(run, Draft(Notice("x"), step="propose.1", revision=2, attempt=3), notice())
    assert written == journal.reader.events(run, after=1)


async def test_a_run_is_created_together_with_its_first_events(journal: Journal) -> None:
    run = await journal.create_run(begun(), notice("at once"))
    assert [event.type for event in journal.reader.events(run)] == ["run.started", "notice"]


async def test_ids_sort_by_time_also_when_the_clock_goes_back_or_another_owner_goes_on(home: Path) -> None:
    clock = Clock()
    ids: list[str] = []
    for back_ms in (0, 0, 5_000, 0):
        clock.now_ms -= back_ms
        async with open_journal(home, holder="test", clock=clock) as journal:
            ids += [await journal.create_run(begun()) for _ in range(3)]
    assert ids == sorted(set(ids))
    assert {len(run) for run in ids} == {26}
    assert all(run == run.lower() and run.isalnum() for run in ids)


async def test_time_never_goes_back_within_a_run(home: Path) -> None:
    clock = Clock()
    async with open_journal(home, holder="test", clock=clock) as journal:
        run = await journal.create_run(begun())
        clock.now_ms -= 60_000
        [event] = await journal.write(run, notice())
        assert event.time == journal.reader.run(run).started == "2026-09-21T14:13:20.000Z"
        clock.now_ms += 60_001
        [event] = await journal.write(run, notice())
        assert event.time == journal.reader.run(run).updated == "2026-09-21T14:13:20.001Z"


async def test_an_artifact_is_stored_once_however_often_it_is_written(journal: Journal) -> None:
    run = await journal.create_run(begun())
    before = journal.reader.size_bytes()
    for number in range(20):
        await journal.write(run, step_ends(f"s{number}", b"x" * 100_000), artifacts=[b"x" * 100_000])
    assert journal.reader.artifact(digest_of(b"x" * 100_000)) == b"x" * 100_000
    assert journal.reader.size_bytes() - before < 300_000


async def test_artifacts_may_be_empty_or_not_text(journal: Journal) -> None:
    run = await journal.create_run(begun())
    assert await journal.write(run, artifacts=[b"", b"\x00\xff"]) == []
    assert journal.reader.artifact(digest_of(b"")) == b""
    assert journal.reader.artifact(digest_of(b"\x00\xff")) == b"\x00\xff"


async def test_a_refused_write_leaves_neither_event_nor_artifact(journal: Journal) -> None:
    run = await journal.create_run(begun())
    with pytest.raises(RunStateError, match="no"):
        await journal.write(run, notice(), artifacts=[b"lost"], guard=Refusing(RunStateError("no")))
    assert len(journal.reader.events(run)) == 1
    with pytest.raises(NotInJournal):
        journal.reader.artifact(digest_of(b"lost"))
    [event] = await journal.write(run, notice())
    assert event.seq == 2


async def test_a_run_whose_first_write_is_refused_can_begin_later(journal: Journal) -> None:
    with pytest.raises(RunStateError):
        await journal.write("run", Draft(begun()), guard=Refusing(RunStateError("no")))
    with pytest.raises(NotInJournal):
        await journal.write("run", notice())
    await journal.write("run", Draft(begun()))
    assert journal.reader.run("run").last_seq == 1


async def test_a_guard_that_fails_in_sqlite_fails_its_own_write_alone(journal: Journal) -> None:
    run = await journal.create_run(begun())
    failed: list[JournalError] = []

    async def refused() -> None:
        try:
            await journal.write(
                run, notice("refused"), guard=Refusing(sqlite3.OperationalError("no such table"))
            )
        except JournalError as error:
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.write, run, notice("before"))
        tasks.start_soon(refused)
        tasks.start_soon(journal.write, run, notice("after"))
    assert [error.message for error in failed] == [
        f"The journal {journal.home / 'journal.db'} could not do what was asked: no such table."
    ]
    assert texts(journal, run) == ["before", "after"]
    assert [number for number, _ in journal.reader.all_events()] == [1, 2, 3]


async def test_a_guard_sees_what_was_written_before_it_in_the_same_transaction(journal: Journal) -> None:
    run = await journal.create_run(begun())
    guard = AttemptGuard(run, "propose.1", 1, 1, journal.fence)
    async with hold_the_writer(journal) as release, anyio.create_task_group() as tasks:
        tasks.start_soon(begin_step, journal, run, "propose.1")
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(lambda: journal.write(run, step_ends("propose.1", b"x"), guard=guard))
        await anyio.lowlevel.checkpoint()
        release.set()
    assert [row.state for row in journal.reader.steps(run)] == ["finished"]


@pytest.mark.parametrize(
    "other",
    [
        {"step": "propose.2"},
        {"revision": 2},
        {"attempt": 2},
        {"fence": 99},
    ],
    ids=str,
)
async def test_an_attempt_guard_accepts_only_the_exact_attempt(
    journal: Journal, other: dict[str, object]
) -> None:
    run = await journal.create_run(begun())
    await begin_step(journal, run, "propose.1")
    place = {"run": run, "step": "propose.1", "revision": 1, "attempt": 1, "fence": journal.fence}
    with pytest.raises(StaleAttempt, match="too late"):
        await journal.write(run, notice(), guard=AttemptGuard(**(place | other)))  # pyright: ignore[reportArgumentType]
    await journal.write(run, notice(), guard=AttemptGuard(**place))


async def test_an_attempt_that_failed_gives_no_result_any_more(journal: Journal) -> None:
    run = await journal.create_run(begun())
    guard = await begin_step(journal, run, "propose.1")
    await journal.write(run, Draft(StepFailed(Fault("engine", "gone")), "propose.1", 1, 1), guard=guard)
    with pytest.raises(StaleAttempt):
        await journal.write(run, step_ends("propose.1", b"x"), guard=guard)


async def test_writes_that_wait_at_the_same_time_share_one_transaction(journal: Journal) -> None:
    runs = [await journal.create_run(begun()) for _ in range(20)]
    async with hold_the_writer(journal) as release:
        before = commits(journal.home)
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(journal.write, run, notice())
            await anyio.lowlevel.checkpoint()
            release.set()
    assert commits(journal.home) - before == 1


async def test_a_batch_is_bounded_and_the_rest_comes_next(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with hold_the_writer(journal) as release:
        before = commits(journal.home)
        async with anyio.create_task_group() as tasks:
            for number in range(600):
                tasks.start_soon(journal.write, run, notice(str(number)))
            await anyio.lowlevel.checkpoint()
            release.set()
    assert commits(journal.home) - before == 2
    assert texts(journal, run) == [str(number) for number in range(600)]


@pytest.mark.parametrize("moment", ["BEGIN IMMEDIATE", "COMMIT"])
async def test_a_write_that_comes_while_another_is_being_committed_is_kept(
    journal: Journal, moment: str
) -> None:
    run = await journal.create_run(begun())
    slow = Waiting()

    def wait_at_the_moment(statement: str) -> None:
        if statement == moment:
            slow.wait()

    await journal.apply(lambda tx: tx.set_trace_callback(wait_at_the_moment))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.write, run, notice("first"))
            await slow.has_begun()
            tasks.start_soon(journal.write, run, notice("second"))
            await anyio.lowlevel.checkpoint()
            slow.release.set()
    assert texts(journal, run) == ["first", "second"]


async def test_whoever_was_told_that_a_write_is_durable_shares_the_next_transaction(journal: Journal) -> None:
    run = await journal.create_run(begun())
    slow = Waiting()

    async def write_twice() -> None:
        await journal.write(run, notice("one"), guard=slow)
        await journal.write(run, notice("three"))

    before = commits(journal.home)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write_twice)
        await slow.has_begun()
        tasks.start_soon(journal.write, run, notice("two"))
        await anyio.lowlevel.checkpoint()
        slow.release.set()
    assert texts(journal, run) == ["one", "two", "three"]
    assert commits(journal.home) - before == 2


async def test_a_write_that_was_queued_is_kept_although_its_caller_was_cancelled(journal: Journal) -> None:
    run = await journal.create_run(begun())
    async with hold_the_writer(journal) as release:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.write, run, notice("a"), notice("b"))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        release.set()
        await journal.write(run, notice("c"))
    assert texts(journal, run) == ["a", "b", "c"]


async def test_data_that_is_no_json_is_refused_before_it_is_queued(journal: Journal) -> None:
    broken = RunStarted("x", {"at": object()}, "/w", begun().origin, {}, 1)
    with pytest.raises(TypeError):
        await journal.create_run(broken)
    assert journal.reader.runs() == []


async def test_nothing_is_written_after_the_end(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())
    with pytest.raises(JournalError, match="closed"):
        await journal.write(run, notice())
    with pytest.raises(JournalError, match="closed"):
        await journal.rebuild()


async def test_an_error_of_the_block_comes_out_as_it_is(home: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        async with open_journal(home, holder="test"):
            raise ZeroDivisionError from KeyError("cause")
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_defect_in_a_guard_ends_the_journal_and_leaves_nobody_waiting(home: Path) -> None:
    async with open_journal(home, holder="test") as journal:
        run = await journal.create_run(begun())

    async def own_and_fail() -> None:
        async with open_journal(home, holder="test") as journal:
            with anyio.CancelScope(shield=True):
                await journal.write(run, notice(), guard=Refusing(ZeroDivisionError()))

    with pytest.raises(BaseExceptionGroup) as caught, anyio.fail_after(10):
        await own_and_fail()
    assert {type(error) for error in caught.value.exceptions} == {ZeroDivisionError, JournalError}
    async with open_journal(home, holder="test") as journal:
        assert len(journal.reader.events(run)) == 1


async def test_queries_run_in_a_worker_thread(journal: Journal) -> None:
    run = await journal.create_run(begun())
    assert await journal.read(journal.reader.events, run, 0) == journal.reader.events(run)
    assert await journal.read(threading.get_ident) != threading.get_ident()


class hold_the_writer:  # noqa: N801 -- reads as a context manager
    """Keep the writer's thread busy until the event that the block gets is set."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._job = Waiting()
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> threading.Event:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._journal.apply, self._job.check)
        await self._job.has_begun()
        return self._job.release

    async def __aexit__(self, *error: object) -> bool | None:
        self._job.release.set()
        return await self._tasks.__aexit__(*error)  # pyright: ignore[reportArgumentType]
