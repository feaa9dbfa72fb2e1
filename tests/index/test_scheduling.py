"""The indexes of a process follow their workspaces by themselves, and let everybody ask meanwhile."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from naestro.config import IndexSettings, Settings
from naestro.errors import ConfigError, IndexUnavailable
from naestro.index.files.watch import FOLDERS_MAX
from naestro.index.found import IndexProgress
from naestro.index.indexing.holdings import NOT_YET
from naestro.index.only import Only
from naestro.index.scheduling import NO_PROJECT, Indexes
from naestro.policy.workspace import Workspace
from tests.index.indexed import workspace_of, write

pytestmark = pytest.mark.anyio

WAIT_S = 30.0


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))
    return workspace_of(tmp_path, {"a.py": "def alpha():\n    return 1\n", "b.py": "x = alpha()\n"})


def settings_of(_root: Path) -> Settings:
    return Settings(index=IndexSettings(embedder="none"))


@asynccontextmanager
async def opened(
    settings: Callable[[Path], Settings] = settings_of,
    *,
    is_following: bool = True,
    unused_s: float = 600.0,
    watched_max: int = FOLDERS_MAX,
) -> AsyncIterator[Indexes]:
    async with anyio.create_task_group() as tasks:
        async with Indexes(
            tasks, settings, is_following=is_following, unused_s=unused_s, watched_max=watched_max
        ) as indexes:
            yield indexes
        tasks.cancel_scope.cancel()


async def watched(indexes: Indexes, root: Path) -> None:
    """Wait until changes are followed."""
    await until(lambda: indexes.status(root), lambda status: status.is_watching)


async def until(ask, is_so):
    """Ask until the answer is as wanted."""
    with anyio.fail_after(WAIT_S):
        while not is_so(answer := await ask()):
            await anyio.lowlevel.checkpoint()
    return answer


async def test_where_no_index_can_be_made_the_files_as_they_are_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "index").write_text("no folder")
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "kept"))
    async with opened() as indexes:
        reply = await indexes.search(workspace.root, "alpha", only=Only("b.py"))
        assert [one.path for one in reply.results] == ["b.py"]
        assert reply.detail.endswith("Searched the files as they are, by words alone.")
        assert [one.path for one in await indexes.grep(workspace.root, "alpha")] == ["a.py", "b.py"]
        with pytest.raises(IndexUnavailable):
            await indexes.symbol(workspace.root, "alpha")


async def test_an_edit_a_new_folder_and_an_ignore_file_are_followed(workspace: Workspace) -> None:
    root = workspace.root

    async with opened() as indexes:
        await watched(indexes, root)

        async def found(name: str, *paths: str) -> None:
            await until(
                lambda: indexes.symbol(root, name),
                lambda places: [place.path for place in places] == [*paths],
            )

        await found("alpha", "a.py")
        write(workspace, {"a.py": "def alpha():\n    pass\n\ndef gamma():\n    return 3\n"})
        await found("gamma", "a.py")
        write(workspace, {"new/deep/c.py": "def delta(): pass\n"})
        await found("delta", "new/deep/c.py")
        write(workspace, {"new/deep/d.py": "def epsilon(): pass\n"})
        await found("epsilon", "new/deep/d.py")
        write(workspace, {".gitignore": "new/\n"})
        await found("delta")
        assert [found.path for found in (await indexes.search(root, "gamma")).results] == ["a.py"]


async def test_progress_is_told_to_everybody_who_listens_and_ends(workspace: Workspace) -> None:
    root = workspace.root
    async with opened(is_following=False) as indexes:
        assert indexes.progress(root) is None
        heard: list[list[IndexProgress]] = []

        async def listen() -> None:
            async with indexes.updating(root) as steps:
                heard.append([progress async for progress in steps])

        with anyio.fail_after(WAIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                tasks.start_soon(listen)
        assert [steps[-1].phase for steps in heard] == ["done", "done"]
        assert heard[0][-1] == indexes.progress(root)
        assert (await indexes.update(root, is_anew=True)).files == 2


async def test_a_listener_that_goes_leaves_the_run_going_on(workspace: Workspace) -> None:
    async with opened(is_following=False) as indexes:
        async with indexes.updating(workspace.root):
            pass
        assert (await indexes.update(workspace.root)).phase == "done"
        assert (await indexes.status(workspace.root)).files == 2


async def test_nothing_is_indexed_by_itself_where_the_settings_or_the_process_do_not_want_it(
    workspace: Workspace,
) -> None:
    def calm(_root: Path) -> Settings:
        return Settings(index=IndexSettings(embedder="none", automatic=False))

    for settings, is_following in ((calm, True), (settings_of, False)):
        async with opened(settings, is_following=is_following) as indexes:
            reply = await indexes.search(workspace.root, "alpha")
            assert [found.path for found in reply.results] == ["a.py", "b.py"]
            assert NOT_YET in reply.detail
            assert (await indexes.status(workspace.root)).files == 0


async def test_every_question_is_answered(workspace: Workspace) -> None:
    root = workspace.root
    async with opened(is_following=False) as indexes:
        await indexes.update(root)
        assert [place.path for place in await indexes.references(root, "alpha")] == ["b.py"]
        assert [place.name for place in await indexes.outline(root, "a.py")] == ["alpha"]
        assert "alpha" in (await indexes.map(root, 500, "alpha")).text
        assert [match.path for match in await indexes.grep(root, "alph.")] == ["a.py", "b.py"]
        assert (await indexes.open(root)).workspace == workspace


async def test_the_index_of_a_workspace_that_is_used_is_made_meanwhile(workspace: Workspace) -> None:
    async with opened() as indexes:
        indexes.use(workspace.root)
        with anyio.fail_after(WAIT_S):
            while indexes.progress(workspace.root) is None:
                await anyio.lowlevel.checkpoint()
        await watched(indexes, workspace.root)
        assert (await indexes.status(workspace.root)).files == 2


async def test_settings_that_cannot_be_read_hurt_nobody_who_did_not_ask(workspace: Workspace) -> None:
    def wrong(_root: Path) -> Settings:
        raise ConfigError("The settings are wrong.")

    async with opened(wrong) as indexes:
        indexes.use(workspace.root)
        with pytest.raises(ConfigError):
            await indexes.search(workspace.root, "alpha")


async def test_other_settings_count_from_the_next_run_on(workspace: Workspace) -> None:
    embedders = ["none"]

    def changing(_root: Path) -> Settings:
        return Settings(index=IndexSettings(embedder=embedders[-1]))

    async with opened(changing, is_following=False) as indexes:
        await indexes.update(workspace.root)
        embedders.append("static")
        assert (await indexes.update(workspace.root)).files == 2
        status = await indexes.status(workspace.root)
        assert status.embedder == "static"
        assert "built anew" in status.detail


async def test_an_index_that_nobody_uses_is_closed_and_opened_again(workspace: Workspace) -> None:
    async with opened(unused_s=0.05) as indexes:
        await watched(indexes, workspace.root)
        first = await indexes.open(workspace.root)
        with anyio.fail_after(WAIT_S):
            while await indexes.open(workspace.root) is first:
                await anyio.lowlevel.checkpoint()
        assert [place.path for place in await indexes.symbol(workspace.root, "alpha")] == ["a.py"]


async def test_the_home_folder_is_indexed_only_when_that_is_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(workspace.root / "sub"))
    async with opened() as indexes:
        status = await indexes.status(workspace.root)
        assert (status.updated, status.is_indexing) == ("", False)
        assert NO_PROJECT in status.detail
        assert indexes.progress(workspace.root) is None
        assert (await indexes.update(workspace.root)).phase == "done"
    (workspace.root / "naestro.toml").touch()
    async with opened() as indexes:
        await watched(indexes, workspace.root)


async def test_a_damaged_index_mends_itself_after_a_question(workspace: Workspace) -> None:
    root = workspace.root
    async with opened(is_following=False) as indexes:
        await indexes.update(root)
        folder = (await indexes.open(root)).store.folder
    for file in (folder / "chunks.lance").rglob("*"):
        if file.is_file():
            file.write_bytes(b"nonsense")
    async with opened(is_following=False) as indexes:
        assert (await indexes.search(root, "alpha")).detail
        reply = await until(lambda: indexes.search(root, "alpha"), lambda reply: not reply.detail)
        assert reply.results[0].path == "a.py"


async def test_two_processes_share_one_index(workspace: Workspace) -> None:
    root = workspace.root
    async with opened() as writer, opened(is_following=False) as reader:
        await watched(writer, root)
        assert (await reader.update(root)).phase == "waiting"
        write(workspace, {"c.py": "def gamma(): pass\n"})
        places = await until(lambda: reader.symbol(root, "gamma"), bool)
        assert [place.path for place in places] == ["c.py"]


async def test_what_cannot_be_watched_is_said(workspace: Workspace) -> None:
    async with opened(watched_max=0) as indexes:
        status = await until(
            lambda: indexes.status(workspace.root), lambda status: "Changes are looked for" in status.detail
        )
        assert not status.is_watching


async def test_a_defect_in_one_run_is_told_and_ends_nothing_else(workspace: Workspace) -> None:
    root = workspace.root
    async with opened() as indexes:
        assert (await indexes.update(root)).phase == "done"
        manifest = next((root.parent / "cache" / "index").glob("*/manifest.sqlite"))
        with closing(sqlite3.connect(manifest)) as connection, connection:
            # What no run has written and SQLite takes all the same: a path that is no text.
            connection.execute("UPDATE files SET path = x'ff' WHERE path = 'a.py'")
        last = await indexes.update(root)
        assert (last.phase, "A defect in Naestro" in last.detail) == ("failed", True)
        assert "A defect in Naestro" in (await indexes.status(root)).detail
        assert (await indexes.update(root, is_anew=True)).phase == "done"
        assert [place.path for place in await indexes.symbol(root, "alpha")] == ["a.py"]
