"""Questions of a run in the editor: who is asked, what is remembered, what a mode answers by itself."""

from pathlib import Path

import anyio
import pytest

from naestro.types import Event, InterruptAnswered, RunStatus
from tests.acp.desk import ALL, FORMS, MENDED, NOTHING, SOURCE, Desk, Person, connected, core_in, desk_in
from tests.acp.test_turn import TASK, answering, patching, quietly
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
__all__ = ["answering", "patching"]


def answers(events: list[Event]) -> list[tuple[str, str]]:
    """What was answered, and by whom."""
    return [(one.data.answer, one.data.by) for one in events if isinstance(one.data, InterruptAnswered)]


async def again(desk: Desk, **changes: str) -> str:
    """The file after it was made wrong again and the task asked once more."""
    (desk.workspace / "calc.py").write_text(SOURCE)
    await desk.ask(TASK)
    return desk.source()


async def test_a_no_leaves_the_file_and_shows_the_change_as_declined(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = ["no"]
        await desk.ask(TASK)
        assert desk.source() == SOURCE
        assert answers(await desk.last_run()) == [("no", "acp")]
    tool_call = desk.person.asked[0][0].tool_call_id
    assert desk.person.calls_by_id[tool_call]["status"] == "failed"
    assert "declined" in desk.person.said


async def test_mode_ask_reads_only_and_says_so(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        await desk.mode("ask")
        await desk.ask(TASK)
        assert desk.source() == SOURCE
    assert desk.person.asked == []
    assert "mode ask" in desk.person.said
    assert "+    return left + right" in desk.person.said


async def test_mode_auto_writes_without_asking_and_tells_how_to_undo_it(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        await desk.mode("auto")
        await desk.ask(TASK)
        assert desk.source() == MENDED
        run = (await desk.core.get("last")).id
        assert f"`/undo {run}` takes it back" in desk.person.said
        await desk.ask("/undo")
        assert desk.source() == SOURCE
    assert desk.person.asked == []
    assert "Taken back: `calc.py`" in desk.person.said


async def test_a_yes_for_the_session_asks_no_more_in_it_but_in_another(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = ["yes-session", "no"]
        assert [await again(desk), await again(desk)] == [MENDED, MENDED]
        assert len(desk.person.asked) == 1
        await desk.open()
        assert await again(desk) == SOURCE
    assert len(desk.person.asked) == 2


async def test_always_is_remembered_for_the_workspace_until_it_is_forgotten(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core_in(tmp_path, patching.base_url, monkeypatch) as core:
        async with connected(core, Person(["no-always"]), tmp_path / "workspace", NOTHING) as desk:
            await desk.open()
            assert await again(desk) == SOURCE
        later = Person(["yes"])
        async with connected(core, later, tmp_path / "workspace", NOTHING) as desk:
            await desk.open()
            assert await again(desk) == SOURCE
            assert later.asked == []
            assert "always rejected" in later.said
            await desk.ask("/forget")
            assert await again(desk) == MENDED
    assert len(later.asked) == 1


async def test_a_question_that_the_client_cancels_cancels_the_prompt_and_the_run(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:
        desk.person.picks = [None]
        response = await desk.ask(TASK)
        assert response.stop_reason == "cancelled"
        assert (await desk.core.get("last")).status is RunStatus.CANCELLED


async def test_an_answer_from_elsewhere_ends_the_question(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_in(tmp_path, patching.base_url, monkeypatch) as desk:

        async def elsewhere() -> None:
            run = (await desk.core.get("last")).id
            await desk.core.respond(run, "apply", "yes", by="cli")
            await anyio.sleep_forever()

        desk.person.picks = [elsewhere]
        response = await desk.ask(TASK)
        assert desk.source() == MENDED
        assert answers(await desk.last_run()) == [("yes", "cli")]
    assert response.stop_reason == "end_turn"


def pausing(folder: Path) -> None:
    """Let the council wait before the verdict."""
    (folder / "workspace").mkdir(exist_ok=True)
    (folder / "workspace" / "naestro.toml").write_text('[council]\napprove = "before_verdict"\n')


async def test_a_pause_is_a_form_where_the_client_has_forms(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing(tmp_path)
    async with desk_in(tmp_path, answering.base_url, monkeypatch, FORMS) as desk:
        desk.person.forms = [{"answer": "continue"}]
        response = await desk.ask("What does add do?")
    assert response.stop_reason == "end_turn"
    assert desk.person.messages == ["All candidates are in. Go on to the verdict?"]
    assert "It adds two numbers" in desk.person.said


async def test_a_form_that_is_declined_leaves_the_run_waiting_and_resume_asks_again(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing(tmp_path)
    async with desk_in(tmp_path, answering.base_url, monkeypatch, FORMS) as desk:
        desk.person.forms = [None, {"answer": "continue"}]
        await desk.ask("What does add do?")
        run = await desk.core.get("last")
        assert run.status is RunStatus.WAITING
        assert f"`/resume {run.id}` asks again" in desk.person.said
        response = await desk.ask(f"/resume {run.id}")
        assert (await desk.core.get("last")).status is RunStatus.FINISHED
    assert response.stop_reason == "end_turn"
    assert len(desk.person.messages) == 2


async def test_a_pause_is_a_choice_where_the_client_has_no_forms(
    tmp_path: Path, answering: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing(tmp_path)
    async with desk_in(tmp_path, answering.base_url, monkeypatch) as desk:
        desk.person.picks = ["continue"]
        response = await desk.ask("What does add do?")
    assert response.stop_reason == "end_turn"
    assert [option.option_id for option in desk.person.asked[0][1]] == ["continue"]


async def test_what_was_said_for_one_workspace_counts_in_no_other(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "naestro.toml").touch()
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
        later = Person(["no"])
        async with connected(core, later, tmp_path / "workspace", ALL) as desk:
            desk.session = session
            await desk.mode("auto")
            await desk.agent.load_session(cwd=str(elsewhere), session_id=session, mcp_servers=[])
            await later.until(lambda: "declined" in later.said)
            assert desk.source() == SOURCE
    assert [[option.option_id for option in options] for _, options in later.asked] == [["yes", "no"]]
    assert later.read == []


@pytest.mark.parametrize("words", ["/resume last", "/undo last"])
async def test_a_session_touches_no_run_of_another_workspace(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "naestro.toml").touch()
    async with core_in(tmp_path, patching.base_url, monkeypatch) as core:
        async with connected(core, Person(["yes"]), tmp_path / "workspace", NOTHING) as desk:
            await desk.open()
            await desk.ask(TASK)
        person = Person()
        async with connected(core, person, elsewhere, NOTHING) as there:
            await there.open()
            await there.ask(words)
            assert desk.source() == MENDED
    assert "where this session does not stand" in person.said
