"""What changes in a workspace is told at once, what git does as one change, what is ignored not at all."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from watchfiles._rust_notify import RustNotify

from naestro.config import environment_for_child
from naestro.index.files import watch
from naestro.index.files.walk import walk
from naestro.index.files.watch import CannotWatch, Changed, Watcher
from naestro.policy.workspace import Workspace
from tests.index.indexed import workspace_of, write
from tests.support.unprivileged import unprivileged

WAIT_S = 30.0
WHO = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    subprocess.run(
        command, cwd=root, check=True, capture_output=True, env=environment_for_child(WHO), timeout=60
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path, {"a.py": "a = 1\n", "sub/b.py": "b = 1\n", ".gitignore": "ignored/\n"})


@contextmanager
def watching(workspace: Workspace) -> Iterator[tuple[Watcher, ThreadPoolExecutor, threading.Event]]:
    on_the_way = walk(workspace)
    list(on_the_way)
    watcher = Watcher(workspace.root, on_the_way.folders)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield watcher, pool, stop
        finally:
            stop.set()
    watcher.close()


def test_a_changed_a_new_and_a_removed_file_are_told_by_their_paths(workspace: Workspace) -> None:
    with watching(workspace) as (watcher, pool, stop):
        for change, path in (
            (lambda: write(workspace, {"sub/b.py": "b = 2\n"}), "sub/b.py"),
            (lambda: write(workspace, {"c.py": "c = 1\n"}), "c.py"),
            ((workspace.root / "a.py").unlink, "a.py"),
        ):
            told = pool.submit(watcher.wait, stop)
            change()
            changed = told.result(WAIT_S)
            assert changed is not None
            assert changed.paths == {path}


def test_a_folder_that_is_ignored_is_not_watched(workspace: Workspace) -> None:
    write(workspace, {"ignored/deep/x.py": "x"})
    with watching(workspace) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        write(workspace, {"ignored/deep/y.py": "y", "ignored/z.py": "z"})
        write(workspace, {"a.py": "a = 2\n"})
        changed = told.result(WAIT_S)
        assert changed is not None
        assert changed.paths == {"a.py"}


def test_a_branch_switch_is_told_once_and_as_a_whole(workspace: Workspace) -> None:
    root = workspace.root
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "checkout", "-qb", "other")
    write(workspace, {f"many/m{n}.py": f"m = {n}\n" for n in range(watch.PATHS_MAX + 50)})
    write(workspace, {"a.py": "a = 3\n"})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    git(root, "checkout", "-q", "main")
    with watching(workspace) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        git(root, "checkout", "-q", "other")
        assert told.result(WAIT_S) == Changed(None)
        again: Future[Changed | None] = pool.submit(watcher.wait, stop)
        write(workspace, {"a.py": "a = 4\n"})
        changed = again.result(WAIT_S)
        assert changed is not None
        assert changed.paths == {"a.py"}


def test_what_git_does_for_itself_is_no_change(workspace: Workspace) -> None:
    root = workspace.root
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    with watching(workspace) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        (root / "a.py").touch()
        changed = told.result(WAIT_S)
        assert changed is not None
        told = pool.submit(watcher.wait, stop)
        git(root, "status")  # renews its list of files
        (root / ".git" / "objects" / "noise").write_text("x")
        write(workspace, {"sub/b.py": "b = 5\n"})
        changed = told.result(WAIT_S)
        assert changed is not None
        assert changed.paths == {"sub/b.py"}


def test_a_linked_worktree_is_followed_by_its_own_head(workspace: Workspace, tmp_path: Path) -> None:
    root = workspace.root
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    with watching(Workspace(tmp_path / "linked")) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        git(tmp_path / "linked", "checkout", "-q", "--detach")
        assert told.result(WAIT_S) == Changed(None)


def test_a_lock_that_a_killed_git_left_behind_holds_nobody_up_for_ever(workspace: Workspace) -> None:
    git(workspace.root, "init", "-q")
    with watching(workspace) as (watcher, pool, stop):
        (workspace.root / ".git" / "index.lock").touch()
        watcher.git_s = 0.2
        for text in ("a = 6\n", "a = 7\n"):
            told = pool.submit(watcher.wait, stop)
            write(workspace, {"a.py": text})
            changed = told.result(WAIT_S)
            assert changed is not None
            assert changed.paths == {"a.py"}


def test_more_changes_than_a_few_are_told_as_a_whole(workspace: Workspace) -> None:
    with watching(workspace) as (watcher, pool, stop):
        write(workspace, {f"m{n}.py": "m" for n in range(watch.PATHS_MAX + 50)})
        told = pool.submit(watcher.wait, stop)
        assert told.result(WAIT_S) == Changed(None)


def test_a_wait_ends_when_it_is_stopped(workspace: Workspace) -> None:
    with watching(workspace) as (watcher, pool, stop):
        watcher.use()
        told = pool.submit(watcher.wait, stop)
        stop.set()
        assert told.result(WAIT_S) is None


def test_a_workspace_of_too_many_folders_is_not_watched(workspace: Workspace) -> None:
    with pytest.raises(CannotWatch, match="too many"):
        Watcher(workspace.root, ["", "sub"], folders_max=1)


def test_a_folder_that_has_gone_meanwhile_is_no_trouble(workspace: Workspace) -> None:
    Watcher(workspace.root, ["", "gone"]).close()


def test_the_system_s_limit_is_not_passed_over_in_silence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RustNotify

    def at_the_limit(paths: list[str], *flags: bool) -> RustNotify:
        """What watchfiles does there: told to leave out what may not be read, it watches less and says nothing."""
        if flags[-1]:
            return real(paths[:1], *flags)
        raise OSError("OS file watch limit reached. about [a folder]")

    library = SimpleNamespace(RustNotify=at_the_limit)
    monkeypatch.setitem(sys.modules, "watchfiles._rust_notify", library)
    with pytest.raises(CannotWatch, match="max_user_watches"):
        Watcher(workspace.root, [""])


def test_a_folder_that_may_not_be_read_leaves_the_others_watched() -> None:
    with unprivileged() as folder:
        for name in ("closed", "open"):
            (folder / name).mkdir()
        (folder / "closed").chmod(0)
        watcher = Watcher(folder, ["", "closed", "open"])
        (folder / "open/a.py").touch()
        changed = watcher.wait(threading.Event())
        watcher.close()
    assert changed is not None
    assert "open/a.py" in (changed.paths or ())


_CROWDED = """
import resource, sys
from pathlib import Path
import watchfiles._rust_notify
from naestro.index.files.watch import CannotWatch, Watcher
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 64))
try:
    Watcher(Path(sys.argv[1]), [""])
except CannotWatch as error:
    sys.stdout.write(str(error))
"""


def test_a_limit_of_the_system_is_said_in_a_sentence(workspace: Workspace) -> None:
    program = [sys.executable, "-c", _CROWDED, str(workspace.root)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert "limit" in done.stdout, done.stderr
    assert done.stdout.endswith(".")


@pytest.mark.parametrize("said", [b"gitdir: a\0b\n", b"gitdir: loop/x\n", b"\xff\xfe\xfa", b""])
def test_a_git_file_that_git_would_not_take_says_nothing(workspace: Workspace, said: bytes) -> None:
    (workspace.root / "loop").symlink_to("loop")
    (workspace.root / ".git").write_bytes(said)
    with watching(workspace) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        write(workspace, {"a.py": "a = 2\n"})
        changed = told.result(WAIT_S)
    assert changed is not None
    assert changed.paths == {"a.py"}


def test_a_git_link_that_leads_to_itself_says_nothing(workspace: Workspace) -> None:
    (workspace.root / ".git").symlink_to(".git")
    with watching(workspace) as (watcher, pool, stop):
        told = pool.submit(watcher.wait, stop)
        write(workspace, {"a.py": "a = 2\n"})
        assert told.result(WAIT_S) is not None


def test_a_path_that_is_no_utf_8_is_told_in_a_sentence(tmp_path: Path) -> None:
    root = Path(f"{tmp_path}/\udcff")
    try:
        root.mkdir()
    except OSError:  # a file system that takes UTF-8 names alone: no such path ever comes to a watcher
        assert not root.exists()
        return
    with pytest.raises(CannotWatch, match="no UTF-8 text"):
        Watcher(root, [""])
