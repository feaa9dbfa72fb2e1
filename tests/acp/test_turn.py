"""A prompt from the editor to the run and back, over a real connection, a real core and a scripted engine."""

import contextlib
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from acp.connection import StreamEvent
from acp.helpers import image_block, text_block
from acp.schema import EnvVariable, McpServerStdio

import acp
from naestro.config import user_file as config_file
from naestro.types import CallStarted, InterruptOpened, RunStatus
from naestro_acp import sdk_gaps
from naestro_acp.outlet import Outlet
from naestro_acp.permissions import Permissions
from naestro_acp.projection import Change
from naestro_acp.sessions import Sessions
from naestro_acp.turn import QUEUED
from tests.acp.desk import (
    MENDED,
    NOTHING,
    PATCH,
    SOURCE,
    WAIT_S,
    Desk,
    Person,
    conn_of,
    connected,
    core_in,
    desk_in,
)
from tests.support.answers import Answer, call_tool, say, say_tokens, words_of
from tests.support.scripted_server import Received, ScriptedServer
from tests.terminal.conftest import answer_schema, proposes

pytestmark = pytest.mark.anyio
TASK = "Make add in calc.py add its arguments"


@pytest.fixture
def answering(scripted_server: ScriptedServer) -> ScriptedServer:
    """Proposals that differ, no finding, a judge for the first."""
    scripted_server.otherwise(lambda request: f"It adds two numbers (calc.py:4-6). Variant {request.number}.")
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


@pytest.fixture
def patching(scripted_server: ScriptedServer) -> ScriptedServer:
    """Proposers that all mend the file in the same way."""
    scripted_server.otherwise(PATCH)
    scripted_server.when(lambda request: not proposes(request), answer_schema)
    return scripted_server


async def test_a_question_is_answered_with_linked_citations_and_a_plan_that_is_done(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        response = await desk.ask("What does add do?")
        run = (await desk.core.get("last")).id
    person = desk.person
    assert response.stop_reason == "end_turn"
    assert f"[calc.py:4-6](file://{desk.workspace}/calc.py#L4:6)" in person.said
    assert {entry.status for entry in person.of("plan")[-1].entries} == {"completed"}
    assert "**Proposal 1 (alpha)**" in person.thought
    assert "It adds two numbers" in person.thought
    assert {call["status"] for call in person.calls_by_id.values()} == {"completed"}
    assert person.of("usage_update")[-1].size == 8192
    assert {"naestro": {"run": run}} in person.metas


async def test_a_change_is_shown_and_written_after_a_yes(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = ["yes"]
        response = await desk.ask(TASK)
        assert desk.source() == MENDED
    (tool_call, options), *rest = desk.person.asked
    assert (response.stop_reason, rest) == ("end_turn", [])
    assert [(one.path, one.old_text, one.new_text) for one in tool_call.content or []] == [
        (f"{desk.workspace}/calc.py", SOURCE, MENDED)
    ]
    assert [option.kind for option in options] == [
        "allow_once",
        "allow_always",
        "allow_always",
        "reject_once",
        "reject_always",
    ]
    assert "takes it back" in desk.person.said
    assert desk.person.calls_by_id[tool_call.tool_call_id]["status"] == "completed"


async def test_a_cancelled_prompt_is_answered_at_once_and_the_engine_stops(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(50, stall_after=3))
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        responses = []

        async def ask() -> None:
            responses.append(await desk.ask(TASK))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await desk.person.until(lambda: "0 1 2" in desk.person.thought)
            await desk.agent.cancel(session_id=desk.session)
        await scripted_server.until(lambda: all(chat.outcome == "hung up" for chat in scripted_server.chats))
        with anyio.fail_after(30):
            while (await desk.core.get("last")).status is not RunStatus.CANCELLED:
                await anyio.lowlevel.checkpoint()
    assert [response.stop_reason for response in responses] == ["cancelled"]


async def until_done(desk: Desk, status: RunStatus) -> None:
    """Wait until the newest run has `status`."""
    with anyio.fail_after(WAIT_S):
        while (await desk.core.get("last")).status is not status:
            await anyio.lowlevel.checkpoint()


async def test_a_second_prompt_waits_its_turn_and_is_told_so(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(3, stall_after=1))
    reasons: list[str] = []
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk, anyio.create_task_group() as tasks:

        async def ask(text: str) -> None:
            reasons.append((await desk.ask(text)).stop_reason)

        tasks.start_soon(ask, "What does add do?")
        await desk.person.until(lambda: bool(desk.person.of("tool_call")))
        tasks.start_soon(ask, "What else?")
        await desk.person.until(lambda: QUEUED in desk.person.said)
        assert len(await desk.core.runs()) == 1
        answering.release()
        await desk.person.until(lambda: desk.person.said.count("Verdict:") == 2)
    assert reasons == ["end_turn", "end_turn"]


async def test_cancel_reaches_the_prompts_that_wait_too(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(say_tokens(3, stall_after=1))
    reasons: list[str] = []
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:

        async def ask(text: str) -> None:
            reasons.append((await desk.ask(text)).stop_reason)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "What does add do?")
            await desk.person.until(lambda: bool(desk.person.of("tool_call")))
            tasks.start_soon(ask, "What else?")
            await desk.person.until(lambda: QUEUED in desk.person.said)
            await desk.agent.cancel(session_id=desk.session)
        await until_done(desk, RunStatus.CANCELLED)
        assert len(await desk.core.runs()) == 1
    assert reasons == ["cancelled", "cancelled"]


async def test_a_prompt_after_a_cancel_is_a_turn_of_its_own(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(3, stall_after=1))
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.ask, "What does add do?")
            await desk.person.until(lambda: "0" in desk.person.thought)
            await desk.agent.cancel(session_id=desk.session)
        assert (await desk.ask("What does add do?")).stop_reason == "end_turn"
    assert "It adds two numbers" in desk.person.said


async def test_steering_starts_the_council_again_with_what_was_added(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(3, stall_after=1), say_tokens(3, stall_after=1))
    reasons: list[str] = []
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk, anyio.create_task_group() as tasks:

        async def ask() -> None:
            reasons.append((await desk.ask("What does add do?")).stop_reason)

        tasks.start_soon(ask)
        await desk.person.until(lambda: "0" in desk.person.thought)
        words = [{"type": "text", "text": "Mind negative numbers."}]
        await desk.agent.ext_method("session/steering", {"sessionId": desk.session, "prompt": words})
        await desk.person.until(lambda: "Verdict:" in desk.person.said)
        task = (await desk.core.get("last")).task
        assert len(await desk.core.runs()) == 2
    assert reasons == ["end_turn"]
    assert task["text"] == "What does add do?\n\nMind negative numbers."


async def test_steering_without_a_turn_is_refused(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        words = [{"type": "text", "text": "x"}]
        answer = await desk.agent.ext_method("session/steering", {"sessionId": desk.session, "prompt": words})
        assert await desk.core.runs() == []
    assert answer == {"outcome": "promptRequired"}


async def test_a_run_outlives_its_window_and_is_shown_again_when_the_session_is_loaded(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, patching.base_url, monkeypatch) as core:
        asked = anyio.Event()

        async def nobody() -> None:
            asked.set()
            await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            async with connected(core, Person([nobody]), tmp_path / "workspace", NOTHING) as desk:
                session = await desk.open()
                tasks.start_soon(quietly, desk, TASK)
                await asked.wait()
            tasks.cancel_scope.cancel()
        assert (await core.get("last")).status is RunStatus.WAITING
        later = Person(["yes"])
        async with connected(core, later, tmp_path / "workspace", NOTHING) as desk:
            await desk.agent.load_session(cwd=str(desk.workspace), session_id=session, mcp_servers=[])
            await later.until(lambda: "takes it back" in later.said)
            assert desk.source() == MENDED
    assert [one.content.text for one in later.of("user_message_chunk")] == [TASK]
    assert len(later.asked) == 1


async def quietly(desk: Desk, text: str) -> None:
    """A prompt whose window is closed before it is answered."""
    with contextlib.suppress(ConnectionError):
        await desk.ask(text)


async def test_a_failed_run_is_told_with_what_to_do(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(words_of("vllm", "dead"))
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        response = await desk.ask("What does add do?")
    assert response.stop_reason == "end_turn"
    assert "The run failed: All 2 proposers failed." in desk.person.said
    assert "naestro trace RUN" in desk.person.said


async def test_what_cannot_start_is_an_error_of_the_request(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace").mkdir()
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        await desk.ask("What does add do?")
        (desk.workspace / "naestro.toml").write_text("[council]\nproposers = 99\n")
        with pytest.raises(acp.RequestError, match="proposers"):
            await desk.ask("What does add do?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/nothing", "There is no command /nothing."),
        ("/resume nosuchrun", "nosuchrun"),
        ("/undo", "There is no run yet"),
        ("/trace", "There is no run yet"),
        ("/help", "- `/orchestrate TASK`"),
    ],
)
async def test_what_needs_no_run_is_told_in_the_conversation(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        assert (await desk.ask(text)).stop_reason == "end_turn"
        assert await desk.core.runs() == []
    assert told in desk.person.said


async def test_an_image_is_told_to_be_left_out(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        blocks = [text_block("What does add do?"), image_block("AAAA", "image/png")]
        await desk.agent.prompt(session_id=desk.session, prompt=blocks)
    assert desk.person.said.startswith("No engine here can see images")
    assert "It adds two numbers" in desk.person.said


async def test_a_run_that_was_stopped_goes_on_by_resume(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(3, stall_after=1))
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.ask, "What does add do?")
            await desk.person.until(lambda: "0" in desk.person.thought)
            run = (await desk.core.get("last")).id
            await desk.core.park(run)
        assert "The run is parked" in desk.person.said
        await desk.ask(f"/resume {run}")
        assert (await desk.core.get(run)).status is RunStatus.FINISHED
        await desk.ask("/resume last")
    assert desk.person.said.count("The run is parked") == 1
    assert "It adds two numbers" in desk.person.said


async def test_a_prompt_that_speaks_of_the_turn_before_brings_it_along(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        await desk.ask("What does add do?")
        await desk.ask("And why is it here?")
        text = str((await desk.core.get("last")).task["text"])
    assert text.startswith("And why is it here?\n\nBefore that I asked: What does add do?")


async def test_trace_shows_a_run_live_while_it_works(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(3, stall_after=1))
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk, anyio.create_task_group() as tasks:
        tasks.start_soon(desk.ask, "What does add do?")
        await desk.person.until(lambda: "0" in desk.person.thought)
        tasks.start_soon(desk.ask, "/trace")
        await desk.person.until(lambda: any(key.startswith("trace/") for key in desk.person.calls_by_id))
        assert "| ● propose." in desk.person.said
        answering.release()
        await desk.person.until(
            lambda: any(
                key.startswith("trace/") and call["status"] == "completed"
                for key, call in desk.person.calls_by_id.items()
            )
        )
    drawn = next(call for key, call in desk.person.calls_by_id.items() if key.startswith("trace/"))
    assert "| ✓ adjudicate |" in drawn["content"][0].content.text


async def test_models_lists_engines_and_the_catalogue(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        await desk.ask("/models")
    assert "| alpha |" in desk.person.said
    assert "| qwen2.5-coder-0.5b |" in desk.person.said


async def test_lines_of_a_plan_never_say_more_than_happened(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        await desk.ask("What does add do?")
    first, last = desk.person.of("plan")[0].entries, desk.person.of("plan")[-1].entries
    assert [entry.content for entry in first] == [
        "Look for the code that matters",
        "Propose: 0 of 2",
        "Check what was proposed",
        "Criticise",
        "Merge",
        "Decide",
        "Apply the change",
    ]
    assert [entry.content for entry in last][-1] == "Decide"
    assert "Propose: 2 of 2" in [entry.content for entry in last]


async def test_a_review_tells_its_findings_as_places(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.otherwise(answer_schema)
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        response = await desk.ask("/review calc.py")
        assert (await desk.core.get("last")).command == "review"
    assert response.stop_reason == "end_turn"
    assert "found nothing wrong" in desk.person.said
    assert desk.person.thought == ""


async def test_notices_go_to_a_client_that_shows_them(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sdk_gaps.ClientCapabilities(session=sdk_gaps.ClientSessionCapabilities(notices={}))
    told: list[dict[str, object]] = []

    def watch(event: StreamEvent) -> None:
        update = event.message.get("params", {}).get("update", {})
        if update.get("sessionUpdate") == "notice":
            told.append(update)

    async with desk_in(tmp_path, patching.base_url, monkeypatch, client, watch) as desk:
        await desk.mode("ask")
        await desk.ask(TASK)
    assert any("Early exit" in str(one["title"]) for one in told)
    assert "Early exit" not in desk.person.thought


async def test_words_that_nobody_could_be_asked_for_leave_the_run_waiting(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with conn_of(Person()) as conn, core_in(tmp_path, answering.base_url, monkeypatch) as core:
        session = await Sessions(core.documents).create(str(tmp_path / "workspace"), [], [])
        asked = InterruptOpened("which", "answer", "Which one?", [])
        permissions = Permissions(core.documents, NOTHING)
        reply = await permissions.answer(
            Outlet(conn, session.id, "r"), session, asked, Change(root=session.workspace)
        )
    assert (reply.answer, reply.is_cancelled) == (None, False)
    assert "Which one?" in reply.note


@pytest.mark.parametrize("steps", range(0, 40, 4))
async def test_a_cancel_at_any_moment_of_the_beginning_leaves_no_run_at_work(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    scripted_server.otherwise(say_tokens(3, stall_after=1))
    reasons: list[str] = []
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:

        async def ask() -> None:
            reasons.append((await desk.ask(TASK)).stop_reason)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            for _ in range(steps + 2):
                await anyio.lowlevel.checkpoint()
            await desk.agent.cancel(session_id=desk.session)
        for run in await desk.core.runs():
            await until_done(desk, RunStatus.CANCELLED)
            assert run.id not in desk.core.working
    assert reasons == ["cancelled"]


async def test_a_server_of_tools_that_the_editor_names_is_used_where_the_settings_allow_it(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Received) -> Answer:
        is_told = request.messages[-1]["role"] == "tool"
        wants_tool = "tools" in request.body and not is_told
        return (
            call_tool("theirs__say", {"word": "hi"}) if wants_tool else say("- (calc.py:4-6): it subtracts")
        )

    scripted_server.otherwise(answer)
    scripted_server.when(lambda request: not proposes(request) and "tools" not in request.body, answer_schema)
    script = Path(__file__).parents[1] / "support" / "mcp_server.py"
    order = '{"behave": {"say": "environment"}}'
    variables = [EnvVariable(name="FROM_EDITOR", value="secret-of-the-editor")]
    server = McpServerStdio(name="theirs", command=sys.executable, args=[str(script), order], env=variables)
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch) as desk:
        config = Path(config_file())
        config.write_text(
            f'{config.read_text()}\n[tools]\nenabled = true\nroles = ["proposer"]\nallow = ["theirs/*"]\n'
        )
        session = await desk.agent.new_session(cwd=str(desk.workspace), mcp_servers=[server])
        desk.session = session.session_id
        await desk.ask("What does add do?")
        events = await desk.last_run()
        tools = [
            event.data.tool for event in events if isinstance(event.data, CallStarted) and event.data.tool
        ]
        assert set(tools) == {"theirs__say"}
    told = [
        chat.messages[-1]["content"] for chat in scripted_server.chats if chat.messages[-1]["role"] == "tool"
    ]
    assert '"FROM_EDITOR": "********"' in told[0]
    assert any(getattr(update, "title", "") == "theirs__say hi" for update in desk.person.shown)
