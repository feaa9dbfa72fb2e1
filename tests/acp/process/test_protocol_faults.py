"""Whatever a client sends, each request gets one answer, the connection lives on, and stdout carries protocol alone."""

import json
from pathlib import Path

import pytest

from tests.acp.process.stage import Stage
from tests.acp.process.wire import FrontEnd, front_end
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
LARGE_BYTES = 50_000_000
PROMPT = [{"type": "text", "text": "hi"}]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\x00\xff\xfe garbage \x80\n", PARSE_ERROR),
        (b"{\n", PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize"\n', PARSE_ERROR),
        (b"[1, 2, 3]\n", INVALID_REQUEST),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}]\n', INVALID_REQUEST),
        (b'"text"\n', INVALID_REQUEST),
        (b"null\n", INVALID_REQUEST),
        (b"17\n", INVALID_REQUEST),
        (b"{}\n", INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "method": 7}\n', INVALID_REQUEST),
    ],
)
async def test_what_is_no_message_gets_an_error_and_the_connection_lives(
    stage: Stage, line: bytes, code: int
) -> None:
    async with front_end(stage) as agent:
        await agent.send_bytes(line)
        assert (await agent.answer(None))["error"]["code"] == code
        assert (await agent.initialize())["protocolVersion"] == 1


async def test_a_message_may_come_in_halves_and_two_in_one_piece(stage: Stage, workspace: Path) -> None:
    async with front_end(stage) as agent:
        line = json.dumps(_initialize(1)).encode() + b"\n"
        for at in range(0, len(line), 7):
            await agent.send_bytes(line[at : at + 7])
        assert "result" in await agent.answer(1)
        both = [_request(2, "session/list"), _request(3, "session/new", cwd=str(workspace), mcpServers=[])]
        await agent.send_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in both))
        assert "result" in await agent.answer(2)
        assert "result" in await agent.answer(3)


async def test_half_a_line_at_the_end_of_the_input_ends_quietly(stage: Stage) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.send_bytes(b'{"jsonrpc": "2.0", "id": 9, "meth')


async def test_a_line_of_fifty_megabytes_is_answered_and_the_connection_lives(stage: Stage) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.send_bytes(b"x" * LARGE_BYTES + b"\n")
        assert (await agent.answer(None))["error"]["code"] == PARSE_ERROR
        large = {"jsonrpc": "2.0", "id": "large", "method": "no/such", "params": {"text": "y" * LARGE_BYTES}}
        await agent.send(large)
        assert (await agent.answer("large"))["error"]["code"] == NO_METHOD
        assert "result" in await agent.ask("session/list")


async def test_unknown_methods_are_told_so_and_unknown_notifications_are_not_answered(stage: Stage) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.notify("no/such_notification", some="thing")
        for method in ("no/such", "session/no_such", "_unknown/extension", ""):
            assert (await agent.ask(method))["error"]["code"] == NO_METHOD
        assert all("id" in message for message in agent.received)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("session/new", {}),
        ("session/new", {"cwd": 7, "mcpServers": []}),
        ("session/new", {"cwd": "relative/folder", "mcpServers": []}),
        ("session/prompt", {"sessionId": ["s"], "prompt": PROMPT}),
        ("session/prompt", {"sessionId": "s", "prompt": "text"}),
        ("session/prompt", {"sessionId": "s", "prompt": [{"type": "no such type"}]}),
        ("session/set_mode", {"sessionId": "s"}),
        ("session/set_config_option", {"sessionId": "s", "configId": 1, "value": {}}),
        ("session/load", {"sessionId": None, "cwd": "/", "mcpServers": []}),
    ],
)
async def test_wrong_parameters_are_told_by_name(stage: Stage, method: str, params: dict) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        error = (await agent.ask(method, **params))["error"]
        assert error["code"] == INVALID_PARAMS
        assert len(error["message"]) > 10
        assert "result" in await agent.ask("session/list")


@pytest.mark.parametrize("params", [[], ["a"], "text", 7, None])
async def test_parameters_that_are_no_object_are_refused(stage: Stage, params: object) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.send({"jsonrpc": "2.0", "id": 77, "method": "session/new", "params": params})
        assert (await agent.answer(77))["error"]["code"] in (INVALID_PARAMS, INVALID_REQUEST)


@pytest.mark.parametrize("method", ["session/prompt", "session/load", "session/resume", "session/set_mode"])
async def test_an_unknown_session_is_not_found(stage: Stage, workspace: Path, method: str) -> None:
    params = {"prompt": PROMPT, "cwd": str(workspace), "mcpServers": [], "modeId": "ask"}
    wanted = {
        "session/prompt": ("prompt",),
        "session/set_mode": ("modeId",),
    }.get(method, ("cwd", "mcpServers"))
    async with front_end(stage) as agent:
        await agent.initialize()
        answer = await agent.ask(method, sessionId="no-such", **{name: params[name] for name in wanted})
        assert answer["error"]["code"] == -32002


async def test_requests_before_initialize_are_refused_and_do_not_prevent_it(
    stage: Stage, workspace: Path
) -> None:
    async with front_end(stage) as agent:
        early = await agent.ask("session/new", cwd=str(workspace), mcpServers=[])
        assert early["error"]["code"] == INVALID_REQUEST
        assert (await agent.ask("session/prompt", sessionId="s", prompt=PROMPT))["error"]["code"] < 0
        assert (await agent.initialize())["protocolVersion"] == 1
        assert await agent.new(workspace)


async def test_ids_of_any_kind_come_back_as_they_were(stage: Stage) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        for number in (0, -1, 2**53, "text", "9", "ü\n"):
            await agent.send(_request(number, "session/list"))
            assert "result" in await agent.answer(number)


async def test_answers_to_what_nobody_asked_are_passed_over(stage: Stage) -> None:
    async with front_end(stage) as agent:
        await agent.initialize()
        await agent.send({"jsonrpc": "2.0", "id": 4711, "result": {}})
        await agent.send({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "no"}})
        assert "result" in await agent.ask("session/list")


async def test_the_version_is_our_own_whatever_the_client_asks_for(stage: Stage) -> None:
    for version in (0, 1, 2, 99):
        async with front_end(stage) as agent:
            said = await agent.ask("initialize", protocolVersion=version, clientCapabilities={})
            assert said["result"]["protocolVersion"] == 1


async def test_a_fault_in_one_connection_leaves_the_others_alone(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with front_end(stage) as good, front_end(stage) as bad:
        await good.initialize()
        session = await good.new(workspace)
        prompt = await good.begin_prompt(session, "What does add do?")
        for _ in range(20):
            await bad.send_bytes(b"\xff" * 5000 + b"\n[\n{]\n")
        assert (await good.answer(prompt))["result"]["stopReason"] == "end_turn"


async def test_a_client_that_reads_nothing_does_not_hold_up_another(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with front_end(stage) as deaf, front_end(stage) as good:
        await deaf.initialize()
        session = await deaf.new(workspace)
        asked = [await deaf.begin("session/list") for _ in range(1000)]
        await deaf.begin_prompt(session, "What does add do?")
        await _whole_turn(good, workspace)
        assert "result" in await deaf.answer(asked[-1])


async def _whole_turn(agent: FrontEnd, workspace: Path) -> None:
    await agent.initialize()
    session = await agent.new(workspace)
    prompt = await agent.begin_prompt(session, "What does add do?")
    assert (await agent.answer(prompt))["result"]["stopReason"] == "end_turn"


def _request(number: object, method: str, **params: object) -> dict:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def _initialize(number: object) -> dict:
    return _request(number, "initialize", protocolVersion=1, clientCapabilities={})
