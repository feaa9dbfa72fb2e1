"""What is damaged is noticed and built anew by itself, and said."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from naestro.errors import IndexDamaged
from naestro.index.indexing.standing import FIRST_RUN
from naestro.policy.workspace import Workspace
from tests.index.indexed import index_of, paths, write


def test_damage_that_a_search_met_is_mended_by_the_next_process_s_run(workspace: Workspace) -> None:
    with index_of(workspace):
        pass
    for file in (workspace.root.with_name("index") / "chunks.lance" / "data").iterdir():
        file.write_bytes(b"")
    with index_of(workspace, is_run=False) as index:
        assert "damaged" in index.search("alpha").detail
    with index_of(workspace) as index:
        reply = index.search("alpha")
        assert (reply.results[0].path, reply.detail) == ("a.py", "")


def test_a_manifest_with_a_flipped_byte_in_a_path_is_made_anew(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        manifest = index.manifest
        manifest.checkpoint()
    with closing(sqlite3.connect(workspace.root.with_name("index") / "manifest.sqlite")) as file, file:
        file.execute("UPDATE files SET path = CAST(x'ff2e7079' AS TEXT) WHERE path = 'a.py'")
    with index_of(workspace) as index:
        assert "It was built anew." in index.status().detail
        assert paths(index, "alpha")[0] == "a.py"


@pytest.mark.parametrize("packed", ["x'91a1ff'", "x'c1'", "7"])
def test_names_that_cannot_be_decoded_are_damage_and_mended(workspace: Workspace, packed: str) -> None:
    with index_of(workspace) as index:
        index.manifest.checkpoint()
    with closing(sqlite3.connect(workspace.root.with_name("index") / "manifest.sqlite")) as file, file:
        file.execute(f"UPDATE uses SET imports = {packed}")
    with index_of(workspace, is_run=False) as index:
        with pytest.raises(IndexDamaged, match="The index is damaged"):
            index.map()
        assert index.refresh().phase == "done"
        assert index.map().files > 0
        assert "It was built anew." in index.status().detail


def test_damage_that_was_mended_meanwhile_is_forgotten(workspace: Workspace) -> None:
    class Healed(dict[str, str | None]):
        """What a search reads while another thread builds the index anew."""

        def items(self):
            assert index.refresh(is_anew=True).phase == "done"
            raise IndexDamaged("The index is damaged.")

    with index_of(workspace) as index:
        assert FIRST_RUN in index.search("alpha", buffers=Healed(a="")).detail
        assert index.standing.damage == ""


class TestDamage:
    """What is damaged is built anew by itself, and said."""

    @pytest.fixture
    def folder(self, workspace: Workspace) -> Path:
        with index_of(workspace):
            pass
        return workspace.root.with_name("index")

    def test_a_damaged_manifest_is_built_anew(self, workspace: Workspace, folder: Path) -> None:
        (folder / "manifest.sqlite").write_bytes(b"nonsense" * 1000)
        with index_of(workspace) as index:
            assert paths(index, "alpha")[0] == "a.py"
            assert "built anew" in index.status().detail

    def test_a_table_that_lost_its_chunks_is_built_anew(self, workspace: Workspace, folder: Path) -> None:
        from naestro.index.storage.store import erase

        erase(folder)
        with index_of(workspace, is_run=False) as index:
            write(workspace, {"c.py": "def gamma(): pass\n"})
            assert index.refresh().files == 3
            assert paths(index, "alpha")[0] == "a.py"
            assert "built anew" in index.status().detail

    def test_a_damaged_table_is_built_anew_at_the_next_run(self, workspace: Workspace, folder: Path) -> None:
        for file in (folder / "chunks.lance").rglob("*"):
            if file.is_file():
                file.write_bytes(b"nonsense")
        with index_of(workspace, is_run=False) as index:
            reply = index.search("alpha")
            assert [found.path for found in reply.results] == ["a.py", "b.py"]
            assert reply.detail
            assert index.standing.damage
            assert index.refresh().phase == "done"
            assert paths(index, "alpha")[0] == "a.py"
            assert index.search("alpha").detail == ""
            assert not index.standing.damage

    @pytest.mark.parametrize("part", ["_indices", "data"])
    def test_what_a_failing_disk_changes_is_noticed_while_it_is_quiet(
        self, workspace: Workspace, folder: Path, part: str
    ) -> None:
        with index_of(workspace, is_run=False) as index:
            index.store.compact()
        # LanceDB makes other results of it, and no error.
        file = max((folder / "chunks.lance" / part).rglob("*.lance"), key=lambda file: file.stat().st_size)
        content = file.read_bytes()
        file.write_bytes(
            content[: len(content) // 3]
            + bytes([content[len(content) // 3] ^ 1])
            + content[len(content) // 3 + 1 :]
        )
        with index_of(workspace, is_run=False) as index:
            index.rest(threading.Event())
            assert file.name in index.standing.damage
            assert not index.standing.trouble
            assert index.refresh().phase == "done"
            assert "has changed on the disk. It was built anew." in index.status().detail
            assert paths(index, "alpha")[0] == "a.py"

    def test_a_look_for_damage_that_is_stopped_is_made_again(
        self, workspace: Workspace, folder: Path
    ) -> None:
        with index_of(workspace, is_run=False) as index:
            index.store.compact()
        names = [f"data/{file.name}" for file in (folder / "chunks.lance" / "data").iterdir()]
        (folder / "chunks.sums").write_text(json.dumps(dict.fromkeys([*names, "data/gone.lance"], 1)))
        stop = threading.Event()
        stop.set()
        with index_of(workspace, is_run=False) as index:
            index.rest(stop)
            assert not index.standing.damage
            index.rest(threading.Event())
            assert index.standing.damage
            assert index.refresh().phase == "done"
            (folder / "chunks.sums").write_text("nonsense")
            index.rest(threading.Event())
            assert not index.standing.damage

    def test_another_embedder_is_another_index_and_said(self, workspace: Workspace, folder: Path) -> None:
        with index_of(workspace, embedder="static") as index:
            assert "static now, no longer none" in index.status().detail
            assert paths(index, "alpha")[0] == "a.py"

    def test_what_a_killed_run_was_about_to_write_is_written_again(
        self, workspace: Workspace, folder: Path
    ) -> None:
        with index_of(workspace, is_run=False) as index:
            index.manifest.begin(["a.py", "gone.py"])
        with index_of(workspace) as index:
            assert index.manifest.pending() == set()
            assert paths(index, "alpha")[0] == "a.py"
