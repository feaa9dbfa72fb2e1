"""An indexer killed at any moment: the next one goes on, and nothing is said to be indexed that cannot be found."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naestro.index.indexing.run import FILES_HERE_MAX
from naestro.index.workspace_index import WorkspaceIndex
from naestro.policy.workspace import Workspace
from tests.kill.indexer import settings

FILES = FILES_HERE_MAX + 100
WAIT_S = 60.0


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "tree"
    root.mkdir()
    for n in range(FILES):
        (root / f"m{n}.py").write_text(f"def made_{n}():\n    return {n}\n")
    return Workspace(root)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def is_alive(pid: int) -> bool:
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=30
    ).stdout.strip()
    return bool(shown) and not shown.startswith("Z")


def killed_at(workspace: Workspace, moment: str) -> list[int]:
    """Start an indexer and kill it at that moment; the processes that it had started."""
    program = [sys.executable, "-m", "tests.kill.indexer", str(workspace.root), moment]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == moment
            return children_of(process.pid)
        finally:
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("moment", ["begun", "replaced", "committed", "writing"])
def test_the_next_one_goes_on_and_says_nothing_that_is_not_found(workspace: Workspace, moment: str) -> None:
    killed_at(workspace, moment)
    with WorkspaceIndex(workspace, settings(), workspace.root.with_name("index")) as index:
        said = index.manifest.paths()
        assert len(said) < FILES or moment == "writing"
        for path in said:
            assert [chunk.path for chunk in index.store.chunks_of(path)] == [path]
        (workspace.root / "m0.py").unlink()
        last = index.refresh()
        assert last.phase == "done"
        assert last.files <= FILES - len(said)
        assert len(index.manifest.paths()) == FILES - 1
        assert index.store.count == index.manifest.counts().chunks
        assert index.store.chunks_of("m0.py") == []
        assert index.search(f"made_{FILES - 1}").results[0].path == f"m{FILES - 1}.py"


def test_workers_end_with_a_killed_parent(workspace: Workspace) -> None:
    for n in range(FILES):  # so much that the workers are at it when the first files are written
        (workspace.root / f"m{n}.py").write_text(
            f"def made_{n}(number):\n    return number + {n}\n\n\n" * 400
        )
    workers = killed_at(workspace, "begun")
    assert workers
    deadline = time.monotonic() + WAIT_S
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        pass
    assert not any(map(is_alive, workers))
