"""The person's editor behind a session: buffers, writes and terminals, as far as a client offers them."""

from pathlib import Path

import anyio
import pytest

from naestro.client.api import TerminalOutcome
from naestro.types import RunStatus
from tests.acp.desk import ALL, MENDED, NOTHING, SOURCE, Person, desk_in, editor_of
from tests.acp.test_turn import TASK, patching
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio
__all__ = ["patching"]


async def test_a_buffer_wins_over_the_disk_and_a_file_without_one_is_left_to_it(tmp_path: Path) -> None:
    person = Person(buffers={str(tmp_path / "a.py"): "unsaved"})
    async with editor_of(person, ALL, tmp_path) as editor:
        assert await editor.read_text(tmp_path / "a.py") == "unsaved"
        assert await editor.read_text(tmp_path / "b.py") is None


async def test_a_write_goes_through_the_editor(tmp_path: Path) -> None:
    person = Person()
    async with editor_of(person, ALL, tmp_path) as editor:
        assert await editor.write_text(tmp_path / "a.py", "new")
        assert not await editor.write_text(tmp_path / "no" / "such" / "folder.py", "new")
    assert person.written[str(tmp_path / "a.py")] == "new"


async def test_an_editor_that_offers_nothing_is_never_asked(tmp_path: Path) -> None:
    person = Person(buffers={str(tmp_path / "a.py"): "unsaved"})
    async with editor_of(person, NOTHING, tmp_path) as editor:
        assert await editor.read_text(tmp_path / "a.py") is None
        assert not await editor.write_text(tmp_path / "a.py", "new")
        assert await editor.run_program(["true"], tmp_path, 5) is None
    assert (person.written, person.programs) == ({}, [])


async def test_an_editor_that_is_gone_answers_none(tmp_path: Path) -> None:
    person = Person(buffers={str(tmp_path / "a.py"): "unsaved"})
    async with editor_of(person, ALL, tmp_path) as editor:
        pass
    assert await editor.read_text(tmp_path / "a.py") is None
    assert not await editor.write_text(tmp_path / "a.py", "new")
    assert await editor.run_program(["true"], tmp_path, 5) is None


async def test_a_folder_that_is_a_link_keeps_the_name_that_the_editor_knows(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    person = Person(buffers={str(tmp_path / "link" / "a.py"): "unsaved"})
    async with editor_of(person, ALL, tmp_path / "link") as editor:
        assert await editor.read_text(tmp_path / "real" / "a.py") == "unsaved"


async def test_a_program_runs_in_a_terminal_that_a_tool_call_shows(tmp_path: Path) -> None:
    person = Person(exit_code=1)
    async with editor_of(person, ALL, tmp_path) as editor:
        outcome = await editor.run_program(["pytest", "-q"], tmp_path, 5)
        await person.until(lambda: "release" in person.calls)
    assert outcome == TerminalOutcome(exit_code=1, output="1 passed")
    assert person.programs == [["pytest", "-q"]]
    assert person.calls == ["create", "wait", "output", "release"]
    call = person.calls_by_id["terminal/t1"]
    assert (call["content"][0].terminal_id, call["status"], call["kind"]) == ("t1", "failed", "execute")


async def test_a_program_that_takes_too_long_is_killed_and_says_so(tmp_path: Path) -> None:
    person = Person(exit_code=None)
    async with editor_of(person, ALL, tmp_path) as editor:
        outcome = await editor.run_program(["sleep"], tmp_path, 0.05)
    assert outcome == TerminalOutcome(exit_code=None, output="1 passed\nStopped after 0.05 s.")
    assert person.calls == ["create", "wait", "kill", "output", "release"]


async def test_a_terminal_is_given_back_when_the_run_is_cancelled(tmp_path: Path) -> None:
    person = Person(exit_code=None)
    async with editor_of(person, ALL, tmp_path) as editor, anyio.create_task_group() as tasks:
        tasks.start_soon(editor.run_program, ["sleep"], tmp_path, 60)
        await person.until(lambda: "wait" in person.calls)
        tasks.cancel_scope.cancel()
    assert person.calls == ["create", "wait", "release"]


async def test_unsaved_text_is_what_the_council_reads_and_what_a_change_is_made_for(
    tmp_path: Path, patching: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsaved = f"# not saved\n{SOURCE}"
    async with desk_in(tmp_path, patching.base_url, monkeypatch, ALL) as desk:
        path = str(desk.workspace / "calc.py")
        desk.person.buffers[path] = unsaved
        desk.person.picks = ["yes"]
        await desk.ask(TASK)
        assert (await desk.core.get("last")).status is RunStatus.FINISHED
    assert "# not saved" in patching.chats[0].last
    assert desk.person.written[path] == f"# not saved\n{MENDED}"


async def test_a_new_test_runs_in_the_editors_terminal_after_the_yes(
    tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = "from calc import add\n\n\ndef test_add_adds():\n    assert add(2, 3) == 5\n"
    scripted_server.otherwise(f"test_calc.py\n```python\n{test}```\n")
    async with desk_in(tmp_path, scripted_server.base_url, monkeypatch, ALL) as desk:
        desk.person.picks = ["yes"]
        response = await desk.ask("/test calc.py")
        kinds = [call["kind"] for call in desk.person.calls_by_id.values()]
    assert response.stop_reason == "end_turn"
    assert "execute" in kinds
    assert len(desk.person.programs) == 1
    assert desk.person.programs[0][-1] == "test_calc.py"
    assert "run in the workspace, as your user" in str(desk.person.asked[0][0].title)
