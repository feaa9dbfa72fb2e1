"""The proposers: blind, side by side, each with its own engine, temperature and seed; failures are dropped."""

from pathlib import Path

import anyio
import pytest

from naestro.council.verdict import Certainty, Proposal
from naestro.types import RunStatus, StepStarted
from tests.council.desk import JUDGE, PROPOSE, choose_text, council, desk_in, script
from tests.support.answers import fail, say, say_tokens, words_of
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio


async def test_each_proposer_has_its_own_engine_temperature_and_seed(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        script(one)
        script(two)
        async with desk_in(tmp_path, council(proposers=3), one.base_url, two.base_url) as desk:
            done = await desk.run("explain", text="calc.py")
            proposals = [await done.output(f"propose.{number}", Proposal) for number in (1, 2, 3)]
        asked = [chat for server in (one, two) for chat in server.chats if PROPOSE in chat.last]
    assert [proposal.engine for proposal in proposals] == ["one", "two", "one"]
    assert [proposal.temperature for proposal in proposals] == [0.35, 0.525, 0.7]
    assert len({proposal.seed for proposal in proposals}) == 3
    assert {chat.body["seed"] for chat in asked} == {proposal.seed for proposal in proposals}
    assert len({chat.last for chat in asked}) == 1
    routes = [
        event.data.route for event in done.events if isinstance(event.data, StepStarted) and event.data.route
    ]
    assert sorted(routes)[:3] == ["any engine may", "any engine may", "any engine may"]
    assert "any engine may; seat 3 of 2 engines, so it sits again" in routes


async def test_the_same_seed_gives_the_same_requests(tmp_path: Path, scripted_server: ScriptedServer) -> None:
    async with desk_in(tmp_path, council(proposers=2), scripted_server.base_url) as desk:
        for seed in (1, 1, 2):
            await desk.execute(await desk.start("explain", {"text": "calc.py"}, seed), "explain")
    seeds = [chat.body["seed"] for chat in scripted_server.chats]
    assert sorted(seeds[:2]) == sorted(seeds[2:4]) != sorted(seeds[4:])


async def test_a_failed_proposer_is_dropped_and_the_result_says_so_first(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        script(one)
        two.otherwise(
            fail(500, {"error": {"message": "broken pipe in the basement", "type": "server_error"}})
        )
        settings = council(proposers=3)
        async with desk_in(
            tmp_path, settings, one.base_url, two.base_url, critic=["one"], synthesizer=["one"], judge=["one"]
        ) as desk:
            done = await desk.run("explain", text="calc.py")
            result = await done.result()
    assert done.steps["propose.2"] == "dropped"
    assert result.warnings[0].startswith("Given with less: propose.2 was dropped: ")
    assert "basement" in result.warnings[0]
    assert result.verdict.winner == "merged"


async def test_a_dropped_proposer_stays_dropped_when_the_run_is_taken_up_again(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        script(one)
        two.otherwise(fail(400, {"error": {"message": "no", "type": "invalid_request_error"}}))
        settings = council(proposers=3, approve="before_verdict")
        async with desk_in(
            tmp_path, settings, one.base_url, two.base_url, synthesizer=["one"], critic=["one"], judge=["one"]
        ) as desk:
            run = await desk.start("explain", {"text": "calc.py"})
            execution = desk.execution(run, "explain")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(execution.run)
                await desk.open_interrupt(run)
                execution.park()
            status = await desk.answering(run, "explain", "continue")
            done = await desk.done(run, status)
            result = await done.result()
        assert len(two.chats) == 1
    assert status is RunStatus.FINISHED
    assert result.warnings[0].startswith("Given with less: propose.2")
    assert len(done.history.step("propose.2").last.attempts) == 1


async def test_a_run_fails_where_every_proposer_fails(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(say_tokens(9, error_after=2))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
    assert done.status is RunStatus.FAILED
    assert done.history.fault is not None
    assert done.history.fault.code == "no_proposal"
    assert done.history.fault.message.startswith("All 2 proposers failed. propose.")
    assert done.steps == {"retrieve": "finished", "propose.1": "dropped", "propose.2": "dropped"}


async def test_a_proposer_that_says_nothing_is_dropped(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.then(say("  \n"), say("- (calc.py:1): it adds"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        result = await done.result()
    assert "one answered with nothing." in result.warnings[0]
    assert result.verdict.certainty is Certainty.ALONE


async def test_a_prompt_too_long_for_one_engine_goes_to_another(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        one.otherwise(words_of("llama.cpp", "context too long"))
        script(two)
        two.when(JUDGE, choose_text("variant"))
        settings = council(critics=0)
        async with desk_in(
            tmp_path,
            settings,
            one.base_url,
            two.base_url,
            flavour="llama.cpp",
            judge=["two"],
            synthesizer=["two"],
        ) as desk:
            done = await desk.run("explain", text="calc.py")
            result = await done.result()
            proposal = await done.output("propose.1", Proposal)
    assert proposal.engine == "two"
    step = done.history.step("propose.1")
    assert [attempt.engine for attempt in step.last.attempts] == ["one", "two"]
    assert step.route.startswith("takes the seat of one: ")
    assert result.warnings == []


async def test_a_task_larger_than_every_context_fails_before_any_call(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    async with desk_in(tmp_path, council(), scripted_server.base_url, context_tokens=2048) as desk:
        done = await desk.run("orchestrate", text="word " * 5000)
    assert done.history.fault is not None
    assert done.history.fault.code == "context_too_long"
    assert "the largest context, of one, holds 2048." in done.history.fault.message
    assert scripted_server.chats == []


async def test_a_run_without_any_engine_fails_and_says_what_to_do(tmp_path: Path) -> None:
    async with desk_in(tmp_path, council()) as desk:
        done = await desk.run("explain", text="calc.py")
    assert done.history.fault is not None
    assert done.history.fault.code == "no_engine"
    assert "naestro models pull" in done.history.fault.hint
