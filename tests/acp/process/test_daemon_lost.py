"""The daemon is killed, and front ends get over it: answers for what was open, a new daemon, runs that go on."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from naestro.types import RunStatus
from tests.acp.process.stage import Stage
from tests.acp.process.wire import FrontEnd, front_end
from tests.support.answers import say_tokens
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import proposes

pytestmark = pytest.mark.anyio

PROMPT = "What does add in calc.py do?"
FRONT_ENDS = 10


async def test_a_daemon_killed_in_mid_prompt_leaves_no_request_and_no_run_behind(
    own_stage: Stage, answering: ScriptedServer
) -> None:
    workspace = own_stage.workspace()
    answering.when(proposes, say_tokens(20, stall_after=5))
    async with front_end(own_stage) as agent:
        await agent.initialize()
        session = await agent.new(workspace)
        prompt = await agent.begin_prompt(session, PROMPT)
        run = await agent.run()
        await answering.until(lambda: [chat.pieces_sent for chat in answering.chats] == [6, 6], 60)
        killed = kill_daemon(own_stage)
        error = (await agent.answer(prompt))["error"]
        assert error["code"] == -32603
        assert error["data"]["run"] == run
        answering.release()
        await own_stage.reaches(run, RunStatus.FINISHED)
        assert own_stage.daemon not in (None, killed)
        assert (await _resumed(agent, session, workspace))["stopReason"] == "end_turn"


async def _resumed(agent: FrontEnd, session: str, workspace: Path) -> dict:
    """The outcome of another prompt in the session; a client may have to resume it first."""
    again = await agent.ask("session/resume", sessionId=session, cwd=str(workspace), mcpServers=[])
    assert "result" in again
    prompt = await agent.begin_prompt(session, "And why?")
    return (await agent.answer(prompt))["result"]


async def test_a_session_is_usable_at_once_after_the_daemon_was_lost(
    own_stage: Stage, answering: ScriptedServer
) -> None:
    async with front_end(own_stage) as agent:
        await agent.initialize()
        session = await agent.new(own_stage.workspace())
        kill_daemon(own_stage)
        prompt = await agent.begin_prompt(session, PROMPT)
        answer = await agent.answer(prompt)
        if "error" in answer:  # it was on its way when the daemon died
            answer = await agent.answer(await agent.begin_prompt(session, PROMPT))
        assert answer["result"]["stopReason"] == "end_turn"


async def test_ten_front_ends_at_once_have_one_daemon(own_stage: Stage, answering: ScriptedServer) -> None:
    workspace = own_stage.workspace()
    turns: list[str] = []

    async def one() -> None:
        async with front_end(own_stage) as agent:
            await agent.initialize()
            prompt = await agent.begin_prompt(await agent.new(workspace), PROMPT)
            turns.append((await agent.answer(prompt))["result"]["stopReason"])

    async with anyio.create_task_group() as tasks:
        for _ in range(FRONT_ENDS):
            tasks.start_soon(one)
    assert turns == ["end_turn"] * FRONT_ENDS
    assert own_stage.processes() == [own_stage.daemon]
    assert own_stage.log().count("The daemon is ready") == 1


async def test_all_front_ends_of_a_killed_daemon_find_one_new_one(
    own_stage: Stage, answering: ScriptedServer
) -> None:
    workspace = own_stage.workspace()
    async with front_end(own_stage) as first, front_end(own_stage) as second, front_end(own_stage) as third:
        agents = [first, second, third]
        for agent in agents:
            await agent.initialize()
        killed = kill_daemon(own_stage)
        await own_stage.daemon_is_gone()
        for agent in agents:
            answer = await agent.ask("session/list")
            # What was on its way when the daemon died is answered by an error; what comes after it is not.
            assert "result" in answer or answer["error"]["code"] == -32603
            assert await agent.new(workspace)
        assert own_stage.daemon not in (None, killed)
        assert own_stage.log().count("The daemon is ready") == 2


async def test_a_stopped_daemon_parks_its_run_and_the_next_one_goes_on_with_it(
    own_stage: Stage, answering: ScriptedServer
) -> None:
    workspace = own_stage.workspace()
    answering.when(proposes, say_tokens(20, stall_after=5))
    (own_stage.home / "config.toml").write_text(
        (own_stage.home / "config.toml").read_text() + "[daemon]\ndrain_s = 0\n"
    )
    async with front_end(own_stage) as agent:
        await agent.initialize()
        prompt = await agent.begin_prompt(await agent.new(workspace), PROMPT)
        run = await agent.run()
        await answering.until(lambda: answering.open_chats == 2, 60)
        assert own_stage.daemon is not None
        os.kill(own_stage.daemon, signal.SIGTERM)
        answer = await agent.answer(prompt)
        assert "error" in answer or answer["result"]["stopReason"] != "end_turn"
        await own_stage.daemon_is_gone()
        assert own_stage.status(run) is RunStatus.STOPPED
        answering.release()
        assert "result" in await agent.ask("session/list")
        await own_stage.reaches(run, RunStatus.FINISHED)


def kill_daemon(stage: Stage) -> int:
    """Kill the daemon; the id that it had."""
    pid = stage.daemon
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid
