"""How a run ends: cancelled, parked, shut down, failed, or left because the journal or another owner says so."""

import logging
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from naestro.errors import (
    EngineOverloaded,
    JournalCorrupt,
    JournalUnwritable,
    NotInJournal,
    RunStateError,
    StaleAttempt,
)
from naestro.runs.attempt import Attempt
from naestro.runs.execution import Execution, execute
from naestro.runs.interrupts import rerun
from naestro.runs.journal import Journal
from naestro.runs.records import StepState
from naestro.runs.run import Run
from naestro.types import Delta, RunStatus, RunStopped
from tests.runs.flows import (
    WAIT_S,
    Stop,
    Text,
    calls,
    full_disk,
    gives,
    hang,
    history,
    journal_in,
    run_flow,
    spec,
    started,
    told,
    until,
)

pytestmark = pytest.mark.anyio


async def test_cancelling_reaches_the_coroutine_at_once_and_is_recorded(journal: Journal) -> None:
    run = await journal.create_run(started())
    ready = anyio.Event()
    execution = Execution(journal, run, lambda run: hang(run, spec("a"), ready))
    ended: list[RunStatus] = []

    async def keep() -> None:
        ended.append(await execution.run())

    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(keep)
            await ready.wait()
            execution.cancel("Not needed any more.")
    assert ended == [RunStatus.CANCELLED]
    assert told(journal, run) == [
        "run.started",
        "step.started a/1/1",
        "call.started a/1/1",
        "tokens a/1/1",
        "call.failed a/1/1",
        "run.cancelled",
    ]
    seen = history(journal, run)
    assert (seen.status, seen.reason) == (RunStatus.CANCELLED, "Not needed any more.")
    assert seen.step("a").last.calls[0].state == "cancelled"
    assert seen.step("a").state is StepState.INTERRUPTED
    assert journal.reader.run(run).status is RunStatus.CANCELLED


async def test_a_run_that_is_cancelled_before_it_begins_does_nothing(journal: Journal) -> None:
    made: list[str] = []
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        await anyio.lowlevel.checkpoint()
        return Text(await run.step(spec("a"), calls("x", log=made), str))

    execution = Execution(journal, run, flow)
    execution.cancel()
    execution.park()
    assert await execution.run() is RunStatus.CANCELLED
    assert (told(journal, run), made) == (["run.started", "run.cancelled"], [])


async def test_a_cancelled_run_can_be_resumed(journal: Journal) -> None:
    async def flow(run: Run) -> Text:
        await anyio.lowlevel.checkpoint()
        return Text("done")

    run = await journal.create_run(started())
    execution = Execution(journal, run, flow)
    execution.cancel()
    await execution.run()
    assert await execute(journal, run, flow) is RunStatus.FINISHED
    assert told(journal, run) == ["run.started", "run.cancelled", "run.resumed", "run.finished"]


async def test_being_shut_down_is_not_being_cancelled(home: Path) -> None:
    made: list[str] = []
    async with journal_in(home) as journal:
        run = await journal.create_run(started())
        ready = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(execute, journal, run, lambda run: hang(run, spec("a"), ready))
            await ready.wait()
            group.cancel_scope.cancel()
        assert told(journal, run)[-2:] == ["call.failed a/1/1", "run.stopped"]
        assert journal.reader.run(run).status is RunStatus.STOPPED

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("a"), calls("slow", log=made), str))

    async with journal_in(home) as journal:
        assert await execute(journal, run, flow) is RunStatus.FINISHED
        assert made == ["slow"]


async def test_a_parked_run_is_stopped_and_goes_on_later(journal: Journal) -> None:
    ready = anyio.Event()
    run = await journal.create_run(started())
    execution = Execution(journal, run, lambda run: hang(run, spec("a"), ready))
    ended: list[RunStatus] = []

    async def keep() -> None:
        ended.append(await execution.run())

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
        await ready.wait()
        execution.park("Nobody is there.")
    assert ended == [RunStatus.STOPPED]
    assert history(journal, run).reason == "Nobody is there."
    assert (
        await execute(journal, run, lambda run: run.step(spec("a"), gives(Text("x")), Text))
        is RunStatus.FINISHED
    )


async def test_a_run_that_is_set_aside_says_that_the_next_owner_goes_on(journal: Journal) -> None:
    run = await journal.create_run(started())
    execution = Execution(journal, run, lambda run: hang(run, spec("a"), anyio.Event()))
    execution.park("Shut down.", resumes=True)
    assert await execution.run() is RunStatus.STOPPED
    assert journal.reader.events(run)[-1].data == RunStopped("Shut down.", resumes=True)
    assert history(journal, run).waits_for_an_owner


async def test_a_shutdown_after_a_cancel_is_recorded_as_the_cancel(journal: Journal) -> None:
    run = await journal.create_run(started())
    ready = anyio.Event()
    execution = Execution(journal, run, lambda run: hang(run, spec("a"), ready))
    async with anyio.create_task_group() as group:
        group.start_soon(execution.run)
        await ready.wait()
        execution.cancel("Enough.")
        group.cancel_scope.cancel()
    assert told(journal, run)[-1] == "run.cancelled"


async def test_what_a_flow_returns_in_spite_of_a_cancel_is_its_result(journal: Journal) -> None:
    run = await journal.create_run(started())
    execution = Execution(journal, run, lambda run: finish_late(execution))
    assert await execution.run() is RunStatus.FINISHED


async def finish_late(execution: Execution) -> Text:
    execution.cancel()
    return Text("It was done already.")


async def test_an_error_while_a_flow_is_being_cancelled_does_not_hide_the_cancel(journal: Journal) -> None:
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        execution.cancel()
        try:
            await anyio.sleep_forever()
        finally:
            raise EngineOverloaded("Busy while closing.")

    execution = Execution(journal, run, flow)
    assert await execution.run() is RunStatus.CANCELLED


async def test_a_run_is_in_hand_once(journal: Journal) -> None:
    run = await journal.create_run(started())
    ready = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(execute, journal, run, lambda run: hang(run, spec("a"), ready))
        await ready.wait()
        with pytest.raises(RunStateError, match="being worked on already"):
            await execute(journal, run, lambda run: hang(run, spec("a"), ready))
        group.cancel_scope.cancel()


async def test_a_run_that_is_not_there_cannot_be_executed(journal: Journal) -> None:
    with pytest.raises(NotInJournal, match="No run nothing"):
        await execute(journal, "nothing", finish)


async def finish(run: Run) -> Text:
    return Text("done")


async def test_a_run_that_replays_a_run_that_is_gone_cannot_be_executed(journal: Journal) -> None:
    run = await journal.create_run(started(replay_of="gone"))
    with pytest.raises(NotInJournal, match="No run gone"):
        await execute(journal, run, finish)


async def test_a_run_made_by_an_owner_that_went_away_is_resumed(home: Path) -> None:
    async with journal_in(home) as journal:
        run = await journal.create_run(started())
    async with journal_in(home) as journal:
        assert await execute(journal, run, finish) is RunStatus.FINISHED
        assert told(journal, run) == ["run.started", "run.resumed", "run.finished"]


async def test_a_full_disk_stops_the_run_and_loses_nothing_that_was_shown(
    journal: Journal, home: Path
) -> None:
    made: list[str] = []

    async def flow(run: Run) -> Text:
        first = await run.step(spec("a"), calls("one", log=made), str)
        if len(made) == 1:
            with full_disk(home):
                await run.step(spec("b", "a"), calls("two", log=made), str)
        return Text(first + await run.step(spec("b", "a"), calls("three", log=made), str))

    run = await journal.create_run(started())
    with pytest.raises(JournalUnwritable):
        await execute(journal, run, flow)
    seen = history(journal, run)
    assert seen.step("a").state is StepState.FINISHED
    assert "b" not in seen.steps
    assert (seen.status, "cannot be written" in seen.reason) == (RunStatus.STOPPED, True)
    assert await execute(journal, run, flow) is RunStatus.FINISHED
    assert made == ["one", "two", "three"]


async def test_a_disk_that_is_full_in_mid_stream_ends_the_step_although_it_never_writes_itself(
    journal: Journal, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        async def work(attempt: Attempt) -> str:
            async with attempt.call("engine", Text("x")) as call:
                await until(journal, run.id, lambda seen: bool(seen.open_calls))
                stack.enter_context(full_disk(home))
                call.token("text " * 1000)
                await anyio.sleep_forever()
            raise AssertionError

        return Text(await run.step(spec("a"), work, str))

    with anyio.fail_after(WAIT_S), ExitStack() as stack, pytest.raises(JournalUnwritable):
        await execute(journal, run, flow)
    assert "left without a word" in caplog.text
    assert history(journal, run).step("a").last.calls[0].state == "open"


async def test_a_stale_owner_writes_nothing_more(home: Path) -> None:
    async with journal_in(home) as journal:
        run = await journal.create_run(started())

        async def flow(run: Run) -> Text:
            await run.step(spec("a"), gives("a"), str)
            take_over(home)
            return Text(await run.step(spec("b"), gives("b"), str))

        with pytest.raises(StaleAttempt, match="no longer owns the journal"):
            await execute(journal, run, flow)
        assert told(journal, run)[-1] == "step.finished a/1/1"


async def test_a_stale_owner_cannot_finish_the_run(home: Path) -> None:
    async with journal_in(home) as journal:
        run = await journal.create_run(started())

        async def flow(run: Run) -> Text:
            take_over(home)
            return Text("late")

        with pytest.raises(StaleAttempt, match="no longer owns the journal"):
            await execute(journal, run, flow)
        assert told(journal, run) == ["run.started"]


def take_over(home: Path) -> None:
    """What another owner does when the lock was lost, on a network folder for instance."""
    with closing(sqlite3.connect(home / "journal.db")) as other, other:
        other.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")


async def test_a_defect_is_logged_and_told_as_one(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    async def flow(run: Run) -> Text:
        raise Stop("a defect")

    with caplog.at_level(logging.ERROR):
        run, status = await run_flow(journal, flow)
    fault = history(journal, run).fault
    assert fault is not None
    assert (status, fault.code, fault.message) == (RunStatus.FAILED, "internal", "Stop: a defect")
    assert "a defect" in caplog.text


async def test_a_re_run_between_the_last_step_and_the_end_is_not_lost(journal: Journal) -> None:
    passes: list[int] = []

    async def flow(run: Run) -> Text:
        passes.append(await run.step(spec("a"), gives(1), int))
        if len(passes) == 1:
            with anyio.CancelScope(shield=True):
                await rerun(journal, run.id, "a", "me")
        return Text("done")

    run, status = await run_flow(journal, flow)
    assert status is RunStatus.FINISHED
    assert passes == [1, 1]
    assert told(journal, run)[-3:] == ["step.started a/2/1", "step.finished a/2/1", "run.finished"]


async def test_more_live_text_than_a_buffer_holds_loses_no_answer(journal: Journal) -> None:
    """The run's own watcher is thrown off the live feed, and reads on from the journal."""
    run = await journal.create_run(started())
    passes: list[int] = []

    async def flow(run: Run) -> Text:
        passes.append(await run.step(spec("a"), gives(len(passes)), int))
        if len(passes) == 1:
            await until(journal, run.id, lambda seen: seen.last_seq == 3)
            for _ in range(5000):
                journal.publish(Delta(run.id, "a", "a/1/1/1", "x"))
            await rerun(journal, run.id, "a", "me")
            await anyio.sleep_forever()
        return Text("done")

    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
    assert passes == [0, 1]


async def test_an_event_that_cannot_be_read_stops_the_run_with_the_cause(
    journal: Journal, home: Path
) -> None:
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        await run.notice("copied below")
        for _ in range(5000):
            journal.publish(Delta(run.id, "a", "a/1/1/1", "x"))
        with closing(sqlite3.connect(home / "journal.db")) as other, other:
            other.execute(
                "INSERT INTO events SELECT number + 1, run, seq + 1, time_ms, fence, type, step, revision, attempt, "
                "'{' FROM events WHERE type = 'notice'"
            )
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(WAIT_S), pytest.raises(JournalCorrupt):
        await execute(journal, run, flow)


async def test_a_run_that_ended_is_not_ended_again(journal: Journal) -> None:
    run, _ = await run_flow(journal, finish)
    await Execution(journal, run, finish)._leave(RunStopped("late"))
    assert told(journal, run)[-1] == "run.finished"


@pytest.mark.parametrize("end", ["return", "step", "fail"])
async def test_a_re_run_that_the_watcher_has_not_seen_yet_is_not_lost(journal: Journal, end: str) -> None:
    """The watcher is thrown off the live feed just before; the journal's own checks refuse what was overtaken."""
    passes: list[int] = []
    run = await journal.create_run(started())

    async def flow(run: Run) -> Text:
        passes.append(await run.step(spec("a"), gives(1), int))
        if len(passes) > 1:
            return Text("fresh")
        with anyio.CancelScope(shield=True):
            for _ in range(5000):
                journal.publish(Delta(run.id, "a", "a/1/1/1", "x"))
            await rerun(journal, run.id, "a", "me")
            if end == "step":
                await run.step(spec("b", "a"), gives(1), int)
            if end == "fail":
                raise EngineOverloaded("Busy.")
        return Text("stale")

    assert (await run_flow(journal, flow, run))[1] is RunStatus.FINISHED
    assert journal.reader.artifact(str(history(journal, run).result)) == b'{"text":"fresh"}'
    assert history(journal, run).step("a").revision == 2
