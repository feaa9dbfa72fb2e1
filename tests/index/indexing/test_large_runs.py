"""Large runs in a process of their own: found at once; killed, stopped or orphaned, the next run mends all."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naestro.index.found import UNSAID, IndexProgress
from naestro.index.indexing.run import FILES_HERE_MAX
from naestro.index.place import Lease
from naestro.index.workspace_index import STOPPED, WorkspaceIndex
from naestro.policy.workspace import Workspace
from tests.index.indexed import Files, index_of, workspace_of, write

MANY = FILES_HERE_MAX + 20
WAIT_S = 30.0


def name(word: str, number: int, part: int = 1) -> str:
    """One word that stands in one file alone."""
    return word + "".join(chr(ord("a") + int(digit)) for digit in f"{number:03}{part}")


def files(word: str, count: int = MANY) -> Files:
    """`count` files, each with its own words and functions enough for a few chunks."""
    body = "\n".join(f"    value_{n} = {n} * number  # {'x' * 60}" for n in range(20))
    return {
        f"m{n}.py": "\n\n".join(f"def {name(word, n, part)}(number):\n{body}" for part in range(3))
        for n in range(count)
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path, {**files("alpha"), "steady.py": "def steady():\n    return 1\n"})


@pytest.fixture
def followed(workspace: Workspace) -> Iterator[WorkspaceIndex]:
    """An index that a daemon keeps: complete, searched, with an indexer that stays."""
    with index_of(workspace, embedder="static") as index:
        index.large_runs.is_lasting = True
        index.search(name("alpha", 7))
        yield index


def paths(index: WorkspaceIndex, question: str) -> list[str]:
    """The files of the chunks that hold a word of the question, the best first."""
    reply = index.search(question)
    if reply.note.startswith(UNSAID):
        return []
    assert reply.detail == ""
    return [found.path for found in reply.results]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline
        os.sched_yield()


def assert_whole(index: WorkspaceIndex) -> None:
    assert index.manifest.pending() == set()
    assert index.store.count == index.manifest.counts().chunks


class TestFollowed:
    """The process that answers searches follows what its indexer writes."""

    def test_what_the_indexer_wrote_is_found_at_once_and_after_it_is_compacted(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        before = followed.search(name("alpha", 7)).results[0].score
        write(workspace, files("beta"))
        assert followed.refresh().phase == "done"
        for _ in ("in memory", "compacted"):
            assert paths(followed, name("beta", 7))[0] == "m7.py"
            assert paths(followed, name("alpha", 7)) == []
            assert_whole(followed)
            assert followed.store.is_covered
            found = followed.search(name("beta", 7)).results[0]
            assert found.score == pytest.approx(before, rel=0.1)
            assert not followed.store._lacks_records
            followed.store._compacted_at, followed.store._lacks_records = float("-inf"), True
            followed.rest(threading.Event())
            assert followed.standing.trouble == ""
            assert followed.large_runs.pid is None

    def test_a_file_that_is_edited_after_a_large_run_is_found_as_it_is(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta"))
        followed.refresh()
        write(workspace, {"m7.py": "def gamma():\n    return 1\n"})
        assert followed.refresh(["m7.py"]).phase == "done"
        assert paths(followed, "gamma")[:1] == ["m7.py"]
        assert "m7.py" not in paths(followed, name("beta", 7))
        (workspace.root / "m8.py").unlink()
        followed.refresh(["m8.py"])
        assert "m8.py" not in paths(followed, name("beta", 8))
        write(workspace, files("delta"))
        followed.refresh()
        assert paths(followed, "gamma") == []
        assert paths(followed, name("delta", 7))[0] == "m7.py"
        assert_whole(followed)

    def test_files_that_go_in_great_number_are_gone(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        for n in range(MANY - 2):
            (workspace.root / f"m{n}.py").unlink()
        followed.refresh()
        assert paths(followed, name("alpha", 7)) == []
        assert {*paths(followed, "value number")} <= {f"m{MANY - 2}.py", f"m{MANY - 1}.py", "steady.py"}
        assert_whole(followed)

    def test_unseen_files_become_fewer_while_the_indexer_works(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        seen: list[int] = []
        write(workspace, files("beta"))
        followed.refresh(progress=lambda _: seen.append(followed.status().unseen_files))
        assert seen[0] == 0
        assert max(seen) >= MANY
        assert seen[-1] == 0

    def test_another_process_reads_on(self, workspace: Workspace, followed: WorkspaceIndex) -> None:
        with index_of(workspace, embedder="static", is_run=False) as reader:
            assert paths(reader, name("alpha", 7))[0] == "m7.py"
            is_over = threading.Event()
            found: list[list[str]] = []

            def read() -> None:
                while not is_over.is_set():
                    found.append(paths(reader, "steady")[:1])

            thread = threading.Thread(target=read)
            thread.start()
            write(workspace, files("beta"))
            followed.refresh()
            followed.store._compacted_at = float("-inf")
            followed.store._lacks_records = True
            followed.rest(threading.Event())
            is_over.set()
            thread.join(WAIT_S)
            assert found
            assert {*map(tuple, found)} == {("steady.py",)}
            assert paths(reader, name("beta", 7))[0] == "m7.py"

    def test_the_indexer_is_started_before_it_is_needed_and_ends_when_it_is_quiet(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        followed.large_runs.expect()
        pid = followed.large_runs.pid
        assert pid is not None
        write(workspace, files("beta"))
        followed.refresh()
        assert followed.large_runs.pid == pid
        followed.rest(threading.Event())
        assert not is_alive(pid)


class TestShown:
    """What an indexer has made is found before it is written."""

    def test_new_files_are_found_and_none_is_unseen_before_the_table_has_them(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        found: list[tuple[list[str], list[str], int]] = []

        def look(progress: IndexProgress) -> None:
            # Until this returns the indexer waits to say that it has written.
            if (
                progress.phase == "writing"
                and followed.manifest.pending()
                and not followed.status().unseen_files
            ):
                new, old = paths(followed, name("beta", 7)), paths(followed, name("alpha", 7))
                found.append((new[:1], old, len(followed.symbol(name("beta", 7)))))

        write(workspace, files("beta"))
        (workspace.root / "steady.py").unlink()
        assert followed.refresh(progress=look).phase == "done"
        assert (["m7.py"], [], 1) in found
        assert paths(followed, "steady") == []
        assert_whole(followed)

    def test_what_is_found_stays_so_where_the_indexer_is_killed_before_it_is_written(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta"))
        (workspace.root / "steady.py").touch()  # and seen as soon as that is known
        assert followed.refresh(progress=_killing(followed)).phase == "failed"
        assert len(followed.manifest.pending()) == MANY
        assert paths(followed, name("beta", 7))[0] == "m7.py"
        assert paths(followed, name("alpha", 7)) == []
        followed.store._compacted_at, followed.store._lacks_records = float("-inf"), True
        followed.rest(threading.Event())
        assert paths(followed, name("beta", 7))[0] == "m7.py"
        write(workspace, {"m7.py": "def gamma():\n    return 1\n"})
        assert followed.refresh().phase == "done"
        assert paths(followed, "gamma")[:1] == ["m7.py"]
        assert paths(followed, name("beta", 8))[0] == "m8.py"
        assert_whole(followed)

    def test_a_file_that_was_shown_to_be_empty_and_goes_before_that_is_written_leaves_nothing(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, {**files("beta"), "steady.py": ""})
        assert followed.refresh(progress=_killing(followed)).phase == "failed"
        (workspace.root / "steady.py").unlink()
        assert followed.refresh(["steady.py"]).phase == "done"
        assert followed.refresh().phase == "done"
        assert paths(followed, "steady") == []
        assert_whole(followed)

    def test_the_next_process_writes_what_a_killed_indexer_has_only_shown(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta"))
        followed.refresh(progress=_killing(followed))
        followed.close()
        with index_of(workspace, embedder="static") as index:
            assert paths(index, name("beta", 7))[0] == "m7.py"
            assert paths(index, name("alpha", 7)) == []
            assert_whole(index)


class TestEnds:
    """Indexers that are killed, stopped, orphaned, or do not come up."""

    def test_a_killed_indexer_fails_the_run_with_a_sentence_and_the_next_one_goes_on(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta"))

        def kill(progress: IndexProgress) -> None:
            if progress.phase == "parsing" and followed.large_runs.pid:
                os.kill(followed.large_runs.pid, signal.SIGKILL)

        last = followed.refresh(progress=kill)
        assert (last.phase, "signal 9" in last.detail, last.detail[-1]) == ("failed", True, ".")
        assert followed.standing.trouble == last.detail
        assert followed.refresh().phase == "done"
        assert paths(followed, name("beta", 7))[0] == "m7.py"
        assert paths(followed, name("alpha", 7)) == []
        assert_whole(followed)

    def test_an_indexer_that_is_killed_at_any_moment_leaves_an_index_that_the_next_run_mends(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        chance = random.Random(5)
        killed = 0
        for number in range(4):
            word = "word" + "abcd"[number]
            write(workspace, files(word))
            followed.large_runs.expect()
            pid = followed.large_runs.pid
            assert pid is not None
            timer = threading.Timer(chance.uniform(0.3, 2.0), _kill, [pid])
            timer.start()
            killed += followed.refresh().phase == "failed"
            timer.cancel()
            timer.join()
            assert followed.refresh().phase == "done"
            assert paths(followed, name(word, 7))[0] == "m7.py"
            assert_whole(followed)
            if number % 2:
                followed.store._lacks_records, followed.store._compacted_at = True, float("-inf")
                compacting = threading.Timer(chance.uniform(0.5, 1.5), lambda: _kill(followed.large_runs.pid))
                compacting.start()
                followed.rest(threading.Event())
                compacting.cancel()
                compacting.join()
                assert paths(followed, name(word, 7))[0] == "m7.py"
        with index_of(workspace, embedder="static", is_run=False) as reader:
            assert paths(reader, name("wordd", 7))[0] == "m7.py"

    def test_a_run_that_is_stopped_ends_soon_and_leaves_no_process(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta", count=150))
        stop = threading.Event()
        pids: list[int] = []
        at: list[float] = []

        def end(progress: IndexProgress) -> None:
            if progress.phase == "parsing" and not stop.is_set():
                pids.append(followed.large_runs.pid or 0)
                at.append(time.monotonic())
                stop.set()

        last = followed.refresh(progress=end, stop=stop)
        assert (last.phase, last.detail) == ("failed", STOPPED)
        assert time.monotonic() - at[0] < 10  # two seconds, on a machine that has nothing else to do
        assert not is_alive(pids[0])
        assert followed.refresh().phase == "done"
        assert_whole(followed)

    def test_a_compaction_that_is_stopped_ends_at_once(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        write(workspace, files("beta"))
        followed.refresh()
        followed.store._lacks_records, followed.store._compacted_at = True, float("-inf")
        stop = threading.Event()
        stop.set()
        followed.rest(stop)
        assert followed.large_runs.pid is None
        assert paths(followed, name("beta", 7))[0] == "m7.py"
        followed.rest(threading.Event())
        assert followed.store.is_covered
        assert paths(followed, name("beta", 7))[0] == "m7.py"

    @pytest.mark.parametrize(
        "program", [["/nonexistent/python"], [sys.executable, "-c", "raise SystemExit(3)"]]
    )
    def test_where_no_indexer_comes_up_the_run_is_done_here(
        self, workspace: Workspace, followed: WorkspaceIndex, program: list[str]
    ) -> None:
        followed.large_runs.program = program
        write(workspace, files("beta"))
        assert followed.refresh().phase == "done"
        assert paths(followed, name("beta", 7))[0] == "m7.py"
        assert_whole(followed)

    def test_a_fault_of_the_indexer_is_told_in_one_sentence(
        self, workspace: Workspace, followed: WorkspaceIndex
    ) -> None:
        followed.large_runs.program = [sys.executable, "-c", _BROKEN]
        write(workspace, files("beta"))
        last = followed.refresh()
        assert (last.phase, "ZeroDivisionError" in last.detail) == ("failed", True)
        followed.large_runs.end()
        followed.large_runs.program = [sys.executable, "-P", "-m", "naestro.index.indexing.indexer"]
        assert followed.refresh().phase == "done"
        assert_whole(followed)

    def test_an_indexer_ends_with_the_process_that_started_it(self, workspace: Workspace) -> None:
        write(workspace, files("beta", count=150))
        program = [sys.executable, "-c", _PARENT, str(workspace.root)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()
        until(lambda: not is_alive(pid))
        with index_of(workspace, embedder="static", is_run=False) as index:
            until(lambda: index.refresh().phase == "done")  # once the last thread of the indexer is gone
            assert paths(index, name("beta", 7))[0] == "m7.py"
            assert_whole(index)

    def test_ctrl_c_is_the_matter_of_the_process_that_started_it(self, workspace: Workspace) -> None:
        write(workspace, files("beta", count=150))
        program = [sys.executable, "-c", _PARENT, str(workspace.root)]
        with subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            os.killpg(parent.pid, signal.SIGINT)
            said, errors = parent.communicate(timeout=WAIT_S)
        assert said.splitlines()[-1] == f"failed {STOPPED}", errors
        assert errors == ""
        until(lambda: not is_alive(pid))
        with index_of(workspace, embedder="static") as index:
            assert_whole(index)


def test_a_lease_that_a_child_has_inherited_is_held_until_both_have_let_go(tmp_path: Path) -> None:
    parent, other = Lease(tmp_path), Lease(tmp_path)
    assert parent.take()
    child = Lease.inherited(tmp_path, os.dup(parent.descriptor))
    parent.give()
    assert not other.take()
    child.give()
    assert other.take()
    other.give()


def _killing(index: WorkspaceIndex) -> Callable[[IndexProgress], None]:
    """Kills the indexer when all can be found and not all is written."""

    def hear(progress: IndexProgress) -> None:
        if progress.phase == "writing" and index.manifest.pending() and not index.status().unseen_files:
            _kill(index.large_runs.pid)

    return hear


def _kill(pid: int | None) -> None:
    if pid:
        os.kill(pid, signal.SIGKILL)


_BROKEN = """
from naestro.index.indexing import indexer
class Broken(indexer.Run):
    def __call__(self):
        return 1 / 0
indexer.Run = Broken
indexer.main()
"""

_PARENT = """
import signal, sys, threading
from pathlib import Path
from naestro.config import IndexSettings, Settings
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace
root = Path(sys.argv[1])
settings = Settings(index=IndexSettings(embedder="static"))
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
with WorkspaceIndex(Workspace(root), settings, root.with_name("index")) as index:
    def told(progress):
        if progress.phase == "parsing" and not told.is_said:
            told.is_said = True
            print(index.large_runs.pid, flush=True)
    told.is_said = False
    last = index.refresh(progress=told, stop=stop)
    print(last.phase, last.detail)
"""
