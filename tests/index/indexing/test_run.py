"""Index runs: what is new is found, what is gone is not, whatever lies in the workspace."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from naestro.errors import IndexUnavailable
from naestro.index.embed.static import static_embedder
from naestro.index.files.manifest import FileRecord
from naestro.index.files.reading import MINIFIED_SIZE_MIN, read, reason_against
from naestro.index.files.walk import Stamp, walk
from naestro.index.found import IndexProgress
from naestro.index.indexing.difference import Difference, Stopped, of_workspace
from naestro.index.indexing.holdings import NOT_YET, OTHER_WRITES
from naestro.index.indexing.meter import Meter
from naestro.index.indexing.run import FILES_HERE_MAX, Run, Site
from naestro.index.indexing.standing import FIRST_RUN
from naestro.index.taking.frames import Setup
from naestro.index.taking.taken import Task
from naestro.index.taking.taking import SETTLED_S, Taker, is_settled
from naestro.index.taking.workers import (
    BATCH_BYTES,
    BATCH_FILES_MAX,
    Shelf,
    WorkerPool,
    WorkersUnavailable,
    batches,
    worker_count,
)
from naestro.index.workspace_index import MAP_IN_PART, STOPPED, silent
from naestro.policy.workspace import FILE_SIZE_MAX, Workspace
from tests.index.indexed import index_of, paths, workspace_of, write
from tests.support.unprivileged import unprivileged


def test_a_first_run_finds_everything_and_a_second_does_nothing(workspace: Workspace) -> None:
    with index_of(workspace, is_run=False) as index:
        told: list[IndexProgress] = []
        done = index.refresh(progress=told.append)
        assert (done.phase, done.files, done.files_in_all, done.chunks) == ("done", 2, 2, 2)
        assert [told[0].phase, told[-1].phase] == ["walking", "done"]
        assert paths(index, "alpha")[0] == "a.py"
        assert [place.path for place in index.references("alpha")] == ["b.py"]
        assert index.refresh().files == 0


def test_an_edited_a_new_and_a_removed_file_are_followed(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        write(workspace, {"a.py": "def gamma():\n    return 1\n", "sub/c.py": "def delta():\n    return 2\n"})
        (workspace.root / "b.py").unlink()
        done = index.refresh(["a.py", "sub/c.py", "b.py", "never.py"])
        assert (done.phase, done.files) == ("done", 2)
        assert paths(index, "gamma") == ["a.py"]
        assert paths(index, "delta") == ["sub/c.py"]
        assert paths(index, "alpha beta") == []
        assert index.symbol("gamma")[0].path == "a.py"


def test_a_file_that_says_the_same_again_is_not_taken_in_again(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        os.utime(workspace.root / "a.py", (1, 1))
        assert index.refresh().files == 0
        record = index.manifest.record("a.py")
        assert record is not None
        assert record.stamp.mtime_ns == 1_000_000_000


def test_a_change_within_the_grain_of_the_clock_is_seen(workspace: Workspace) -> None:
    target = workspace.root / "a.py"
    with index_of(workspace) as index:
        before = target.stat()
        with target.open("r+b") as file:  # the same size and inode
            file.write(b"def omega():")
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
        record = index.manifest.record("a.py")
        assert record is not None
        assert not record.is_settled
        # As if the change time were the same, too: the grain of some file systems is two seconds.
        index.manifest.restamp([_with_stamp(record, Stamp.of(target.stat()))])
        assert index.refresh().files == 1
        assert paths(index, "omega") == ["a.py"]


def _with_stamp(record, stamp):
    return type(record)(record.path, stamp, record.is_settled, record.hash, record.language, record.chunks)


def test_a_stamp_is_trusted_two_seconds_after_the_last_change() -> None:
    now = 10_000_000_000
    assert is_settled(Stamp(1, now - 3_000_000_000, now - 3_000_000_000, 1), now)
    assert not is_settled(Stamp(1, now - 3_000_000_000, now - 1_000_000_000, 1), now)
    assert not is_settled(Stamp(1, now + int(SETTLED_S), 0, 1), now)


def test_files_leave_when_they_are_ignored_and_come_back(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        write(workspace, {".gitignore": "b.py\n"})
        index.refresh([".gitignore"])
        assert paths(index, "beta") == []
        assert index.symbol("beta") == []
        (workspace.root / ".gitignore").unlink()
        index.refresh([".gitignore"])
        assert paths(index, "beta") == ["b.py"]


def test_a_folder_that_goes_takes_its_files_along_and_one_that_comes_brings_them(
    workspace: Workspace,
) -> None:
    write(workspace, {"sub/deep/c.py": "def delta():\n    return 2\n"})
    with index_of(workspace) as index:
        (workspace.root / "sub").rename(workspace.root / "other")
        index.refresh(["sub", "other"])
        assert paths(index, "delta") == ["other/deep/c.py"]


def test_a_file_that_becomes_a_folder_and_a_file_again_is_followed(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        (workspace.root / "a.py").unlink()
        write(workspace, {"a.py/inner.py": "def inner(): pass\n"})
        index.refresh(["a.py"])
        assert index.manifest.paths() == ["a.py/inner.py", "b.py"]
        shutil.rmtree(workspace.root / "a.py")
        write(workspace, {"a.py": "def alpha(): pass\n"})
        index.refresh(["a.py"])
        assert index.manifest.paths() == ["a.py", "b.py"]


def test_a_file_that_becomes_a_secret_a_link_or_binary_leaves(workspace: Workspace) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n"
    write(workspace, {"c.py": "def delta(): pass\n", "d.py": "def epsilon(): pass\n"})
    with index_of(workspace) as index:
        (workspace.root / "a.py").write_text(f"alpha = '''{key}'''")
        (workspace.root / "b.py").write_bytes(b"beta\0\0")
        (workspace.root / "c.py").unlink()
        (workspace.root / "c.py").symlink_to("d.py")
        index.refresh()
        assert paths(index, "alpha beta delta") == []
        status = index.status()
        assert status.skipped == {"binary": 1, "holds a private key": 1}
        assert (status.files, status.skipped_files) == (1, 2)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"caf\xe9 = 1\n", ""),
        ("größe = 1\n".encode("utf-16"), ""),
        (b"\xff\xfe\x00\xd8", "binary"),
        (b"a\0b", "binary"),
        (b"\x01\x02\xff", "binary"),
        (b"", ""),
        (b"x" * (FILE_SIZE_MAX + 1), f"larger than {FILE_SIZE_MAX} bytes"),
        (b"var a=1;" * MINIFIED_SIZE_MIN, "minified"),
        (b"# Code generated by protoc. DO NOT EDIT.\n", "generated"),
        (b"x = 1;" * 100, ""),
    ],
)
def test_content_is_taken_in_or_left_out_for_a_reason(data: bytes, reason: str) -> None:
    assert reason_against(data) == reason


def test_bad_input_is_at_most_a_warning(workspace: Workspace) -> None:
    root = workspace.root
    (root / "latin.py").write_bytes(b"# caf\xe9\ndef coffee():\n    pass\n")
    (root / "line.txt").write_text("zeta " * 3_000)
    (root / "nul.py").write_bytes(b"def zero():\0\n")
    (root / "new\nline.py").write_text("def nobody(): pass\n")
    with (root / "large.py").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with index_of(workspace) as index:
        assert paths(index, "coffee") == ["latin.py"]
        assert paths(index, "zeta") == ["line.txt"]
        assert paths(index, "nobody zero") == []
        assert "names that no line of text can hold" in index.status().detail


def test_a_file_without_permission_is_left_out_until_it_has_it() -> None:
    with unprivileged() as folder:
        workspace = workspace_of(folder, {"a.py": "def alpha(): pass\n", "b.py": "def beta(): pass\n"})
        (workspace.root / "a.py").chmod(0)
        taken = Taker(workspace.root).take([Task(seen.path, seen.stamp, b"") for seen in walk(workspace)])
        assert [file.entry.record.skipped for file in taken.files if file.entry] == [
            "cannot be read: Permission denied",
            "",
        ]


def test_a_file_that_vanishes_before_it_is_read_is_gone(workspace: Workspace) -> None:
    (task, _) = [Task(seen.path, seen.stamp, b"") for seen in walk(workspace)]
    (workspace.root / "a.py").unlink()
    assert Taker(workspace.root).take([task]).files[0].entry is None
    (workspace.root / "a.py").mkdir()
    with pytest.raises(FileNotFoundError):
        read(workspace.root, "a.py")


def test_many_files_are_taken_in_by_workers_with_the_same_result(workspace: Workspace) -> None:
    files = {f"many/m{n}.py": f"def made_{n}():\n    return {n}\n" for n in range(FILES_HERE_MAX + 5)}
    write(workspace, files)
    with index_of(workspace, embedder="static") as index:
        assert index.status().files == len(files) + 2
        assert paths(index, "made_17")[0] == "many/m17.py"
        assert index.store.count == index.manifest.counts().chunks
        question = static_embedder().query("made_17")
        found = {one.path: one.vector_score for one in index.store.candidates(["made17"], question)}
        assert found["many/m17.py"] > 0


def test_after_a_run_that_failed_nothing_is_said_not_to_be_there(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        assert index.symbol("gamma") == []
        index.standing.trouble = "The index cannot be written: database or disk is full."
        with pytest.raises(IndexUnavailable, match="disk is full"):
            index.symbol("gamma")
        assert index.symbol("alpha")
        assert index.search("alpha").note == index.standing.trouble
        assert index.refresh().phase == "done"
        assert (index.symbol("gamma"), index.search("alpha").note) == ([], "")


def test_an_index_made_anew_by_request_is_no_warning(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    with index_of(workspace) as index:
        assert index.refresh(is_anew=True).phase == "done"
    assert caplog.messages == []


def test_a_run_that_is_stopped_goes_on_later(workspace: Workspace) -> None:
    with index_of(workspace, is_run=False) as index:
        stop = threading.Event()
        stop.set()
        last = index.refresh(stop=stop)
        assert (last.phase, last.detail) == ("failed", STOPPED)
        assert index.refresh().phase == "done"
        assert paths(index, "alpha")[0] == "a.py"
        assert index.status().detail == ""


def test_a_map_of_a_first_index_that_is_not_complete_says_so(workspace: Workspace) -> None:
    with index_of(workspace) as index:
        assert index.map().note == ""
        index.manifest.note(updated="")  # as until the end of the first run
        assert index.map().files
        assert index.map().note == MAP_IN_PART


def test_a_walk_is_stopped_too(workspace: Workspace) -> None:
    stop = threading.Event()
    with index_of(workspace) as index:
        write(workspace, {"sub/c.py": "def delta():\n    return 2\n"})
        on_the_way = walk(workspace, stop)
        assert next(iter(on_the_way)).path == "a.py"
        stop.set()
        assert list(on_the_way) == []
        with pytest.raises(Stopped):
            of_workspace(workspace, index.manifest, stop)


def test_an_index_whose_folder_was_taken_away_is_made_again_and_written_by_one(workspace: Workspace) -> None:
    folder = workspace.root.with_name("index")
    with index_of(workspace) as index:
        shutil.rmtree(folder)
        assert index.refresh().phase == "done"
        assert paths(index, "alpha")[0] == "a.py"
        assert (folder / "chunks.lance").is_dir()
        with index_of(workspace, is_run=False) as other:
            assert other.refresh().phase == "waiting"
            assert paths(other, "alpha")[0] == "a.py"


def test_an_index_is_for_its_owner_alone_whoever_made_its_folder(workspace: Workspace) -> None:
    folder = workspace.root.with_name("index")
    folder.mkdir(mode=0o755)
    with index_of(workspace):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_an_index_that_is_thrown_away_under_a_search_does_not_answer_with_nothing(
    workspace: Workspace,
) -> None:
    class Emptied(dict[str, str | None]):
        """What a search reads while another thread throws the index away."""

        def items(self):
            index._holdings.erase("It is made anew.")
            return super().items()

    with index_of(workspace) as index:
        reply = index.search("alpha", buffers=Emptied({"b.py": ""}))
        assert [found.path for found in reply.results][:1] == ["a.py"]
        assert FIRST_RUN in reply.detail


def tasks_of(workspace: Workspace) -> list[Task]:
    return [Task(seen.path, seen.stamp, b"") for seen in walk(workspace)]


def test_frames_are_bounded_and_hold_every_file_once() -> None:
    tasks = [
        Task(f"{n}.py", Stamp(size, 0, 0, 0), b"") for n, size in enumerate([BATCH_BYTES * 2, 5, *[10] * 200])
    ]
    found = batches(tasks)
    assert sorted(task.path for batch in found for task in batch) == sorted(task.path for task in tasks)
    assert found[0] == [tasks[0]]
    assert max(map(len, found)) == BATCH_FILES_MAX
    assert batches([]) == []
    assert worker_count() >= 1


class TestWorkers:
    """Processes that die, hang or do not come up."""

    def test_a_file_that_kills_its_worker_is_left_out_alone(self, workspace: Workspace) -> None:
        program = [sys.executable, "-c", _WORKER.format(bad="import os; os._exit(1)")]
        assert self._taken(workspace, program) == {"a.py": "its parser crashed or did not end", "b.py": ""}

    def test_a_file_that_does_not_end_is_left_out_alone(self, workspace: Workspace) -> None:
        program = [sys.executable, "-c", _WORKER.format(bad="import time; time.sleep(600)")]
        assert self._taken(workspace, program, stuck_s=3.0) == {
            "a.py": "its parser crashed or did not end",
            "b.py": "",
        }

    def test_where_no_worker_comes_up_the_caller_hears_it(self, workspace: Workspace) -> None:
        with pytest.raises(WorkersUnavailable):
            self._taken(workspace, [sys.executable, "-c", ""])
        with pytest.raises(WorkersUnavailable):
            self._taken(workspace, ["/nonexistent/python"])

    def test_a_pool_that_is_closed_early_leaves_no_process(self, workspace: Workspace) -> None:
        with closing(Shelf(Setup(str(workspace.root)))) as shelf:
            WorkerPool(shelf, tasks_of(workspace), 2).close()
        assert [thread for thread in threading.enumerate() if thread.name.startswith("naestro-index")] == []

    def _taken(self, workspace: Workspace, program: list[str], stuck_s: float = 60.0) -> dict[str, str]:
        with (
            closing(Shelf(Setup(str(workspace.root)), program=program, stuck_s=stuck_s)) as shelf,
            closing(WorkerPool(shelf, tasks_of(workspace), 1)) as pool,
        ):
            return {
                file.path: file.entry.record.skipped
                for batch in pool
                for file in batch.files
                if file.entry is not None
            }


_WORKER = """
from naestro.index.taking import taking, worker
good = taking.Taker.take
def take(self, tasks):
    if any(task.path == "a.py" for task in tasks):
        {bad}
    return good(self, tasks)
taking.Taker.take = take
worker.main()
"""


class TestTwoProcesses:
    """One writes, the others read."""

    def test_the_second_reads_what_the_first_writes_and_takes_its_place_when_it_goes(
        self, workspace: Workspace
    ) -> None:
        with index_of(workspace) as writer, index_of(workspace, is_run=False) as reader:
            last = reader.refresh()
            assert (last.phase, last.detail) == ("waiting", OTHER_WRITES)
            assert paths(reader, "alpha")[0] == "a.py"
            write(workspace, {"c.py": "def gamma(): pass\n"})
            writer.refresh()
            assert paths(reader, "gamma") == ["c.py"]
            assert reader.symbol("gamma")[0].path == "c.py"
            assert OTHER_WRITES in reader.status().detail
            writer.refresh(is_anew=True)
            assert paths(reader, "gamma") == ["c.py"]
            writer.close()
            write(workspace, {"d.py": "def delta(): pass\n"})
            assert reader.refresh().phase == "done"
            assert paths(reader, "delta") == ["d.py"]

    def test_a_reader_of_an_index_that_is_not_there_yet_says_so(self, workspace: Workspace) -> None:
        with index_of(workspace, is_run=False) as writer, index_of(workspace, is_run=False) as reader:
            with pytest.raises(IndexUnavailable):
                reader.symbol("alpha")
            assert NOT_YET in reader.status().detail
            reply = reader.search("alpha")
            assert [found.path for found in reply.results] == ["a.py", "b.py"]
            assert NOT_YET in reply.detail
            for ask in (writer.symbol, writer.references, lambda name: writer.map(100, name)):
                with pytest.raises(IndexUnavailable, match=NOT_YET):
                    ask("alpha")
            assert [place.name for place in writer.outline("a.py")] == ["alpha"]
            assert writer.refresh().phase == "done"
            assert paths(reader, "alpha")[0] == "a.py"


_FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from naestro.config import IndexSettings, Settings
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace
root = Path(sys.argv[1])
settings = Settings(index=IndexSettings(embedder="none"))
with WorkspaceIndex(Workspace(root), settings, root.with_name("index")) as index:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
    last = index.refresh()
    print(last.phase, "|", last.detail)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(index.refresh().phase, index.search("alpha").results[0].path)
"""


def test_a_full_disk_fails_the_run_with_a_sentence_and_the_next_one_goes_on(workspace: Workspace) -> None:
    program = [sys.executable, "-c", _FULL, str(workspace.root)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout.splitlines()
    assert len(said) == 2, done.stderr
    phase, _, detail = said[0].partition(" | ")
    assert phase == "failed"
    assert detail.endswith(".")
    assert said[1] == "done a.py"


def test_files_whose_grammar_cannot_be_loaded_are_read_again_once_it_can(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    write(workspace, {f"{n}.py": f"def gamma{n}(): ...\n" for n in range(FILES_HERE_MAX)})
    with index_of(workspace, is_run=False) as index:
        with monkeypatch.context() as broken:  # the workers' grammars, since they unpack their own
            broken.setenv("SEMBLE_GRAMMARS_CACHE_DIR", str(tmp_path / "file"))
            assert index.refresh().phase == "done"
        assert f"names are missing in files: {FILES_HERE_MAX + 2}." in index.status().detail
        assert index.symbol("gamma1") == []
        assert index.refresh().files == FILES_HERE_MAX + 2
        assert [place.path for place in index.symbol("gamma1")] == ["1.py"]
        assert index.status().detail == ""
        assert index.refresh().files == 0


def test_files_whose_grammar_still_cannot_be_loaded_are_let_be(workspace: Workspace) -> None:
    found = Difference()
    for seen in walk(workspace):
        found.compare(seen, FileRecord(seen.path, seen.stamp, True, b"h", "none", 1, lacks="no such"))
    assert (found.seen, found.is_nothing) == (2, True)


def test_a_worker_loads_no_settings() -> None:
    loaded = "{'pydantic', 'naestro.config', 'lancedb'} & set(sys.modules)"
    program = f"import sys, naestro.index.taking.worker; print({loaded})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "set()\n"


def test_files_that_were_taken_apart_before_need_no_worker(workspace: Workspace, tmp_path: Path) -> None:
    many = {f"{n}.py": f"def gamma{n}(): ...\n" for n in range(2 * FILES_HERE_MAX)}
    write(workspace, many)
    with index_of(workspace) as index:
        embedding, started = index._embedding, tmp_path / "started"
        shelf = Shelf(embedding.setup(workspace.root), program=("touch", str(started)))
        site = Site(workspace, index.manifest, lambda: index.store, embedding, shelf)
        write(workspace, {"a.py": "def delta():\n    return 2\n"})
        Run(site, Difference(tasks_of(workspace)), Meter(silent), threading.Event())()
        assert not started.exists()
        assert [place.path for place in index.symbol("gamma1")] == ["1.py"]
        assert [place.path for place in index.symbol("delta")] == ["a.py"]
        write(workspace, {path: f"{text}x = 1\n" for path, text in many.items()})
        Run(site, Difference(tasks_of(workspace)), Meter(silent), threading.Event())()
        assert started.exists()
        assert index.refresh().files == 0
