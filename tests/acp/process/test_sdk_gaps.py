"""What the Python SDK lacks or does wrong and `naestro_acp.sdk_gaps` mends, seen by the TypeScript SDK's client.

Its schemas check each answer and update on the way (`TypeScriptClient.check`), so a test here says only what must come.
"""

import json
from pathlib import Path

import pytest

from tests.acp.process.stage import Stage
from tests.acp.process.typescript import AgentError, typescript_client
from tests.support.answers import Answer, say, say_tokens
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import proposes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("npm_clients")]

QUESTION = "What does add in calc.py do?"


async def test_delete_logout_resume_close_and_fork_have_routes(stage: Stage, workspace: Path) -> None:
    where = {"cwd": str(workspace), "mcpServers": []}
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        assert "configOptions" in await client.request("session/resume", sessionId=session, **where)
        assert "sessionId" in await client.request("session/fork", sessionId=session, **where)
        assert await client.request("session/close", sessionId=session) == {}
        assert await client.request("session/delete", sessionId=session) == {}
        assert await client.request("logout") == {}


async def test_an_aborted_request_is_answered(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, Answer(stall_after=-1))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, QUESTION)
        await answering.until(lambda: bool(answering.chats), 60)
        await client.abort(prompt)
        await client.until(lambda: prompt.is_answered)
        assert prompt.error is None or prompt.error.code == -32800
        await answering.until(lambda: not answering.open_chats)


@pytest.mark.parametrize(
    "method", ["session/no_such", "providers/list", "session/archive", "mcp/message", "_someone/else"]
)
async def test_what_is_not_there_is_told_so_and_not_answered_by_null(stage: Stage, method: str) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        with pytest.raises(AgentError) as refused:
            await client.request(method)
        assert refused.value.code == -32601


async def test_lines_that_are_no_message_get_their_codes_and_the_sdk_goes_on(
    stage: Stage, workspace: Path
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        for line in ("no JSON at all\n", "[]\n", '"text"\n'):
            await client.raw(line)
        assert (await client.new(workspace))["sessionId"]
        lines = [json.loads(line) for direction, line in client.wire if direction == "in"]
        codes = [one["error"]["code"] for one in lines if one.get("id") is None and "error" in one]
        assert codes == [-32700, -32600, -32600]


async def test_meta_of_a_client_overwrites_no_argument(stage: Stage, workspace: Path) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        meta = {"cwd": "/", "mcp_servers": "x", "session_id": "x", "self": 1}
        session = (await client.new(workspace, _meta=meta))["sessionId"]
        listed = await client.request("session/list", cwd=str(workspace), _meta=meta)
        assert [(one["sessionId"], one["cwd"]) for one in listed["sessions"]] == [(session, str(workspace))]


async def test_a_notice_is_shown_where_the_client_knows_it_and_said_where_not(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    servers = [{"type": "sse", "name": "old", "url": "http://127.0.0.1:9/sse", "headers": []}]
    for session_capabilities, kind in (({"notices": {}}, "notice"), ({}, "agent_message_chunk")):
        async with typescript_client(stage) as client:
            await client.initialize(session=session_capabilities)
            new = await client.request("session/new", cwd=str(workspace), mcpServers=servers)
            if kind != "notice":
                await client.prompt(new["sessionId"], "/help")
            await client.until(
                lambda client=client, kind=kind: any("old" in json.dumps(one) for one in client.of_kind(kind))
            )


async def test_half_a_character_of_an_engine_reaches_the_client_as_text(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, say("It adds \U0001f9ee (calc.py:4-6)."))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        await client.prompt(session, QUESTION)
        assert "\U0001f9ee" in client.text(session)


async def test_many_tokens_arrive_in_order_and_whole(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, say_tokens(2000))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        await client.request(
            "session/set_config_option", sessionId=session, configId="pipeline", value="single"
        )
        await client.prompt(session, QUESTION)
        thoughts = client.text(session, "agent_thought_chunk").rpartition("**")[2]
        counted = [int(word) for word in thoughts.split() if word.isdigit()]
        assert counted == list(range(len(counted)))
        assert len(counted) > 100
