"""The client in this process, held to what `naestro.client.api` promises, over a real journal and small flows."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from naestro.client.api import Client
from naestro.errors import InputError, JournalUnwritable, NotInJournal, RunStateError
from naestro.runs.attempt import Attempt
from naestro.runs.feed import BUFFER_ITEMS
from naestro.runs.run import Run
from naestro.types import Delta, Event, Origin, RunStarted, RunStatus, StepStarted, Usage
from tests.client.stage import (
    ENGINE,
    Flows,
    Gate,
    asking,
    behind,
    client_in,
    command,
    numbers,
    result,
    resumed,
    until,
    watched,
)
from tests.runs.flows import Text, calls, full_disk, spec

pytestmark = pytest.mark.anyio


async def test_a_run_is_followed_from_its_first_event_to_its_last(client: Client, flows: Flows) -> None:
    run = await client.start(command("short", seed=5))
    items = await watched(client, run)
    assert numbers(items) == list(range(1, len(numbers(items)) + 1))
    first, last = items[0], items[-1]
    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert first.data == RunStarted(
        "explain", {"text": "short"}, "/w", Origin.HTTP, {"council": {"proposers": 1}}, 5
    )
    assert last.type == "run.finished"
    assert flows.closed == ["short"]
    assert [info.status for info in await client.runs()] == [RunStatus.FINISHED]
    assert await client.runs(workspace="/elsewhere") == []


async def test_text_reaches_a_follower_before_it_is_recorded(client: Client, flows: Flows) -> None:
    started, shown = anyio.Event(), anyio.Event()

    async def talk(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("much")) as call:
            await started.wait()
            call.token("live")
            await shown.wait()
            await call.finish(Text("live"), Usage())
        return "live"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("one"), talk, str))

    flows.by_text["talk"] = flow
    run = await client.start(command("talk"))
    async with client.events(run) as events:
        async for item in events:
            if isinstance(item, Delta):
                assert (item.run, item.step, item.text) == (run, "one", "live")
                shown.set()
            elif item.type == "call.started":
                started.set()
    assert shown.is_set()


async def test_following_from_the_middle_gives_the_rest_and_after_the_end_too(client: Client) -> None:
    run = await client.start(command("short"))
    whole = numbers(await watched(client, run))
    assert numbers(await watched(client, run, after=4)) == whole[4:]
    assert await client.history(run, after=len(whole) - 1) == (await client.history(run))[-1:]
    assert await watched(client, run, after=len(whole)) == []
    assert await watched(client, "no such run") == []


async def test_a_follower_who_has_seen_more_than_there_is_still_comes_to_the_end(
    client: Client, flows: Flows
) -> None:
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    run = await client.start(command("slow"))
    gate.goes.set()
    assert numbers(await watched(client, run, after=10_000)) == []
    assert (await client.get(run)).status is RunStatus.FINISHED


async def test_a_wrong_command_starts_nothing(client: Client) -> None:
    with pytest.raises(InputError, match="'dance'"):
        await client.start(command("short", name="dance"))
    assert await client.runs() == []
    with pytest.raises(NotInJournal):
        await client.get("last")
    assert await client.engines("/w") == [ENGINE]


async def test_a_seed_is_drawn_where_none_is_given(client: Client) -> None:
    seeds = set()
    for _ in range(3):
        first = (await client.history(await client.start(command("short"))))[0]
        assert isinstance(first.data, RunStarted)
        seeds.add(first.data.seed)
    assert len(seeds) == 3


async def test_a_slow_reader_loses_no_event(client: Client, flows: Flows) -> None:
    started = anyio.Event()

    async def talk(attempt: Attempt) -> str:
        async with attempt.call("engine", Text("much")) as call:
            await started.wait()
            for number in range(BUFFER_ITEMS + 500):
                call.token(f" {number}")
                if number % 500 == 0:
                    await anyio.lowlevel.checkpoint()
            await call.finish(Text("said"), Usage())
        return "said"

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("one"), talk, str))

    flows.by_text["much"] = flow
    run = await client.start(command("much"))
    async with client.events(run) as events:
        seen = [await anext(events)]
        await until(client, run, lambda event: event.type == "call.started")
        started.set()
        await until(client, run, lambda event: event.type == "run.finished")
        seen += [item async for item in events]
    assert numbers(seen) == [event.seq for event in await client.history(run)]


async def test_two_runs_work_at_once_and_are_followed_apart(client: Client, flows: Flows) -> None:
    gate, other = Gate("left"), Gate("right")
    flows.by_text |= {"left": behind(gate), "right": behind(other)}
    left, right = await client.start(command("left")), await client.start(command("right"))
    await gate.came.wait()
    await other.came.wait()
    other.goes.set()
    assert {item.run for item in await watched(client, right)} == {right}
    assert (await client.get(left)).status is RunStatus.RUNNING
    gate.goes.set()
    assert {item.run for item in await watched(client, left)} == {left}


async def test_a_cancelled_run_is_recorded_when_cancel_returns_and_can_be_resumed(
    client: Client, flows: Flows
) -> None:
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    run = await client.start(command("slow"))
    await gate.came.wait()
    with pytest.raises(RunStateError, match="being worked on"):
        await client.resume(run)
    await client.cancel(run, "enough")
    assert (await client.history(run))[-1].type == "run.cancelled"
    with pytest.raises(RunStateError, match="Nobody works"):
        await client.cancel(run, "again")
    gate.goes.set()
    last = (await client.get(run)).last_seq
    assert await client.resume(run[:24]) == run
    items = await watched(client, run, after=last)
    assert numbers(items)[0] == last + 1
    assert isinstance(items[-1], Event)
    assert items[-1].type == "run.finished"
    assert gate.tries == 2
    with pytest.raises(RunStateError, match="has finished"):
        await client.resume(run)


async def test_a_parked_run_is_no_cancelled_one(client: Client, flows: Flows) -> None:
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    run = await client.start(command("slow"))
    await gate.came.wait()
    await client.park(run)
    assert (await client.get(run)).status is RunStatus.STOPPED
    with pytest.raises(RunStateError, match="Nobody works"):
        await client.park(run)


async def test_leaving_the_client_parks_what_works(tmp_path: Path, flows: Flows) -> None:
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    async with client_in(tmp_path, flows) as client:
        run = await client.start(command("slow"))
        await gate.came.wait()
    async with client_in(tmp_path, flows) as client:
        assert (await client.history(run))[-1].type == "run.stopped"


async def test_a_question_is_answered_at_once_or_after_a_restart(tmp_path: Path, flows: Flows) -> None:
    flows.by_text["ask"] = asking
    async with client_in(tmp_path, flows) as client:
        first, second = await client.start(command("ask")), await client.start(command("ask"))
        for run in (first, second):
            await until(client, run, lambda event: event.type == "interrupt.opened")
        assert (await client.get(second)).status is RunStatus.WAITING
        with pytest.raises(InputError, match="'up'"):
            await client.respond(first, "which", "up", by="me")
        await client.respond(first, "which", "left", by="me")
        assert isinstance((await watched(client, first))[-1], Event)
        assert (await client.get(first)).status is RunStatus.FINISHED
    async with client_in(tmp_path, flows) as client:
        await client.respond(second, "which", "right", by="me")
        assert await result(client, await resumed(client, second)) == b'{"text":"right"}'


async def test_a_patch_reaches_a_run_that_works(client: Client, flows: Flows) -> None:
    gate = Gate()
    flows.by_text["slow"] = behind(gate)
    run = await client.start(command("slow"))
    await gate.came.wait()
    gate.came = anyio.Event()
    assert await client.patch(run, "one", "output", '"patched"', by="me") == 2
    await gate.came.wait()
    gate.goes.set()
    await watched(client, run)
    last = [event for event in await client.history(run) if event.step == "two"][-2]
    assert isinstance(last.data, StepStarted)
    assert last.data.reads == {"one": 2}
    assert gate.tries == 2


async def test_an_input_is_patched_and_a_step_run_again(client: Client, flows: Flows) -> None:
    async def work(attempt: Attempt) -> str:
        return (await attempt.given("prompt", "as it was")).upper()

    async def flow(run: Run) -> Text:
        return Text(await run.step(spec("one"), work, str))

    flows.by_text["given"] = flow
    run = await client.start(command("given"))
    await watched(client, run)
    assert await client.patch(run, "one", "prompt", "as it is now", by="me") == 2
    assert await result(client, await resumed(client, run)) == b'{"text":"AS IT IS NOW"}'
    assert await client.rerun(run, "one", by="me") == 3
    assert await result(client, await resumed(client, run)) == b'{"text":"AS IT IS NOW"}'


async def test_a_fork_and_a_replay_are_runs_of_their_own_that_can_be_compared(
    client: Client, flows: Flows
) -> None:
    run = await client.start(command("short"))
    await watched(client, run)
    forked = await client.fork(run, at="two")
    assert (await client.get(forked)).forked_from == run
    await client.resume(forked)
    await watched(client, forked)
    again = await client.replay(run)
    await watched(client, again)
    assert await client.compare(run, again) == []
    flows.by_text["short"] = asking_nothing
    other = await client.replay(run)
    await watched(client, other)
    assert {one.step for one in await client.compare(run, other)} >= {"two"}


async def asking_nothing(run: Run) -> Text:
    return Text(await run.step(spec("one"), calls("hello", "world"), str))


async def test_undo_says_that_a_run_changed_no_file(client: Client) -> None:
    run = await client.start(command("short"))
    await watched(client, run)
    with pytest.raises(RunStateError, match="no patch that could be undone"):
        await client.undo("last", by="me")


async def test_a_journal_that_cannot_be_written_is_told_to_who_follows_and_ends_no_other_run(
    tmp_path: Path, flows: Flows
) -> None:
    gate, other = Gate("x" * 100_000), Gate()
    flows.by_text |= {"slow": behind(gate), "other": behind(other)}
    async with client_in(tmp_path, flows) as client:
        await client.start(command("other"))
        run = await client.start(command("slow"))
        await gate.came.wait()
        await other.came.wait()
        with full_disk(tmp_path):
            gate.goes.set()
            with pytest.raises(JournalUnwritable):
                await watched(client, run)
        assert client.working == [one for one in client.working if one != run]
        assert len(client.working) == 1
        other.goes.set()
        assert numbers(await watched(client, client.working[0]))
    async with client_in(tmp_path, flows) as client:
        assert (await client.get(run)).status is RunStatus.STOPPED
        await client.resume(run)
        await watched(client, run)
        assert (await client.get(run)).status is RunStatus.FINISHED
