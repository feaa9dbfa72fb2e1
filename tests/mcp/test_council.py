"""The tools that start and follow runs: answers, questions to the person in both eras, time, and cancelling."""

from pathlib import Path

import anyio
import pytest

from mcp import MCPError, types
from naestro.types import InterruptAnswered, Origin, RunStatus
from tests.mcp.desk import (
    ERAS,
    LEGACY,
    MENDED,
    MODERN,
    SOURCE,
    TASK,
    WAIT_S,
    Person,
    connected,
    desk_in,
    said_in,
    text_of,
    wired,
    yes,
)
from tests.support.answers import say_tokens
from tests.support.processes import until
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
SOON = "\n[mcp_server]\nanswer_s = 1\n"


@pytest.mark.parametrize("mode", ERAS)
async def test_the_council_answers_a_question_and_tells_its_progress(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url) as desk:
        result = await desk.call("ask_council", task="What does add do?")
        info = await desk.core.get("last")
    told = result.structured_content
    assert (told["run"], told["status"]) == (info.id, "finished")
    assert (info.origin, info.workspace) == (Origin.MCP, str(desk.workspace))
    assert "It adds two numbers (calc.py:4-6)" in told["answer"]
    assert told["answer"] in text_of(result)
    assert f"Verdict: {told['verdict']['winner']}, {told['verdict']['certainty']}." in text_of(result)
    assert any("propose.1 done" in (words or "") for words in desk.person.told)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_change_is_shown_to_the_person_and_written_after_their_yes(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    person = Person(says=[yes()])
    async with desk_in(tmp_path, monkeypatch, mode, patching.base_url, person=person) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        assert (told["status"], told["is_applied"], desk.source()) == ("finished", True, MENDED)
        assert len(await desk.core.runs()) == 1
    assert len(person.asked) == 1
    assert "+    return left + right" in person.asked[0]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_person_who_declines_says_no(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    person = Person(says=[types.ElicitResult(action="decline")])
    async with desk_in(tmp_path, monkeypatch, mode, patching.base_url, person=person) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        assert (told["status"], told.get("is_applied", False), desk.source()) == ("finished", False, SOURCE)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_question_that_nobody_answers_leaves_the_run_waiting(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    person = Person(says=[types.ElicitResult(action="cancel")])
    async with desk_in(tmp_path, monkeypatch, mode, patching.base_url, person=person) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        assert (told["status"], told["question"]["options"]) == ("waiting", ["yes", "no"])
        assert "+    return left + right" in told["patch"]
        assert "naestro respond" in told["next"]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_model_can_decline_a_change_but_not_approve_it(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with desk_in(tmp_path, monkeypatch, mode, patching.base_url, can_ask=False) as desk:
        told = await desk.ask("ask_council", task=TASK, mode="orchestrate")
        run = told["run"]
        assert told["status"] == "waiting"
        assert "person's own yes" in await desk.refused("respond", run=run, action="answer", answer="yes")
        assert "none of the answers" in await desk.refused(
            "respond", run=run, action="answer", answer="perhaps"
        )
        assert desk.source() == SOURCE
        patch = said_in(await desk.client.read_resource(f"naestro://runs/{run}/patch"))
        assert "+    return left + right" in patch
        told = await desk.ask("respond", run=run, action="answer", answer="no")
        assert (told["status"], desk.source()) == ("finished", SOURCE)
        assert "waits for no answer" in await desk.refused("respond", run=run, action="answer", answer="no")


async def test_with_the_toolset_apply_a_change_is_written_without_the_person(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '\n[mcp_server]\ntoolsets = ["read", "council", "apply"]\n'
    async with desk_in(tmp_path, monkeypatch, LEGACY, patching.base_url, more, can_ask=False) as desk:
        run = (await desk.ask("ask_council", task=TASK, mode="orchestrate"))["run"]
        told = await desk.ask("apply_patch", run=run)
        assert (told["status"], told["is_applied"], desk.source()) == ("finished", True, MENDED)
        assert "no change that waits" in await desk.refused("apply_patch", run=run)
        events = await desk.core.history(run)
    assert [event.data.by for event in events if isinstance(event.data, InterruptAnswered)] == ["mcp"]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_run_that_takes_long_is_answered_with_its_id_and_goes_on(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url, SOON) as desk:
        told = await desk.ask("ask_council", task="What does add do?")
        assert (told["status"], told["steps_done"]) == ("running", ["retrieve"])
        assert '"wait"' in told["next"]
        answering.release()
        told = await desk.ask("respond", run=told["run"])
        assert told["status"] == "finished"
        trace = await desk.ask("runs", run="last", view="trace")
        assert "run.finished" in trace["detail"]
        shown = await desk.ask("runs", run=told["run"])
        assert told["answer"] in shown["detail"]
        assert (await desk.ask("runs"))["runs"][0]["run"] == told["run"]


@pytest.mark.parametrize("mode", ERAS)
async def test_progress_is_told_while_an_engine_says_nothing(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    answering.then(say_tokens(9, stall_after=1), say_tokens(9, stall_after=1))
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url) as desk:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: desk.call("ask_council", task="What does add do?"))
            await until(lambda: "still at work" in desk.person.told, WAIT_S)
            answering.release()
        said = len(desk.person.told)
        assert (await desk.ask("runs"))["runs"][0]["status"] == "finished"
        assert len(desk.person.told) == said


@pytest.mark.parametrize("mode", ERAS)
async def test_a_call_that_is_taken_back_stops_the_engine(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    answering.otherwise(say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url) as desk:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: desk.call("ask_council", task="What does add do?"))
                await answering.until(lambda: bool(answering.chats and answering.chats[0].pieces_sent))
                scope.cancel()
        await answering.until(lambda: answering.chats[0].outcome == "hung up")
        with anyio.fail_after(WAIT_S):
            while (await desk.core.get("last")).status is not RunStatus.CANCELLED:
                await anyio.lowlevel.checkpoint()


async def test_a_client_that_goes_leaves_its_run_at_work(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, LEGACY, answering.base_url) as desk:
        async with wired(desk.core, desk.workspace) as wire:
            await wire.open()
            params = {"name": "ask_council", "arguments": {"task": "What does add do?"}}
            await wire.send(id=1, method="tools/call", params=params)
            await answering.until(lambda: bool(answering.chats and answering.chats[0].pieces_sent))
        answering.release()
        told = await desk.ask("respond", run=(await desk.core.get("last")).id)
        assert told["status"] == "finished"


@pytest.mark.parametrize("mode", ERAS)
async def test_a_run_can_be_cancelled_and_resumed(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url, SOON) as desk:
        run = (await desk.ask("ask_council", task="What does add do?"))["run"]
        assert (await desk.ask("respond", run=run, action="cancel"))["status"] == "cancelled"
        assert "Nobody works" in await desk.refused("respond", run=run, action="cancel")
        told = await desk.ask("respond", run=run, action="resume")
        assert told["status"] in {"finished", "running"}


@pytest.mark.parametrize("mode", ERAS)
async def test_a_run_of_another_workspace_is_not_found(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with desk_in(tmp_path, monkeypatch, mode, answering.base_url) as desk:
        run = (await desk.ask("ask_council", task="What does add do?"))["run"]
        async with connected(desk.core, tmp_path / "elsewhere", mode, Person()) as other:
            assert "not_found" in await other.refused("runs", run=run)
            assert "not_found" in await other.refused("respond", run=run)
            assert (await other.ask("runs"))["runs"] == []
            with pytest.raises(MCPError, match="in this workspace"):
                await other.client.read_resource(f"naestro://runs/{run}")
        assert f'"run":"{run}"' in said_in(await desk.client.read_resource(f"naestro://runs/{run}"))
        events = said_in(await desk.client.read_resource(f"naestro://runs/{run}/events"))
        assert '"type":"run.started"' in events.splitlines()[0]
        with pytest.raises(MCPError, match="no change"):
            await desk.client.read_resource(f"naestro://runs/{run}/patch")


async def test_what_a_failed_run_died_of_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_in(tmp_path, monkeypatch, LEGACY, "http://127.0.0.1:9/v1") as desk:
        told = await desk.ask("ask_council", task="What does add do?")
        assert told["status"] == "failed"
        assert "proposer" in told["warnings"][0]
        assert '"resume"' in told["next"]


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_notices_of_a_run_reach_who_subscribed(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, LEGACY, answering.base_url, SOON) as desk:
        run = (await desk.ask("ask_council", task="What does add do?"))["run"]
        uri = f"naestro://runs/{run}"
        await desk.client.session.subscribe_resource(uri)
        answering.release()
        with anyio.fail_after(WAIT_S):
            while not any(isinstance(one, types.ResourceUpdatedNotification) for one in desk.person.notices):
                await anyio.lowlevel.checkpoint()
        await desk.client.session.unsubscribe_resource(uri)
        with pytest.raises(MCPError, match="Only runs"):
            await desk.client.session.subscribe_resource("naestro://map")
        with pytest.raises(MCPError):
            await desk.client.session.subscribe_resource("naestro://runs/nothing")


async def test_notices_of_a_run_come_by_a_stream_that_listens(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.then(say_tokens(9, stall_after=2), say_tokens(9, stall_after=2))
    async with desk_in(tmp_path, monkeypatch, MODERN, answering.base_url, SOON) as desk:
        run = (await desk.ask("ask_council", task="What does add do?"))["run"]
        uri = f"naestro://runs/{run}/events"
        async with desk.client.listen(resource_subscriptions=[uri]) as stream:
            answering.release()
            with anyio.fail_after(WAIT_S):
                async for event in stream:
                    assert getattr(event, "uri", None) == uri
                    break
