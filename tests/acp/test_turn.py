"""A prompt from the editor to the run and back, over a real connection, a real core and a scripted engine."""

from pathlib import Path

import anyio
import pytest

from naestro.types import RunStatus
from tests.acp.desk import MENDED, PATCH, SOURCE, desk_in
from tests.support.scripted_server import ScriptedServer
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
    assert [(one.path, one.old_text, one.new_text) for one in tool_call.content] == [
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
    from tests.support.answers import say_tokens

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
