"""What the next process goes on with: runs that were set aside, and runs that were left without a word."""

import logging
from pathlib import Path

import anyio
import pytest

from naestro.client.local import TAKE_UP_AGE_MS, TAKE_UP_TRIES, LocalClient
from naestro.config import environment, load_settings
from naestro.errors import JournalError, NaestroError, RunStateError
from naestro.runs.clock import now_ms
from naestro.runs.drafts import Draft
from naestro.runs.journal import open_journal
from naestro.runs.run import Run
from naestro.types import RunResumed, RunStatus, RunStopped, StepFinished, Usage
from tests.client.stage import (
    WAIT_S,
    Flows,
    Gate,
    asking,
    behind,
    client_in,
    command,
    result,
    until,
    watched,
)
from tests.runs.flows import Text, after_crash, full_disk, started
from tests.runs.journals import database, notice, step_begins

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(flows: Flows) -> Gate:
    """Where the second step of the command `slow` waits."""
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    return gate


async def begun(client: LocalClient, gate: Gate) -> str:
    """A run that waits at the gate."""
    gate.came = anyio.Event()
    run = await client.start(command("slow"))
    await gate.came.wait()
    return run


async def test_a_run_that_was_cut_off_goes_on_from_its_last_finished_step(
    tmp_path: Path, flows: Flows, gate: Gate
) -> None:
    async with client_in(tmp_path / "a", flows) as client:
        run = await begun(client, gate)
        crashed = after_crash(tmp_path / "a", tmp_path / "b")
    gate.goes.set()
    async with client_in(crashed, flows) as client:
        assert await client.take_up() == [run]
        assert await result(client, await watched(client, run)) == b'{"text":"passed"}'
        events = await client.history(run)
        assert [event.step for event in events if event.type == "step.finished"] == ["one", "two"]
        assert await client.take_up() == []
    assert gate.tries == 2


async def test_a_run_that_never_came_to_its_first_step_is_taken_up_and_a_fork_is_not(
    tmp_path: Path, flows: Flows
) -> None:
    async with open_journal(tmp_path, holder="test") as journal:
        fresh = await journal.create_run(started(task={"text": "short"}))
        await journal.create_run(started(task={"text": "short"}, forked_from=fresh))
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == [fresh]
        await watched(client, fresh)
        assert (await client.get(fresh)).status is RunStatus.FINISHED


async def test_a_run_that_was_shut_down_goes_on_with_the_next_process(
    tmp_path: Path, flows: Flows, gate: Gate
) -> None:
    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        assert client.working == [run]
        await client.shut_down(0)
        assert client.working == []
        stopped = (await client.history(run))[-1].data
        assert stopped == RunStopped("Naestro was shut down; the run goes on with the next start.", True)
        assert (await client.get(run)).status is RunStatus.STOPPED
    gate.goes.set()
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == [run]
        assert await result(client, await watched(client, run)) == b'{"text":"passed"}'


async def test_shutting_down_lets_a_run_finish_in_its_time(tmp_path: Path, flows: Flows, gate: Gate) -> None:
    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.shut_down, WAIT_S)
            gate.goes.set()
        assert (await client.get(run)).status is RunStatus.FINISHED


async def test_a_run_that_waits_for_a_person_holds_no_shutdown_up_and_waits_again(
    tmp_path: Path, flows: Flows
) -> None:
    flows.by_text["ask"] = asking
    async with client_in(tmp_path, flows) as client:
        run = await client.start(command("ask"))
        await until(client, run, lambda event: event.type == "interrupt.opened")
        await client.shut_down(10 * WAIT_S)
        assert (await client.history(run))[-1].type == "run.stopped"
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == [run]
        await client.respond(run, "which", "left", by="me")
        assert await result(client, await watched(client, run)) == b'{"text":"left"}'


async def test_nothing_begins_while_it_is_being_shut_down(tmp_path: Path, flows: Flows, gate: Gate) -> None:
    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        await client.park(run)
        done = await client.start(command("short"))
        await watched(client, done)
        await client.shut_down(0)
        for begin in (client.start(command("short")), client.resume(run), client.replay(done)):
            with pytest.raises(RunStateError, match="being shut down"):
                await begin
        assert {info.id for info in await client.runs()} == {run, done}


async def test_a_run_that_a_person_parked_or_cancelled_is_left_alone(
    tmp_path: Path, flows: Flows, gate: Gate
) -> None:
    async with client_in(tmp_path, flows) as client:
        parked, cancelled, both = [await begun(client, gate) for _ in range(3)]
        await client.park(parked)
        await client.cancel(cancelled, "enough")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.cancel, both, "enough")
            tasks.start_soon(client.shut_down, 0)
        await watched(client, both)
        assert (await client.get(both)).status is RunStatus.CANCELLED
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == []


async def test_a_run_whose_last_event_is_old_is_left_alone(tmp_path: Path, flows: Flows) -> None:
    async with open_journal(
        tmp_path, holder="test", clock=lambda: now_ms() - TAKE_UP_AGE_MS - 1000
    ) as journal:
        await journal.create_run(started(task={"text": "short"}))
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == []


async def test_a_run_that_ends_the_process_each_time_is_not_taken_up_for_ever(
    tmp_path: Path, flows: Flows, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(tmp_path, holder="test") as journal:
        run = await journal.create_run(started(task={"text": "short"}))
        for fence in range(TAKE_UP_TRIES):
            await journal.write(run, Draft(RunResumed(fence)))
    async with client_in(tmp_path, flows) as client:
        with caplog.at_level(logging.WARNING):
            assert await client.take_up() == []
        assert "in vain" in caplog.text
        journal = client._journal
        finished = StepFinished("0" * 64, Usage(), 1)
        await journal.write(run, step_begins("x"), Draft(finished, "x", 1, 1))
        assert await client.take_up() == [run]
        await watched(client, run)


async def test_a_run_that_cannot_be_read_keeps_no_other_from_going_on(
    tmp_path: Path, flows: Flows, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(tmp_path, holder="test") as journal:
        broken = await journal.create_run(started(task={"text": "short"}))
        await journal.write(broken, notice("x"))
        sound = await journal.create_run(started(task={"text": "short"}))
    with database(tmp_path) as file:
        file.execute("UPDATE events SET data = '{' WHERE type = 'notice'")
    async with client_in(tmp_path, flows) as client:
        assert await client.take_up() == [sound]
        await watched(client, sound)
    assert f"The run {broken} cannot be taken up" in caplog.text


async def test_a_defect_beside_the_flow_ends_that_run_alone(
    tmp_path: Path, flows: Flows, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal's own thread meets an error that is none of the tree."""
    async with client_in(tmp_path, flows) as client:
        other = await begun(client, gate)
        flows.by_text["odd"] = odd_result
        run = await client.start(command("odd"))
        with pytest.raises(NaestroError, match="ended by a defect"):
            await watched(client, run)
        assert client.working == [other]
        gate.goes.set()
        assert await result(client, await watched(client, other)) == b'{"text":"passed"}'
    assert f"Work on the run {run} ended by a defect" in caplog.text


async def odd_result(run: Run) -> Text:
    """A result that cannot be encoded: found after the flow has ended."""
    return Text(object())  # pyright: ignore[reportArgumentType]  # that is the defect


async def test_a_cancel_that_cannot_be_recorded_says_so(tmp_path: Path, flows: Flows, gate: Gate) -> None:
    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        with full_disk(tmp_path), pytest.raises(JournalError):
            await client.cancel(run, "x" * 200_000)
        assert client.working == []


async def test_two_who_resume_a_run_at_once_make_one_work_on_it(
    tmp_path: Path, flows: Flows, gate: Gate
) -> None:
    refused: list[RunStateError] = []

    async def resume(client: LocalClient, run: str) -> None:
        try:
            await client.resume(run)
        except RunStateError as error:
            refused.append(error)

    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        await client.park(run)
        gate.goes.set()
        last = (await client.get(run)).last_seq
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(resume, client, run)
        await watched(client, run, last)
        types = [event.type for event in await client.history(run, last)]
    assert len(refused) == 2
    assert (types.count("run.resumed"), types[-1]) == (1, "run.finished")


async def test_a_shutdown_goes_on_when_the_journal_cannot_say_who_waits(
    tmp_path: Path, flows: Flows, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_in(tmp_path, flows) as client:
        run = await begun(client, gate)
        with database(tmp_path) as file:
            file.execute("UPDATE runs SET usage = '{'")
        await client.shut_down(0)
        assert client.working == []
    assert f"Whether the run {run} waits cannot be read" in caplog.text


async def test_runs_that_were_taken_up_have_the_environment_of_the_process(
    tmp_path: Path, flows: Flows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_journal(tmp_path, holder="test") as journal:
        run = await journal.create_run(started(task={"text": "env"}))

    async def flow(run: Run) -> Text:
        return Text(str(load_settings(None).settings.council.proposers))

    flows.by_text["env"] = flow
    monkeypatch.setenv("NAESTRO_COUNCIL__PROPOSERS", "6")
    async with client_in(tmp_path, flows) as client:
        with environment({}):
            assert await client.take_up() == [run]
        assert await result(client, await watched(client, run)) == b'{"text":"6"}'
