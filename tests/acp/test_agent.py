"""The agent's methods over the raw wire and a real core: what is told, in which order, what outlives a connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from naestro import __version__
from naestro.client.local import LocalClient
from naestro_acp.plugin import serve
from tests.acp.desk import core_in
from tests.acp.wire import WAIT_S, Message, Wire, served, socket_pair
from tests.support.answers import say_tokens
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = pytest.mark.anyio
QUESTION = [{"type": "text", "text": "What does add do?"}]


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.otherwise(lambda request: f"It adds two numbers (calc.py:4-6). Variant {request.number}.")
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@asynccontextmanager
async def at_hand(
    folder: Path, server: ScriptedServer, patch: pytest.MonkeyPatch, **capabilities: Any
) -> AsyncIterator[tuple[Wire, LocalClient]]:
    async with core_in(folder, server.base_url, patch) as core, served(core, capabilities) as wire:
        yield wire, core


async def new(wire: Wire, workspace: Path, **params: Any) -> str:
    """A new session; the commands that follow it are read."""
    answer = await wire.ask("session/new", **{"cwd": str(workspace), "mcpServers": []} | params)
    await updates(wire, "available_commands_update")
    return answer["result"]["sessionId"]


async def updates(wire: Wire, last: str) -> list[Message]:
    """Updates up to and with the first of the kind `last`."""
    seen: list[Message] = []
    while not seen or seen[-1]["sessionUpdate"] != last:
        message = await wire.receive()
        if message.get("method") == "session/update":
            seen.append(message["params"]["update"])
    return seen


def kinds(messages: list[Message]) -> list[str]:
    """What came: an update's kind, or `answer`."""
    return [
        message["params"]["update"]["sessionUpdate"] if "method" in message else "answer"
        for message in messages
    ]


async def test_initialize_tells_its_own_version_and_the_truth(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        core_in(tmp_path, scripted_server.base_url, monkeypatch) as core,
        socket_pair() as (ours, theirs),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(serve, ours, core, tmp_path)
        result = (await Wire(theirs).ask("initialize", protocolVersion=99))["result"]
        await theirs.aclose()
    assert result == {
        "protocolVersion": 1,
        "agentInfo": {"name": "naestro", "title": "Naestro", "version": __version__},
        "agentCapabilities": {
            "loadSession": True,
            "promptCapabilities": {"image": False, "audio": False, "embeddedContext": True},
            "mcpCapabilities": {"http": True, "sse": False, "acp": False},
            "sessionCapabilities": {"list": {}, "resume": {}, "fork": {}, "close": {}, "delete": {}},
            "auth": {"logout": {}},
        },
        "authMethods": [
            {
                "id": "local",
                "name": "This machine",
                "description": "Nothing is needed: models run on this machine.",
            }
        ],
        "_meta": {"steering": {"supported": True}},
    }


async def test_signing_in_needs_nothing_and_an_unknown_way_is_refused(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        assert (await wire.ask("authenticate", methodId="local"))["result"] == {}
        assert (await wire.ask("authenticate", methodId="other"))["error"]["code"] == -32602
        assert (await wire.ask("logout"))["result"] == {}


async def test_a_new_session_is_answered_before_any_update_names_it(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        (answer,) = await wire.asked("session/new", cwd=str(workspace), mcpServers=[])
        (commands,) = await updates(wire, "available_commands_update")
    result = answer["result"]
    assert result["modes"]["currentModeId"] == "council"
    assert [mode["id"] for mode in result["modes"]["availableModes"]] == ["ask", "council", "auto"]
    assert [
        (option["id"], option["category"], option["currentValue"]) for option in result["configOptions"]
    ] == [
        ("mode", "mode", "council"),
        ("pipeline", "thought_level", "council"),
        ("engines", "model", "all"),
        ("consensus", "model_config", "majority"),
        ("proposers", "model_config", "2"),
    ]
    engines = next(option for option in result["configOptions"] if option["id"] == "engines")
    assert {"alpha", "beta"} <= {shown["value"] for shown in engines["options"]}
    assert {"orchestrate", "explain", "test", "trace"} <= {
        one["name"] for one in commands["availableCommands"]
    }


@pytest.mark.parametrize("cwd", ["relative", "", "/no/such/folder", "/etc/passwd", "/a\0b"])
async def test_a_folder_that_is_relative_or_none_is_refused(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, cwd: str
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        error = (await wire.ask("session/new", cwd=cwd, mcpServers=[]))["error"]
        assert (error["code"], bool(error["data"]["hint"])) == (-32602, True)
        more = await wire.ask("session/new", cwd=str(tmp_path), mcpServers=[], additionalDirectories=[cwd])
        assert more["error"]["code"] == -32602


async def test_a_session_goes_on_over_connections_and_cores_by_its_id(
    tmp_path: Path, workspace: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, answering, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        came = await wire.asked("session/prompt", sessionId=session, prompt=QUESTION)
        titles = [one for one in came if "method" in one and "title" in one["params"]["update"]]
        assert titles[0]["params"]["update"]["title"] == "What does add do?"
        assert came[-1]["result"]["stopReason"] == "end_turn"
    async with at_hand(tmp_path, answering, monkeypatch) as (wire, core):
        (answer,) = await wire.asked("session/set_mode", sessionId=session, modeId="ask")
        assert answer["result"] == {}
        await updates(wire, "config_option_update")
        run = (await core.get("last")).id
        came = await wire.asked("session/load", sessionId=session, cwd=str(workspace), mcpServers=[])
        assert kinds(came)[0] == "user_message_chunk"
        assert kinds(came)[-2:] == ["agent_message_chunk", "answer"]
        calls = [one["params"] for one in came if kinds([one]) == ["tool_call"]]
        assert len(calls) > 3
        assert {call["update"]["status"] for call in calls} == {"completed"}
        assert {call["_meta"]["naestro"]["run"] for call in calls} == {run}
        assert "It adds two numbers" in came[-2]["params"]["update"]["content"]["text"]
        assert came[-1]["result"]["modes"]["currentModeId"] == "ask"
        await updates(wire, "available_commands_update")
        came = await wire.asked("session/resume", sessionId=session, cwd=str(workspace))
        assert kinds(came) == ["answer"]
        came = await wire.asked("session/prompt", sessionId=session, prompt=QUESTION)
        assert came[-1]["result"]["stopReason"] == "end_turn"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("session/prompt", {"prompt": QUESTION}),
        ("session/load", {"cwd": "/", "mcpServers": []}),
        ("session/resume", {"cwd": "/"}),
        ("session/fork", {"cwd": "/"}),
        ("session/close", {}),
        ("session/set_mode", {"modeId": "ask"}),
        ("session/set_config_option", {"configId": "pipeline", "value": "single"}),
        ("_session/steering", {"prompt": QUESTION}),
    ],
)
async def test_an_unknown_session_is_not_found_and_the_error_says_what_to_do(
    tmp_path: Path,
    scripted_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    params: dict[str, Any],
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        error = (await wire.ask(method, sessionId="no-such", **params))["error"]
    assert (error["code"], error["message"]) == (-32002, "There is no such session: no-such.")
    assert "session/list" in error["data"]["hint"]


async def test_sessions_are_listed_by_page_and_folder_the_latest_first(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other := tmp_path / "other").mkdir()
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        made = [await new(wire, workspace) for _ in range(52)]
        elsewhere = await new(wire, other)
        first = (await wire.ask("session/list"))["result"]
        second = (await wire.ask("session/list", cursor=first["nextCursor"]))["result"]
        listed = [one["sessionId"] for one in first["sessions"] + second["sessions"]]
        assert listed == [elsewhere, *reversed(made)]
        assert (len(first["sessions"]), second.get("nextCursor")) == (50, None)
        (only,) = (await wire.ask("session/list", cwd=str(other)))["result"]["sessions"]
        assert (only["sessionId"], only["cwd"]) == (elsewhere, str(other))
        assert (await wire.ask("session/list", cwd="relative"))["error"]["code"] == -32602
        assert (await wire.ask("session/list", cursor="garbage"))["error"]["code"] == -32602


async def test_a_fork_has_the_turns_and_the_choices_of_its_source(
    tmp_path: Path, workspace: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, answering, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        await wire.ask("session/set_config_option", sessionId=session, configId="pipeline", value="single")
        await wire.ask("session/prompt", sessionId=session, prompt=QUESTION)
        answer = await wire.ask("session/fork", sessionId=session, cwd=str(workspace))
        forked = answer["result"]["sessionId"]
        await updates(wire, "available_commands_update")
        assert forked != session
        assert answer["result"]["configOptions"][1]["currentValue"] == "single"
        came = await wire.asked("session/load", sessionId=forked, cwd=str(workspace), mcpServers=[])
        assert kinds(came)[0] == "user_message_chunk"


async def test_a_closed_session_stays_in_the_list_and_a_deleted_one_is_gone(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        assert (await wire.ask("session/close", sessionId=session))["result"] == {}
        assert len((await wire.ask("session/list"))["result"]["sessions"]) == 1
        for _ in range(2):
            assert (await wire.ask("session/delete", sessionId=session))["result"] == {}
        assert (await wire.ask("session/list"))["result"]["sessions"] == []


async def test_closing_a_session_ends_its_turn(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        prompt = await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
        await scripted_server.until(lambda: bool(scripted_server.chats))
        close = await wire.begin("session/close", sessionId=session)
        assert (await wire.until(id=prompt))[-1]["result"]["stopReason"] == "cancelled"
        assert "result" in (await wire.until(id=close))[-1]
        await scripted_server.until(lambda: not scripted_server.open_chats)


async def test_a_cancelled_request_ends_the_run_of_its_prompt(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        prompt = await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
        await scripted_server.until(lambda: bool(scripted_server.chats))
        await wire.tell("$/cancel_request", requestId=prompt)
        assert (await wire.until(id=prompt))[-1]["error"]["code"] == -32800
        await scripted_server.until(lambda: not scripted_server.open_chats)


async def test_a_cancel_right_behind_a_prompt_reaches_it(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        prompt = await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
        await wire.tell("session/cancel", sessionId=session)
        assert (await wire.until(id=prompt))[-1]["result"]["stopReason"] == "cancelled"
        await scripted_server.until(lambda: not scripted_server.open_chats)


async def test_a_run_goes_on_without_its_client_and_is_shown_to_the_next_one(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with core_in(tmp_path, scripted_server.base_url, monkeypatch) as core:
        async with served(core) as wire:
            session = await new(wire, workspace)
            await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
            await scripted_server.until(lambda: bool(scripted_server.chats))
        assert core.working
        async with served(core) as wire:
            came = await wire.asked("session/load", sessionId=session, cwd=str(workspace), mcpServers=[])
            assert kinds(came) == ["user_message_chunk", "answer"]
            shown = await updates(wire, "agent_thought_chunk")
            assert shown[0]["sessionUpdate"] == "available_commands_update"
            await wire.ask("session/close", sessionId=session)
        with anyio.fail_after(WAIT_S):
            while core.working:
                await anyio.lowlevel.checkpoint()


async def test_an_option_is_set_and_the_answer_has_all_of_them(
    tmp_path: Path, workspace: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, answering, monkeypatch) as (wire, core):
        session = await new(wire, workspace)
        for option, value in (("engines", "beta"), ("pipeline", "single"), ("consensus", "judge")):
            answer = await wire.ask(
                "session/set_config_option", sessionId=session, configId=option, value=value
            )
            shown = {one["id"]: one["currentValue"] for one in answer["result"]["configOptions"]}
            assert shown[option] == value
        await wire.ask("session/prompt", sessionId=session, prompt=QUESTION)
        started = (await core.history((await core.get("last")).id))[0].data
        settings = started.settings  # pyright: ignore[reportAttributeAccessIssue]
        assert settings["council"]["proposers"] == 1
        assert settings["council"]["critics"] == 0
        assert settings["council"]["consensus"] == "judge"
        assert settings["roles"]["proposer"]["engines"] == ["beta"]


async def test_the_mode_s_two_pickers_follow_one_another(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        answer = await wire.ask("session/set_config_option", sessionId=session, configId="mode", value="auto")
        assert answer["result"]["configOptions"][0]["currentValue"] == "auto"
        (told,) = await updates(wire, "current_mode_update")
        assert told["currentModeId"] == "auto"
        assert (await wire.ask("session/set_mode", sessionId=session, modeId="ask"))["result"] == {}
        (told,) = await updates(wire, "config_option_update")
        assert told["configOptions"][0]["currentValue"] == "ask"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("session/set_mode", {"modeId": "yolo"}),
        ("session/set_config_option", {"configId": "mode", "value": "yolo"}),
        ("session/set_config_option", {"configId": "colour", "value": "red"}),
        ("session/set_config_option", {"configId": "engines", "value": "no-such"}),
        ("session/set_config_option", {"configId": "pipeline", "type": "boolean", "value": True}),
    ],
)
async def test_a_mode_or_option_that_there_is_not_is_refused_with_what_there_is(
    tmp_path: Path,
    workspace: Path,
    scripted_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    params: dict[str, Any],
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        assert (await wire.ask(method, sessionId=session, **params))["error"]["code"] == -32602


@pytest.mark.parametrize("shows", [True, False])
async def test_what_is_handed_over_and_not_used_is_told_behind_the_answer(
    tmp_path: Path,
    workspace: Path,
    scripted_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    shows: bool,
) -> None:
    servers = [
        {"name": "files", "command": "/bin/true", "args": [], "env": [{"name": "KEY", "value": "s3cr3t"}]},
        {"type": "sse", "name": "web", "url": "http://127.0.0.1:1/", "headers": []},
    ]
    session = {"notices": {}} if shows else {}
    async with at_hand(tmp_path, scripted_server, monkeypatch, session=session) as (wire, core):
        await new(wire, workspace, mcpServers=servers, additionalDirectories=[str(tmp_path)])
        told = [(await wire.receive())["params"]["update"] for _ in range(2)]
        kept = await core.documents.list("acp.sessions")
    texts = [one["title"] if shows else one["content"]["text"] for one in told]
    assert {one["sessionUpdate"] for one in told} == {"notice" if shows else "agent_message_chunk"}
    assert "web" in texts[0]
    assert str(tmp_path) in texts[1]
    assert "s3cr3t" not in str(kept)


async def test_steering_without_a_turn_asks_for_a_prompt_and_other_extensions_are_unknown(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        answer = await wire.ask("_session/steering", sessionId=session, prompt=QUESTION)
        assert answer["result"] == {"outcome": "promptRequired"}
        assert (await wire.ask("_session/steering", text="x"))["error"]["code"] == -32602
        assert (await wire.ask("_session/other"))["error"]["code"] == -32601


async def test_steering_adds_to_the_turn_at_work(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        session = await new(wire, workspace)
        prompt = await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
        await scripted_server.until(lambda: bool(scripted_server.chats))
        steering = [{"type": "text", "text": "Answer in Latin."}]
        answer = await wire.ask("_session/steering", sessionId=session, prompt=steering)
        assert answer["result"] == {"outcome": "injected"}
        await wire.tell("session/cancel", sessionId=session)
        assert (await wire.until(id=prompt))[-1]["result"]["stopReason"] == "cancelled"


async def test_answers_are_still_sent_to_a_client_that_has_sent_its_last(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        number = await wire.begin("session/list")
        await wire.stream.send_eof()
        assert (await wire.until(id=number))[-1]["result"] == {"sessions": []}


async def test_a_workspace_with_wrong_settings_can_still_be_opened(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_hand(tmp_path, scripted_server, monkeypatch) as (wire, _):
        (workspace / "naestro.toml").write_text("this is no TOML")
        answer = await wire.ask("session/new", cwd=str(workspace), mcpServers=[])
        assert answer["result"]["configOptions"][0]["currentValue"] == "council"


async def test_a_connection_that_is_ended_from_above_ends_with_its_turns_and_not_its_runs(
    tmp_path: Path, workspace: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with (
        core_in(tmp_path, scripted_server.base_url, monkeypatch) as core,
        socket_pair() as (ours, theirs),
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, ours, core, tmp_path)
            wire = Wire(theirs)
            await wire.ask("initialize", protocolVersion=1)
            session = await new(wire, workspace)
            await wire.begin("session/prompt", sessionId=session, prompt=QUESTION)
            await scripted_server.until(lambda: bool(scripted_server.chats))
            tasks.cancel_scope.cancel()
        assert core.working
