"""What the editor has wins over the disk, from the context to the applied change, and the whole story of a crash."""

from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from naestro.council.context import Context
from naestro.errors import PatchConflict
from naestro.policy.buffers import EditorBuffers, reading
from naestro.policy.changes import Change, Recovered, UndoRecord, execute, plan, recover, undo
from naestro.policy.text import sha256_of
from naestro.policy.workspace import Workspace
from naestro.types import RunStatus
from tests.council.desk import PATCH, SOURCE, Desk, council, desk_in
from tests.support.editor import BufferEditor
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

UNSAVED = SOURCE.replace("The sum.", "The sum, unsaved.")
FIXED = UNSAVED.replace("left - right", "left + right")


async def asked(desk: Desk, meanwhile: object = None) -> str:
    """A run of a change, answered yes; its id."""
    run = await desk.start("orchestrate", {"text": "Fix the sum in calc.py"})
    action = meanwhile if callable(meanwhile) else lambda: None
    assert await desk.answering(run, "orchestrate", "yes", action) is RunStatus.FINISHED
    return run


async def test_unsaved_text_is_what_the_council_sees_and_what_it_changes(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(PATCH)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        place = desk.workspace / "calc.py"
        desk.editor = editor = BufferEditor({place: UNSAVED})
        done = await desk.done(await asked(desk), RunStatus.FINISHED)
        result = await done.result()
        record = await done.output("apply.plan", UndoRecord)
    assert "The sum, unsaved." in scripted_server.chats[0].last
    assert result.is_applied
    assert result.changes[0].before_sha256 == sha256_of(UNSAVED.encode())
    assert editor.buffers[place] == place.read_text() == FIXED
    assert editor.asked[-1] == "write calc.py"
    assert record.files[0].before == UNSAVED.encode()
    assert (record.files[0].is_unsaved, record.files[0].disk_sha256) == (True, sha256_of(SOURCE.encode()))
    assert [path.name for path in desk.workspace.iterdir()] == ["calc.py"]


async def test_a_buffer_that_changes_before_the_yes_is_left_as_it_is(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(PATCH)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        place = desk.workspace / "calc.py"
        desk.editor = editor = BufferEditor({place: UNSAVED})
        run = await asked(desk, lambda: editor.buffers.update({place: "typed = 1\n"}))
        result = await (await desk.done(run, RunStatus.FINISHED)).result()
    assert not result.is_applied
    assert "not the text that the patch was made for" in result.warnings[-1]
    assert (editor.buffers[place], place.read_text()) == ("typed = 1\n", SOURCE)
    assert "write calc.py" not in editor.asked


async def test_a_buffer_that_is_saved_before_the_yes_is_the_same_text(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise(PATCH)
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        place = desk.workspace / "calc.py"
        desk.editor = BufferEditor({place: UNSAVED})
        run = await asked(desk, lambda: place.write_text(UNSAVED))
        assert (await (await desk.done(run, RunStatus.FINISHED)).result()).is_applied
        assert place.read_text() == FIXED


async def test_what_the_search_finds_is_cut_from_the_buffer(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.otherwise("- (calc.py:4): it adds")
    async with desk_in(tmp_path, council(proposers=1), scripted_server.base_url) as desk:
        place = desk.workspace / "calc.py"
        place.write_text(SOURCE.replace("add(", "sum_of_two("))
        (desk.workspace / "gone.py").write_text("sum_of_two = None\n")
        buffer = "# A new first line.\n" + place.read_text()
        desk.editor = editor = BufferEditor({place: buffer, desk.workspace / "gone.py": ""})
        done = await desk.run("explain", text="What does the function sum_of_two give back?")
        context = await done.output("retrieve", Context)
    (span,) = [span for span in context.spans if span.path == "calc.py"]
    assert span.text.split("\n") == buffer.split("\n")[span.start - 1 : span.end]
    assert "def sum_of_two" in span.text
    assert "gone.py" not in context.paths
    assert "read calc.py" in editor.asked


async def test_an_editor_that_is_silent_counts_as_gone_and_holds_no_cancel_up(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("disk\n")
    editor = BufferEditor({tmp_path / "a.py": "buffer\n"}, is_silent=True)
    slow = Workspace(tmp_path, EditorBuffers(editor, read_s=0.01, write_s=0.01))
    assert (await reading(slow.read, "a.py")).text == "disk\n"
    planned = await reading(plan, slow, [Change("b.py", None, "new\n")])
    await to_thread.run_sync(execute, planned)
    assert (tmp_path / "b.py").read_text() == "new\n"
    with anyio.fail_after(5), anyio.move_on_after(0.05) as scope:
        await reading(Workspace(tmp_path, EditorBuffers(editor)).read, "a.py")
    assert scope.cancelled_caught


async def test_ignored_and_outside_files_are_not_asked_of_the_editor(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("hidden.txt\n")
    editor = BufferEditor({tmp_path / "hidden.txt": "x", tmp_path / ".env": "x"})
    workspace = Workspace(tmp_path, EditorBuffers(editor))
    for path in ("hidden.txt", ".env", "../other.txt"):
        with pytest.raises(Exception, match=r"not read|outside"):
            await reading(workspace.read, path)
    assert editor.asked == []


@pytest.fixture
def open_files(tmp_path: Path) -> tuple[Workspace, BufferEditor]:
    """Two files, `a.py` and `b.py`, both open."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"{name}\n")
    editor = BufferEditor({tmp_path / name: f"{name}\n" for name in ("a.py", "b.py")})
    return Workspace(tmp_path, EditorBuffers(editor)), editor


def edits(workspace: Workspace) -> list[Change]:
    """A change of both files, made for what the editor has."""
    return [Change(name, workspace.read(name).sha256, f"new {name}\n") for name in ("a.py", "b.py")]


Opened = tuple[Workspace, BufferEditor]


async def test_a_write_that_the_editor_refuses_goes_to_the_disk_when_the_buffer_is_saved(
    open_files: Opened,
) -> None:
    workspace, editor = open_files
    editor.refuses.add("b.py")
    planned = await reading(lambda: plan(workspace, edits(workspace)))
    await to_thread.run_sync(execute, planned)
    assert editor.buffers[workspace.root / "a.py"] == "new a.py\n"
    assert (workspace.root / "b.py").read_text() == "new b.py\n"


async def test_a_refused_write_of_unsaved_text_puts_the_other_files_back(open_files: Opened) -> None:
    workspace, editor = open_files
    editor.buffers[workspace.root / "b.py"] = "unsaved\n"
    editor.refuses.add("b.py")
    planned = await reading(lambda: plan(workspace, edits(workspace)))
    with pytest.raises(PatchConflict, match=r"b\.py has changes in the editor"):
        await to_thread.run_sync(execute, planned)
    assert editor.buffers[workspace.root / "a.py"] == "a.py\n"
    assert (workspace.root / "a.py").read_text() == "a.py\n"
    assert (workspace.root / "b.py").read_text() == "b.py\n"


async def test_an_editor_that_goes_in_between_is_made_up_for_on_the_disk(open_files: Opened) -> None:
    workspace, editor = open_files
    editor.buffers[workspace.root / "b.py"] = "unsaved\n"
    planned = await reading(lambda: plan(workspace, edits(workspace)))

    async def refuse_all(path: Path, text: str) -> bool:
        editor.refuses.update({"a.py", "b.py"})
        editor.buffers[path] = text
        path.write_text(text)
        return path.name == "a.py"

    editor.write_text, first = (  # the first write works, then the editor refuses
        refuse_all,
        editor.write_text,
    )
    with pytest.raises(PatchConflict):
        await to_thread.run_sync(execute, planned)
    editor.write_text = first
    assert (workspace.root / "a.py").read_text() == "a.py\n"


@pytest.mark.parametrize(("name", "data"), [("latin.txt", b"caf\xe9\n"), ("marked.txt", b"\xef\xbb\xbfx\n")])
async def test_text_that_an_editor_would_not_keep_goes_by_the_disk(
    tmp_path: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    editor = BufferEditor({tmp_path / name: data.decode("utf-8-sig" if b"\xef" in data else "latin-1")})
    workspace = Workspace(tmp_path, EditorBuffers(editor))
    before = await reading(workspace.read, name)
    assert before.sha256 == sha256_of(data)
    planned = await reading(plan, workspace, [Change(name, before.sha256, before.text + "y\n")])
    await to_thread.run_sync(execute, planned)
    assert (tmp_path / name).read_bytes() == data + b"y\n"
    editor.buffers[tmp_path / name] = "unsaved\n"
    unsaved = await reading(workspace.read, name)
    with pytest.raises(PatchConflict, match="not saved"):
        await reading(plan, workspace, [Change(name, unsaved.sha256, "z\n")])


async def test_a_file_with_unsaved_changes_is_not_removed(open_files: Opened) -> None:
    workspace, editor = open_files
    gone = await reading(plan, workspace, [Change("a.py", sha256_of(b"a.py\n"), None)])
    await to_thread.run_sync(execute, gone)
    assert not (workspace.root / "a.py").exists()
    editor.buffers[workspace.root / "b.py"] = "unsaved\n"
    with pytest.raises(PatchConflict, match="not saved"):
        await reading(plan, workspace, [Change("b.py", sha256_of(b"unsaved\n"), None)])


async def test_line_endings_of_the_disk_stay_when_the_buffer_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    editor = BufferEditor({tmp_path / "a.txt": "one\ntwo\n"})
    workspace = Workspace(tmp_path, EditorBuffers(editor))
    file = await reading(workspace.read, "a.txt")
    assert file.sha256 == sha256_of(b"one\r\ntwo\r\n")
    await to_thread.run_sync(
        execute, await reading(plan, workspace, [Change("a.txt", file.sha256, "one\n2\n")])
    )
    assert (tmp_path / "a.txt").read_bytes() == b"one\r\n2\r\n"


async def test_odd_buffers_are_told_or_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("disk\n")
    (tmp_path / "bin").write_bytes(b"\0")
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    texts = {"a.txt": "\ud800", "bin": "text\n", "latin": "日本\n", "new.txt": "not saved yet\r\n"}
    editor = BufferEditor({tmp_path / name: text for name, text in texts.items()})
    workspace = Workspace(tmp_path, EditorBuffers(editor))
    found = {name: await reading(workspace.read, name) for name in texts}
    assert {name: file.text for name, file in found.items()} == {
        "a.txt": "disk\n", "bin": "text\n", "latin": "日本\n", "new.txt": "not saved yet\n",
    }  # fmt: skip
    fresh = await reading(plan, workspace, [Change("new.txt", found["new.txt"].sha256, "more\n")])
    await to_thread.run_sync(execute, fresh)
    assert editor.buffers[tmp_path / "new.txt"] == "more\r\n"
    binary = await reading(plan, workspace, [Change("x.txt", None, "\0\n")])
    await to_thread.run_sync(execute, binary)
    assert (tmp_path / "x.txt").read_bytes() == b"\0\n"


async def test_a_file_that_the_editor_made_goes_again_when_the_rest_fails(open_files: Opened) -> None:
    workspace, editor = open_files
    editor.buffers[workspace.root / "b.py"] = "unsaved\n"
    editor.refuses.add("b.py")
    changes = [Change("deep/new.py", None, "x\n"), Change("b.py", sha256_of(b"unsaved\n"), "y\n")]
    planned = await reading(plan, workspace, changes)
    with pytest.raises(PatchConflict):
        await to_thread.run_sync(execute, planned)
    assert sorted(path.name for path in workspace.root.iterdir()) == ["a.py", "b.py"]


@pytest.mark.parametrize("is_editor_back", [True, False])
async def test_after_a_crash_a_half_written_set_is_made_whole(
    open_files: Opened, is_editor_back: bool
) -> None:
    workspace, editor = open_files
    editor.buffers[workspace.root / "b.py"] = "unsaved\n"
    planned = await reading(lambda: plan(workspace, edits(workspace)))
    await editor.write_text(workspace.root / "a.py", "new a.py\n")  # the process died here
    after = workspace if is_editor_back else Workspace(workspace.root)
    assert await to_thread.run_sync(recover, after, planned.record) is Recovered.NOT_APPLIED
    assert (workspace.root / "a.py").read_text() == "a.py\n"
    assert (workspace.root / "b.py").read_text() == "b.py\n"
    assert editor.buffers[workspace.root / "b.py"] == "unsaved\n"


async def test_a_set_that_the_editor_has_and_did_not_save_is_applied_and_undone_there(
    open_files: Opened,
) -> None:
    workspace, editor = open_files
    editor.is_saving = False
    planned = await reading(lambda: plan(workspace, edits(workspace)))
    await to_thread.run_sync(execute, planned)
    assert await to_thread.run_sync(recover, workspace, planned.record) is Recovered.APPLIED
    assert (workspace.root / "a.py").read_text() == "a.py\n"
    await to_thread.run_sync(undo, workspace, planned.record)
    assert set(editor.buffers.values()) == {"a.py\n", "b.py\n"}
