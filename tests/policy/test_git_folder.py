"""Repositories within repositories, submodules, linked worktrees and what only looks like one: git is asked."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.policy.git_folder import git_folder, repository_above
from naestro.policy.ignore import Ignores
from naestro.policy.workspace import Workspace, refusal
from tests.policy.test_ignore import PATTERNS, git

ME = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    (tmp_path / "home/.config/git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "top"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def init(folder: Path) -> Path:
    """A repository with one commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "code.py").write_text("a = 1\n")
    git(folder, "add", "code.py")
    git(folder, *ME, "commit", "-q", "-m", "x")
    return folder


def by_git(repository: Path) -> set[str]:
    """What git shows of a repository, tracked or not, and of those within that it shows itself."""
    shown: set[str] = set()
    listed = git(repository, "ls-files", "-z", "-c", "-o", "--exclude-standard").decode().split("\0")
    for path in filter(None, listed):
        inner = repository / path
        if inner.is_dir():
            shown |= {f"{path.rstrip('/')}/{each}" for each in by_git(inner)}
        else:
            shown.add(path)
    return shown


def same(root: Path) -> set[str]:
    """What is shown here; git says the same."""
    shown = set(Workspace(root).files())
    assert shown == by_git(root)
    return shown


def test_a_clone_within_has_rules_of_its_own(top: Path) -> None:
    inner = init(top / "inner")
    (top / ".gitignore").write_text("*.log\n")
    (inner / ".git/info/exclude").write_text("*.tmp\n")
    for name in ("a.log", "a.tmp", "deep.py"):
        (inner / name).touch()
        (top / name).touch()
    assert same(top) == {".gitignore", "a.tmp", "deep.py", "inner/a.log", "inner/code.py", "inner/deep.py"}


def test_a_clone_within_that_is_ignored_is_not_there(top: Path) -> None:
    init(top / "inner")
    (top / ".gitignore").write_text("inner/\n")
    assert same(top) == {".gitignore"}


def test_a_naestroignore_holds_in_a_clone_within(top: Path) -> None:
    init(top / "inner")
    (top / ".naestroignore").write_text("code.py\n")
    assert Ignores(top).ignored_by("inner/code.py") == ".naestroignore"


def test_a_submodule_has_its_excludes_where_the_outer_repository_keeps_it(top: Path, tmp_path: Path) -> None:
    origin = init(tmp_path / "origin")
    git(top, *ME, "submodule", "--quiet", "add", str(origin), "libs/sub")
    assert (top / "libs/sub/.git").is_file()
    (top / ".git/modules/libs/sub/info/exclude").write_text("*.tmp\n")
    (top / "libs/sub/a.tmp").touch()
    (top / "libs/a.tmp").touch()
    assert same(top) == {".gitmodules", "libs/a.tmp", "libs/sub/code.py"}
    assert same(top / "libs/sub") == {"code.py"}


def test_a_linked_worktree_within_has_the_excludes_of_its_repository(top: Path) -> None:
    init(top)
    git(top, "worktree", "add", "-q", "trees/side")
    (top / ".git/info/exclude").write_text("*.tmp\n")
    (top / "trees/side/a.tmp").touch()
    assert same(top) == {"code.py", "trees/side/code.py"}


def test_what_git_keeps_in_a_bare_repository_is_not_read(top: Path, tmp_path: Path) -> None:
    init(tmp_path / "origin")
    git(top, *ME, "clone", "-q", "--bare", str(tmp_path / "origin"), "origin.git")
    git(top / "origin.git", "worktree", "add", "-q", "-b", "side", "side")
    (top / "origin.git/notes.md").touch()
    (top / "HEAD").touch()
    (top / "config").touch()
    assert set(Workspace(top).files()) == {
        *("HEAD", "config", "origin.git/notes.md"),
        "origin.git/side/code.py",
    }
    assert set(Workspace(top / "origin.git").files()) == {"notes.md", "side/code.py"}
    assert "bare" in str(refusal("origin.git/hooks/any/file", Ignores(top)))


@pytest.mark.parametrize(
    "kind", ["empty folder", "no objects", "garbage", "dangling", "empty file", "a NUL", "a loop"]
)
def test_what_only_looks_like_a_repository_is_none(top: Path, kind: str) -> None:
    inner = top / "inner"
    inner.mkdir()
    (top / ".gitignore").write_text("*.log\n")
    (inner / "a.log").touch()
    (inner / "a.py").touch()
    fake = inner / ".git"
    if kind == "empty folder":
        fake.mkdir()
    elif kind == "no objects":
        (fake / "refs").mkdir(parents=True)
        (fake / "HEAD").write_text("ref: refs/heads/main\n")
    elif kind == "a loop":
        fake.symlink_to(".git")
    else:
        said = {
            "garbage": b"\xff",
            "dangling": b"gitdir: /none/such",
            "empty file": b"",
            "a NUL": b"gitdir: \0x",
        }
        fake.write_bytes(said[kind])
    assert git_folder(inner) is None
    assert repository_above(inner) == top
    assert set(Workspace(top).files()) == {".gitignore", "inner/a.py"}


def test_git_finds_nothing_either_in_an_empty_folder_of_that_name(top: Path) -> None:
    (top / "inner/.git").mkdir(parents=True)
    (top / ".gitignore").write_text("*.log\n")
    (top / "inner/a.log").touch()
    (top / "inner/a.py").touch()
    assert same(top) == {".gitignore", "inner/a.py"}
    assert git(top / "inner", "rev-parse", "--show-toplevel").decode().strip() == str(top)


def test_a_link_may_lead_to_where_a_repository_is_kept(top: Path, tmp_path: Path) -> None:
    init(top / "inner")
    (top / "inner/.git").rename(tmp_path / "kept")
    (top / "inner/.git").symlink_to(tmp_path / "kept")
    (tmp_path / "kept/info/exclude").write_text("*.tmp\n")
    (top / "inner/a.tmp").touch()
    assert same(top) == {"inner/code.py"}


def test_a_repository_of_somebody_else_has_its_rules_all_the_same(top: Path) -> None:
    (top / ".gitignore").write_text("*.log\n")
    (top / ".git/info/exclude").write_text("*.tmp\n")
    for path in (top, top / ".git") if os.geteuid() == 0 else ():  # Others own all that they can make.
        os.chown(path, 12345, 12345)
    ignores = Ignores(top)
    assert (ignores.ignored_by("a.log"), ignores.ignored_by("a.tmp")) == (".gitignore", ".gitignore")


def test_no_repository_is_looked_for_beyond_a_file_system(top: Path) -> None:
    mounted = top / "mounted/deep"
    mounted.mkdir(parents=True)
    assert repository_above(mounted) == top
    assert repository_above(mounted, lambda folder: int("mounted" in str(folder))) is None


def test_what_is_gone_or_in_no_repository_has_none(tmp_path: Path) -> None:
    assert repository_above(tmp_path / "none" / "such") is None
    assert repository_above(Path("/none/such")) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    everywhere=st.lists(PATTERNS, max_size=3),
    exclude=st.lists(PATTERNS, max_size=3),
    outer=st.lists(PATTERNS, max_size=3),
    own=st.lists(PATTERNS, max_size=3),
    inner=st.lists(PATTERNS, max_size=3),
)
def test_files_are_shown_exactly_where_git_shows_them(
    tmp_path_factory: pytest.TempPathFactory,
    everywhere: list[str],
    exclude: list[str],
    outer: list[str],
    own: list[str],
    inner: list[str],
) -> None:
    top = tmp_path_factory.mktemp("top")
    nested = top / "a"
    for folder in (top, nested):
        folder.mkdir(exist_ok=True)
        git(folder, "init", "-q")
    for folder in ("", "b", "a/b", "a/ab", "b/a"):
        (top / folder).mkdir(exist_ok=True)
        for name in ("x.py", "y.log", "b.h"):
            (top / folder / name).touch()
    for path, patterns in (
        (Path(os.environ["HOME"], ".config/git/ignore"), everywhere),
        (top / ".git/info/exclude", exclude),
        (top / ".gitignore", outer),
        (nested / ".git/info/exclude", own),
        (nested / ".gitignore", inner),
    ):
        path.write_text("\n".join(patterns) + "\n")
    same(top)
