"""A prompt is cancelled at once in whatever phase it is, the engine stops, and the session goes on."""

from pathlib import Path

import anyio
import pytest

from tests.acp.process.stage import Stage
from tests.acp.process.typescript import Person, TypeScriptClient, typescript_client
from tests.acp.process.wire import front_end
from tests.support.answers import Answer, say, say_tokens
from tests.support.request_log import Received
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("npm_clients")]

PROMPT = "What does add in calc.py do?"


def _schema(request: Received) -> dict:
    return request.body.get("response_format", {}).get("json_schema", {}).get("schema", {})


def _is_critic(request: Received) -> bool:
    return "findings" in _schema(request).get("properties", {})


def _is_judge(request: Received) -> bool:
    return "best" in _schema(request).get("properties", {})


HANGS = {
    "before a word was said": (proposes, Answer(stall_after=-1)),
    "while proposals stream": (proposes, say_tokens(50, stall_after=5)),
    "in the critique": (_is_critic, Answer(stall_after=-1)),
    "while the judge thinks": (_is_judge, Answer(stall_after=0)),
}


@pytest.mark.parametrize("phase", HANGS)
async def test_cancel_ends_the_turn_and_the_engine_s_work(
    stage: Stage, workspace: Path, answering: ScriptedServer, phase: str
) -> None:
    condition, hang = HANGS[phase]
    answering.when(condition, hang)
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, PROMPT)
        await answering.until(lambda: any(condition(chat) for chat in answering.chats), 60)
        await client.notify("session/cancel", sessionId=session)
        assert (await prompt.answer())["stopReason"] == "cancelled"
        await answering.until(lambda: not answering.open_chats)
        answering.when(
            condition, "The function adds (calc.py:4-6)." if condition is proposes else answer_schema
        )
        assert (await client.prompt(session, PROMPT))["stopReason"] == "end_turn"


async def test_cancel_while_a_person_is_asked_withdraws_the_question(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    person = Person(hesitates=anyio.Event())
    async with typescript_client(stage, person=person) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, "/orchestrate Mend add in calc.py.")
        await client.until(lambda: person.asked)
        person.allows = "cancelled"
        await client.notify("session/cancel", sessionId=session)
        person.hesitates.set() if person.hesitates else None
        assert (await prompt.answer())["stopReason"] == "cancelled"
    assert "left - right" in (workspace / "calc.py").read_text()


async def test_cancel_reaches_a_prompt_that_waits_its_turn(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, Answer(stall_after=-1))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompts = [await client.ask_prompt(session, text) for text in (PROMPT, "And why?")]
        await answering.until(lambda: bool(answering.chats), 60)
        await client.notify("session/cancel", sessionId=session)
        for prompt in prompts:
            assert (await prompt.answer())["stopReason"] == "cancelled"


async def test_a_request_is_cancelled_by_its_id(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, Answer(stall_after=-1))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, PROMPT)
        await answering.until(lambda: bool(answering.chats), 60)
        await client.abort(prompt)
        await _is_cancelled(client, prompt)
        await answering.until(lambda: not answering.open_chats)
        answering.when(proposes, say("The function adds (calc.py:4-6)."))
        assert (await client.prompt(session, PROMPT))["stopReason"] == "end_turn"


async def _is_cancelled(client: TypeScriptClient, prompt) -> None:
    """By an error -32800, or by the turn's own word for it: the protocol allows both."""
    await client.until(lambda: prompt.is_answered)
    if prompt.error is not None:
        assert prompt.error.code == -32800
    else:
        assert prompt.result["stopReason"] == "cancelled"


async def test_cancel_of_nothing_is_passed_over(stage: Stage, workspace: Path) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        session = await agent.new(workspace)
        await agent.notify("session/cancel", sessionId=session)
        await agent.notify("session/cancel", sessionId="no-such")
        await agent.notify("$/cancel_request", requestId=4711)
        assert "result" in await agent.ask("session/list")
