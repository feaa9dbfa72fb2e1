"""The client goes in mid-prompt, in whatever way: its front end ends at once, no child is left, and the run goes on."""

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from naestro.types import RunStatus
from tests.acp.process.stage import Stage
from tests.acp.process.wire import FrontEnd, front_end
from tests.support.answers import say_tokens
from tests.support.processes import children
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import proposes

pytestmark = pytest.mark.anyio

Going = Callable[[FrontEnd], Awaitable[None]]
PROMPT = "What does add in calc.py do?"


async def _end_of_file(agent: FrontEnd) -> None:
    await agent.close()


async def _terminated(agent: FrontEnd) -> None:
    agent.kill(signal.SIGTERM)


async def _killed(agent: FrontEnd) -> None:
    agent.kill(signal.SIGKILL)


GOING = {"end of file": _end_of_file, "SIGTERM": _terminated, "SIGKILL": _killed}


@pytest.mark.parametrize("way", GOING)
async def test_the_front_end_ends_within_a_second_and_the_run_goes_on(
    stage: Stage, workspace: Path, answering: ScriptedServer, way: str
) -> None:
    answering.when(proposes, say_tokens(20, stall_after=5))
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.begin_prompt(await agent.new(workspace), PROMPT)
        run = await agent.run()
        await answering.until(lambda: [chat.pieces_sent for chat in answering.chats] == [6, 6], 60)
        assert children(agent.pid) == []
        await GOING[way](agent)
        await agent.gone()
    assert stage.status(run) is RunStatus.RUNNING
    assert answering.open_chats == 2
    answering.release()
    await stage.reaches(run, RunStatus.FINISHED)


@pytest.mark.parametrize("way", GOING)
async def test_a_client_may_go_before_it_said_hello(stage: Stage, way: str) -> None:
    async with front_end(stage) as agent:
        await GOING[way](agent)
        await agent.gone(60)


async def test_a_session_that_was_left_in_mid_prompt_is_there_again(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, say_tokens(20, stall_after=5))
    async with front_end(stage) as agent:
        await agent.initialize()
        session = await agent.new(workspace)
        await agent.begin_prompt(session, PROMPT)
        run = await agent.run()
        agent.kill(signal.SIGKILL)
        await agent.gone()
    async with front_end(stage) as again:
        await again.initialize()
        listed = (await again.ask("session/list", cwd=str(workspace)))["result"]["sessions"]
        assert [one["sessionId"] for one in listed] == [session]
        loaded = await again.ask("session/load", sessionId=session, cwd=str(workspace), mcpServers=[])
        assert "result" in loaded
        shown = [one["params"]["update"] for one in again.received if one.get("method") == "session/update"]
        assert [one["content"]["text"] for one in shown if one["sessionUpdate"] == "user_message_chunk"] == [
            PROMPT
        ]
        answering.release()
        with anyio.fail_after(60):
            while "adds two numbers" not in _said(again) and "19" not in _said(again):
                await again.read()
        await stage.reaches(run, RunStatus.FINISHED)


def _said(agent: FrontEnd) -> str:
    updates = [one["params"]["update"] for one in agent.received if one.get("method") == "session/update"]
    return "".join(one["content"]["text"] for one in updates if one["sessionUpdate"] == "agent_message_chunk")


async def test_nobody_s_unread_stderr_holds_up_the_agent(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, say_tokens(3000))
    async with front_end(stage) as agent:
        await agent.initialize()
        prompt = await agent.begin_prompt(await agent.new(workspace), PROMPT)
        assert (await agent.answer(prompt))["result"]["stopReason"] == "end_turn"
