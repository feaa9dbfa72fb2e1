"""Sessions of a person, step by step, by the official TypeScript SDK's client over the real agent and daemon."""

import json
import tempfile
from pathlib import Path

import anyio
import pytest

from tests.acp.process.stage import SOURCE, Stage
from tests.acp.process.transcript import record
from tests.acp.process.typescript import AgentError, Params, Person, TypeScriptClient, typescript_client
from tests.support.answers import Answer, say_tokens
from tests.support.scripted_server import ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("npm_clients")]

QUESTION = "What does add in calc.py do?"
CHANGE = "/orchestrate Mend add in calc.py."
MENDED = SOURCE.replace("left - right", "left + right")
TEST = """test_calc.py
```python
import unittest

from calc import add


class AddTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(add(2, 0), 2)
```
"""


def _final(client: TypeScriptClient, session: str) -> dict[str, Params]:
    """Each tool call as it stood at the end, by id."""
    calls: dict[str, Params] = {}
    for kind in ("tool_call", "tool_call_update"):
        for one in client.of_kind(kind, session):
            calls.setdefault(one["toolCallId"], {}).update(one)
    return calls


def _diffs(call: Params) -> list[tuple[str, str]]:
    return [(one["path"], one["newText"]) for one in call.get("content", []) if one["type"] == "diff"]


async def test_the_agent_says_truthfully_what_it_can(stage: Stage) -> None:
    async with typescript_client(stage) as client:
        said = await client.initialize()
        assert said["protocolVersion"] == 1
        assert said["agentInfo"]["name"] == "naestro"
        assert said["agentCapabilities"]["loadSession"] is True
        assert set(said["agentCapabilities"]["sessionCapabilities"]) >= {
            "list",
            "resume",
            "fork",
            "close",
            "delete",
        }
        (method,) = said["authMethods"]
        assert await client.request("authenticate", methodId=method["id"]) == {}
        with pytest.raises(AgentError):
            await client.request("authenticate", methodId="no-such")
        assert await client.request("logout") == {}


async def test_a_question_is_answered_step_by_step(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        new = await client.new(workspace)
        session = new["sessionId"]
        assert [mode["id"] for mode in new["modes"]["availableModes"]] == ["ask", "council", "auto"]
        await client.until(lambda: client.of_kind("available_commands_update", session))
        (commands,) = client.of_kind("available_commands_update", session)
        named = {command["name"] for command in commands["availableCommands"]}
        assert named >= {"orchestrate", "explain", "test", "trace", "review", "resume", "models", "help"}

        answer = await client.prompt(session, QUESTION)
        assert answer["stopReason"] == "end_turn"
        assert "adds two numbers" in client.text(session)
        assert "Variant" in client.text(session, "agent_thought_chunk")
        plan = client.of_kind("plan", session)
        assert {entry["status"] for entry in plan[0]["entries"]} == {"pending"}
        assert {entry["status"] for entry in plan[-1]["entries"]} == {"completed"}
        calls = _final(client, session)
        assert {call["status"] for call in calls.values()} == {"completed"}
        assert {call["kind"] for call in calls.values()} >= {"search", "think", "execute"}
        seen = [place["path"] for call in calls.values() for place in call.get("locations") or []]
        assert str(workspace / "calc.py") in seen
        assert client.of_kind("usage_update", session)[-1]["size"] == 8192
        assert QUESTION.startswith(client.of_kind("session_info_update", session)[-1]["title"][:20])
        assert answer["usage"]["outputTokens"] > 0
        assert answer["_meta"]["naestro"]["run"] == client.runs()[0]
    _assert_order(client, session)
    assert {Path(path).name for path in _asked_files(client)} == {"calc.py"}


def _asked_files(client: TypeScriptClient) -> list[str]:
    """The files that the agent asked the editor for; no word of the prompt that is none."""
    lines = [json.loads(line) for direction, line in client.wire if direction == "in"]
    return [one["params"]["path"] for one in lines if one.get("method") == "fs/read_text_file"]


def _assert_order(client: TypeScriptClient, session: str) -> None:
    """No update of a session came before the answer that names it, none of a turn after its end."""
    lines = [json.loads(line) for direction, line in client.wire if direction == "in"]
    named = next(at for at, one in enumerate(lines) if (one.get("result") or {}).get("sessionId") == session)
    updates = [at for at, one in enumerate(lines) if one.get("method") == "session/update"]
    ended = next(at for at, one in enumerate(lines) if (one.get("result") or {}).get("stopReason"))
    assert named < min(updates)
    assert max(updates) < ended


async def test_a_change_is_shown_as_a_diff_and_written_after_a_yes(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    file = str(workspace / "calc.py")
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        assert (await client.prompt(session, CHANGE))["stopReason"] == "end_turn"
        (asked,) = client.person.asked
        assert _diffs(asked["toolCall"]) == [(file, MENDED)]
        assert {option["kind"] for option in asked["options"]} >= {
            "allow_once",
            "allow_always",
            "reject_once",
            "reject_always",
        }
        assert client.person.written == {file: MENDED}
        edits = [call for call in _final(client, session).values() if call.get("kind") == "edit"]
        assert [(call["status"], _diffs(call)) for call in edits] == [("completed", [(file, MENDED)])]
        assert (await client.prompt(session, "/undo"))["stopReason"] == "end_turn"
        assert (workspace / "calc.py").read_text() == SOURCE


@pytest.mark.parametrize("answer", ["reject_once", "cancelled"])
async def test_without_a_yes_nothing_is_written(
    stage: Stage, workspace: Path, patching: ScriptedServer, answer: str
) -> None:
    async with typescript_client(stage, person=Person(allows=answer)) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        stopped = (await client.prompt(session, CHANGE))["stopReason"]
        assert stopped in ("end_turn", "cancelled")
        assert len(client.person.asked) == 1
        assert client.person.written == {}
    assert (workspace / "calc.py").read_text() == SOURCE


async def test_always_is_remembered_for_the_workspace_alone(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    other = stage.workspace(f"{workspace.name}-other")
    person = Person(picks="yes-always")
    async with typescript_client(stage, person=person) as client:
        await client.initialize()
        for folder, asked in ((workspace, 1), (workspace, 1), (other, 2)):
            (folder / "calc.py").write_text(SOURCE)
            person.buffers.clear()
            session = (await client.new(folder))["sessionId"]
            await client.prompt(session, CHANGE)
            assert len(person.asked) == asked
            assert (folder / "calc.py").read_text() == MENDED


async def test_an_unsaved_buffer_wins_over_the_disk(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    file = str(workspace / "calc.py")
    unsaved = "# not saved yet\n" + SOURCE
    person = Person(buffers={file: unsaved})
    async with typescript_client(stage, person=person) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        await client.prompt(session, CHANGE)
        assert person.written == {file: "# not saved yet\n" + MENDED}
        assert any("# not saved yet" in chat.last for chat in patching.chats)


async def test_a_client_without_files_gets_the_change_on_the_disk(
    stage: Stage, workspace: Path, patching: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize(fs={"readTextFile": False, "writeTextFile": False}, terminal=False)
        session = (await client.new(workspace))["sessionId"]
        await client.prompt(session, CHANGE)
        assert client.person.written == {}
    assert (workspace / "calc.py").read_text() == MENDED


@pytest.mark.parametrize("has_terminal", [True, False])
async def test_a_test_is_written_and_run_where_the_person_sees_it(
    stage: Stage, workspace: Path, scripted_server: ScriptedServer, has_terminal: bool
) -> None:
    scripted_server.otherwise(TEST)
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    async with typescript_client(stage) as client:
        await client.initialize(terminal=has_terminal)
        session = (await client.new(workspace))["sessionId"]
        assert (await client.prompt(session, "/test calc.py"))["stopReason"] == "end_turn"
        assert _diffs(client.person.asked[0]["toolCall"])[0][0] == str(workspace / "test_calc.py")
        assert "1 passed" in client.text(session)
        ran = [argv for argv in client.person.commands if "unittest" in argv]
        assert len(ran) == int(has_terminal)
        terminals = [
            one["terminalId"]
            for call in _final(client, session).values()
            for one in call.get("content") or []
            if one["type"] == "terminal"
        ]
        assert bool(terminals) == has_terminal


async def test_modes_say_what_may_be_written(stage: Stage, workspace: Path, patching: ScriptedServer) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        await client.request("session/set_mode", sessionId=session, modeId="ask")
        await client.prompt(session, CHANGE)
        assert (workspace / "calc.py").read_text() == SOURCE
        assert client.person.asked == []
        await client.request("session/set_mode", sessionId=session, modeId="auto")
        await client.prompt(session, CHANGE)
        assert (workspace / "calc.py").read_text() == MENDED
        assert client.person.asked == []
        with pytest.raises(AgentError) as refused:
            await client.request("session/set_mode", sessionId=session, modeId="no-such")
        assert refused.value.code == -32602


async def test_config_options_shape_the_next_run(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        new = await client.new(workspace)
        session = new["sessionId"]
        assert {option["id"] for option in new["configOptions"]} == {
            "mode",
            "pipeline",
            "engines",
            "consensus",
            "proposers",
        }
        chosen = {"pipeline": "single", "engines": "beta", "mode": "ask"}
        for option, value in chosen.items():
            said = await client.request(
                "session/set_config_option", sessionId=session, configId=option, value=value
            )
            now = {one["id"]: one["currentValue"] for one in said["configOptions"]}
            assert now[option] == value
        await client.until(lambda: client.of_kind("current_mode_update", session))
        assert client.of_kind("current_mode_update", session)[-1]["currentModeId"] == "ask"
        await client.prompt(session, QUESTION)
        assert [chat.body["model"] for chat in answering.chats] == ["beta"]
        with pytest.raises(AgentError) as refused:
            await client.request(
                "session/set_config_option", sessionId=session, configId="pipeline", value="no-such"
            )
        assert refused.value.code == -32602


async def test_a_second_prompt_waits_its_turn_and_is_told_so(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, say_tokens(20, stall_after=5))
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        first = await client.ask_prompt(session, QUESTION)
        await answering.until(lambda: answering.open_chats == 2, 60)
        second = await client.ask_prompt(session, "And why is that so?")
        await client.until(
            lambda: "queue" in client.text(session).lower() or "wait" in client.text(session).lower()
        )
        assert not second.is_answered
        answering.release()
        assert (await first.answer())["stopReason"] == "end_turn"
        assert (await second.answer())["stopReason"] == "end_turn"
        assert len(client.runs()) == 2


async def test_sessions_outlive_their_client_and_are_listed_loaded_forked_and_deleted(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        await client.prompt(session, QUESTION)
        said = client.text(session)
    where = {"cwd": str(workspace), "mcpServers": []}
    async with typescript_client(stage) as client:
        await client.initialize()
        assert await _listed(client, workspace) == [session]
        loaded = await client.request("session/load", sessionId=session, **where)
        assert loaded["modes"]["currentModeId"] == "council"
        assert client.text(session, "user_message_chunk") == QUESTION
        assert client.text(session).strip() == said.strip()
        forked = (await client.request("session/fork", sessionId=session, **where))["sessionId"]
        assert set(await _listed(client, workspace)) == {session, forked}
        before = len(client.updates)
        await client.request("session/resume", sessionId=session, **where)
        assert client.of_kind("user_message_chunk", session)[1:] == []
        assert before >= 1
        assert (await client.prompt(forked, "And why?"))["stopReason"] == "end_turn"
        await client.request("session/close", sessionId=forked)
        await client.request("session/delete", sessionId=session)
        assert await _listed(client, workspace) == [forked]
        with pytest.raises(AgentError) as gone:
            await client.request("session/load", sessionId=session, **where)
        assert gone.value.code == -32002


async def _listed(client: TypeScriptClient, workspace: Path) -> list[str]:
    found = await client.request("session/list", cwd=str(workspace))
    return [one["sessionId"] for one in found["sessions"]]


async def test_slash_commands_that_need_no_run(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        for prompt, wanted in {
            "/help": "/orchestrate",
            "/models": "smollm2-135m",
            "/no-such": "/help",
            "/orchestrate": "argument",
            "/trace": "run",
        }.items():
            before = len(client.text(session))
            assert (await client.prompt(session, prompt))["stopReason"] == "end_turn"
            assert wanted in client.text(session)[before:]
        assert client.runs() == []


async def test_explain_trace_and_resume_name_the_run(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        assert (await client.prompt(session, "/explain calc.py:4-6"))["stopReason"] == "end_turn"
        (run,) = client.runs()
        await client.prompt(session, "/trace")
        trace = client.text(session)
        assert f"`{run}`" in trace
        assert "propose.1" in trace
        assert (await client.prompt(session, f"/resume {run}"))["stopReason"] == "end_turn"


async def test_review_names_lines_of_what_was_changed(
    stage: Stage, workspace: Path, scripted_server: ScriptedServer
) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        await anyio.run_process(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=workspace
        )
    (workspace / "calc.py").write_text(SOURCE + "\n\ndef two():\n    return 3\n")
    scripted_server.otherwise("Nothing to say.")
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        assert (await client.prompt(session, "/review"))["stopReason"] == "end_turn"
        assert any("return 3" in chat.last for chat in scripted_server.chats)
        assert client.text(session).strip()


async def test_files_and_selections_become_context(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    (workspace / "notes.txt").write_text("The answer is in the cellar.\n")
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        blocks: list[Params] = [
            {"type": "text", "text": "/explain How do these belong together?"},
            {"type": "resource_link", "name": "notes.txt", "uri": (workspace / "notes.txt").as_uri()},
            {
                "type": "resource",
                "resource": {
                    "uri": (workspace / "calc.py").as_uri() + "#L4:6",
                    "mimeType": "text/x-python",
                    "text": "def add(left, right):",
                },
            },
        ]
        answer = await client.request("session/prompt", sessionId=session, prompt=blocks)
        assert answer["stopReason"] == "end_turn"
        prompt = answering.chats[0].last
        assert "in the cellar" in prompt
        assert "def add" in prompt


async def test_an_image_is_refused_in_a_sentence_where_no_engine_sees(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        blocks: list[Params] = [
            {"type": "text", "text": QUESTION},
            {"type": "image", "mimeType": "image/png", "data": "aGk="},
        ]
        asked = await client.ask("session/prompt", sessionId=session, prompt=blocks)
        await client.until(lambda: asked.is_answered)
        said = client.text(session) + (asked.error.message if asked.error else "")
        assert "image" in said.lower()


async def test_a_prompt_can_be_steered_while_it_works(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    answering.when(proposes, Answer(stall_after=-1))
    async with typescript_client(stage) as client:
        said = await client.initialize()
        assert said["_meta"]["steering"]["supported"] is True
        session = (await client.new(workspace))["sessionId"]
        prompt = await client.ask_prompt(session, QUESTION)
        await answering.until(lambda: bool(answering.chats), 60)
        answering.when(proposes, "It adds (calc.py:4-6).")
        steering = await client.request(
            "_session/steering", sessionId=session, prompt=[{"type": "text", "text": "Only in one word."}]
        )
        assert steering["outcome"] == "injected"
        answering.release()
        assert (await prompt.answer())["stopReason"] == "end_turn"
        await answering.until(lambda: any("Only in one word." in chat.last for chat in answering.chats), 60)


async def test_servers_that_cannot_be_used_yet_are_kept_with_a_warning(
    stage: Stage, workspace: Path, answering: ScriptedServer
) -> None:
    servers = [{"type": "sse", "name": "old", "url": "http://127.0.0.1:9/sse", "headers": []}]
    async with typescript_client(stage) as client:
        await client.initialize()
        session = (await client.request("session/new", cwd=str(workspace), mcpServers=servers))["sessionId"]
        await client.until(lambda: "old" in client.text(session) or client.notifications)
        assert (await client.prompt(session, QUESTION))["stopReason"] == "end_turn"


async def test_with_no_model_the_first_prompt_says_what_would_be_fetched(
    stage: Stage, workspace: Path
) -> None:
    (stage.home / "config.toml").write_text("[flags]\nlocal_models = []\n")
    async with typescript_client(stage, person=Person(allows="reject_once")) as client:
        await client.initialize()
        session = (await client.new(workspace))["sessionId"]
        assert (await client.prompt(session, QUESTION))["stopReason"] in ("end_turn", "cancelled", "refusal")
        (asked,) = client.person.asked
        shown = json.dumps(asked)
        assert "MB" in shown or "GB" in shown
        assert "Apache-2.0" in shown
        assert client.text(session).strip()


async def test_the_transcript_of_the_documentation_can_be_taken_anew() -> None:
    page = await record()
    for wanted in (
        "## The next day",
        '"stopReason": "cancelled"',
        "session/request_permission",
        "/home/ada/calc",
    ):
        assert wanted in page
    assert tempfile.gettempdir() not in page
