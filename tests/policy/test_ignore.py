"""Ignore rules: the meaning of each pattern is git's, which is asked."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.policy.git_folder import exclude_file, git_folder, git_root
from naestro.policy.ignore import PATTERNS_SIZE_MAX, Ignores


def git(folder: Path, *arguments: str, stdin: bytes = b"", codes: tuple[int, ...] = (0,)) -> bytes:
    done = subprocess.run(
        ["git", *arguments], check=False, cwd=folder, input=stdin, capture_output=True, timeout=30
    )
    assert done.returncode in codes, done.stderr
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


def test_the_last_match_wins_and_a_deeper_file_wins_over_a_shallower_one(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (repository / "sub").mkdir()
    (repository / "sub" / ".gitignore").write_text("!special.log\nkeep.log\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("a.log") == ".gitignore"
    assert ignores.ignored_by("keep.log") is None
    assert ignores.ignored_by("sub/special.log") is None
    assert ignores.ignored_by("sub/keep.log") == ".gitignore"
    assert ignores.ignored_by("build", is_folder=True) == ".gitignore"
    assert ignores.ignored_by("build") is None


def test_nothing_below_an_ignored_folder_can_be_named_again(repository: Path) -> None:
    (repository / ".gitignore").write_text("out/\n!out/keep.py\n")
    (repository / "out").mkdir()
    (repository / "out" / ".gitignore").write_text("!keep.py\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("out/keep.py") == ".gitignore"
    assert ignores.ignored_by("out/deep/keep.py") == ".gitignore"


def test_the_repository_s_own_excludes_yield_to_a_gitignore(repository: Path) -> None:
    (repository / ".git" / "info" / "exclude").write_text("*.tmp\n*.bak\n")
    (repository / ".gitignore").write_text("!a.tmp\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("a.tmp") is None
    assert ignores.ignored_by("b.tmp") == ".gitignore"
    assert ignores.ignored_by("sub/c.bak") == ".gitignore"


def test_naestroignore_keeps_out_what_gitignore_lets_in_and_not_the_other_way(repository: Path) -> None:
    (repository / ".gitignore").write_text("secret/\n")
    (repository / ".naestroignore").write_text("data/\n!secret/\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("data/a.csv") == ".naestroignore"
    assert ignores.ignored_by("secret/a.py") == ".gitignore"
    assert ignores.ignored_by("src/a.py") is None


def test_a_workspace_inside_a_repository_heeds_the_files_above_it(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.gen\n/app/local/\n")
    (repository / ".naestroignore").write_text("*.md\n")
    root = repository / "app"
    root.mkdir()
    ignores = Ignores(root)
    assert ignores.ignored_by("a.gen") == ".gitignore"
    assert ignores.ignored_by("local/b.py") == ".gitignore"
    assert ignores.ignored_by("a.md") is None


def test_of_the_files_above_the_workspace_the_nearest_wins(repository: Path) -> None:
    root = repository / "app" / "src"
    root.mkdir(parents=True)
    (repository / ".gitignore").write_text("*.gen\n")
    (repository / "app" / ".gitignore").write_text("!a.gen\n/src/b.py\n")
    ignores = Ignores(root)
    assert ignores.ignored_by("a.gen") is None
    assert ignores.ignored_by("c.gen") == ".gitignore"
    assert ignores.ignored_by("b.py") == ".gitignore"


def test_without_a_repository_the_rules_begin_at_the_root(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a\n")
    root = tmp_path / "root"
    root.mkdir()
    assert Ignores(root).ignored_by("a") is None


def test_a_linked_worktree_has_the_excludes_of_its_repository(repository: Path) -> None:
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    git(repository, "worktree", "add", "-q", str(repository / "linked"))
    (repository / ".git" / "info" / "exclude").write_text("*.tmp\n")
    linked = repository / "linked"
    assert git_root(linked) == linked
    git_files = git_folder(linked)
    assert git_files is not None
    assert exclude_file(git_files).resolve() == repository.resolve() / ".git" / "info" / "exclude"
    assert Ignores(linked).ignored_by("a.tmp") == ".gitignore"


def test_patterns_that_git_cannot_read_are_passed_over_and_others_hold(repository: Path) -> None:
    (repository / ".gitignore").write_bytes("\ufeff!\na\\\n\n# note\r\n*.log\r\n".encode() + b"\xff\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("x.log") == ".gitignore"
    assert ignores.ignored_by("x.py") is None


def test_a_file_of_patterns_that_cannot_be_read_says_nothing(repository: Path) -> None:
    (repository / ".gitignore").mkdir()
    assert Ignores(repository).ignored_by("a") is None


def test_of_an_endless_file_of_patterns_the_beginning_counts(repository: Path) -> None:
    (repository / ".gitignore").write_text("first\n" + "#" * PATTERNS_SIZE_MAX + "\nlast\n")
    ignores = Ignores(repository)
    assert ignores.ignored_by("first") == ".gitignore"
    assert ignores.ignored_by("last") is None


PARTS = st.sampled_from(["a", "b", "ab", "x.py", "y.log", ".h", "c d"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
GLOBS = st.sampled_from(
    [
        "a",
        "b",
        "*.py",
        "?",
        "a*",
        "**",
        "a/",
        "/a",
        "a/b",
        "**/b",
        "a/**",
        "a/**/x.py",
        "a/**/",
        "*/",
        "**/",
        "/a/",
        "/*",
        "a/*",
        "[ab]",
        "*",
    ]
)
PATTERNS = st.builds(lambda negation, glob: negation + glob, st.sampled_from(["", "", "!"]), GLOBS)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    top=st.lists(PATTERNS, max_size=5),
    nested=st.lists(PATTERNS, max_size=3),
    paths=st.lists(PATHS, min_size=1, max_size=8, unique=True),
)
def test_files_are_ignored_exactly_where_git_ignores_them(
    repository: Path, top: list[str], nested: list[str], paths: list[str]
) -> None:
    (repository / ".gitignore").write_text("\n".join(top) + "\n")
    (repository / "a").mkdir(exist_ok=True)
    (repository / "a" / ".gitignore").write_text("\n".join(nested) + "\n")
    files = [path for path in paths if path != "a"]
    listed = git(
        repository,
        "check-ignore",
        "--no-index",
        "-z",
        "--stdin",
        stdin=b"\0".join(p.encode() for p in files),
        codes=(0, 1),
    )
    expected = set(listed.decode().split("\0")) - {""}
    ignores = Ignores(repository)
    assert {path for path in files if ignores.ignored_by(path)} == expected


def test_a_pipe_in_the_place_of_a_pattern_file_says_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / ".naestroignore").mkdir()
    assert Ignores(tmp_path).ignored_by("a.py") is None


def test_a_git_file_of_odd_bytes_says_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: a\0b\xff\n")
    assert Ignores(tmp_path).ignored_by("a.py") is None
