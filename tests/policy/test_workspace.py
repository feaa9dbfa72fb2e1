"""The border of the workspace: what is found, what is read, and what never is."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.errors import MissingFile, NaestroError, OutsideWorkspace, UnreadableFile, WorkspaceError
from naestro.policy.workspace import FILE_SIZE_MAX, Workspace
from tests.support.faults import before, watching
from tests.support.unprivileged import unprivileged


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "root"
    root.mkdir()
    (root / "naestro.toml").touch()
    return Workspace.find(root)


def test_the_root_is_the_nearest_settings_file_else_the_git_root_else_the_folder(tmp_path: Path) -> None:
    deep = tmp_path / "repo" / "app" / "src"
    deep.mkdir(parents=True)
    assert Workspace.find(deep).root == deep.resolve()
    (tmp_path / "repo" / ".git").mkdir()
    assert Workspace.find(deep).root == (tmp_path / "repo").resolve()
    (tmp_path / "repo" / "app" / "naestro.toml").touch()
    assert Workspace.find(deep).root == (tmp_path / "repo" / "app").resolve()


def test_a_file_stands_for_the_folder_that_it_lies_in(workspace: Workspace) -> None:
    assert Workspace.find(workspace.root / "naestro.toml") == workspace


@pytest.mark.parametrize("start", ["nowhere", "a\0b"])
def test_a_folder_that_does_not_exist_has_no_workspace(tmp_path: Path, start: str) -> None:
    with pytest.raises(WorkspaceError, match="no folder"):
        Workspace.find(tmp_path / start)


def test_paths_inside_resolve_whether_or_not_they_exist(workspace: Workspace) -> None:
    root = workspace.root
    assert workspace.resolve("new/a.py") == root / "new" / "a.py"
    assert workspace.resolve("x/../y.py") == root / "y.py"
    assert workspace.resolve(str(root / "z.py")) == root / "z.py"
    assert workspace.relative(f"{root}//sub/./a.py") == "sub/a.py"


@pytest.mark.parametrize(
    "path", ["..", "../a", "sub/../../a", "/etc/passwd", "/", "a\0b", "\ud800", "~/../../../a"]
)
def test_paths_outside_are_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        workspace.read(path)


def test_a_folder_whose_name_only_begins_like_the_root_lies_outside(workspace: Workspace) -> None:
    with pytest.raises(OutsideWorkspace):
        workspace.resolve(f"{workspace.root}-other/a.py")


def test_a_link_that_leads_outside_is_refused_and_not_listed(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.py").write_text("x\n")
    (workspace.root / "link.py").symlink_to(tmp_path / "outside" / "a.py")
    (workspace.root / "folder").symlink_to(tmp_path / "outside")
    for path in ("link.py", "folder/a.py", "folder/new.py"):
        with pytest.raises(OutsideWorkspace):
            workspace.read(path)
    assert list(workspace.files()) == ["naestro.toml"]


def test_a_link_inside_is_read_under_the_name_of_what_it_leads_to(workspace: Workspace) -> None:
    (workspace.root / "real.py").write_text("x\n")
    (workspace.root / "link.py").symlink_to("real.py")
    assert workspace.read("link.py").path == "real.py"
    assert list(workspace.files()) == ["naestro.toml", "real.py"]


def test_a_link_leads_around_no_rule_in_either_direction(workspace: Workspace) -> None:
    (workspace.root / ".env").write_text("KEY=1\n")
    (workspace.root / "a.py").write_text("x\n")
    (workspace.root / "innocent.txt").symlink_to(".env")
    (workspace.root / "secrets.json").symlink_to("a.py")
    for path in ("innocent.txt", "secrets.json"):
        with pytest.raises(UnreadableFile, match="looks like a secret"):
            workspace.read(path)


def test_an_absolute_path_through_a_link_from_outside_is_held_to_its_target(
    workspace: Workspace, tmp_path: Path
) -> None:
    (workspace.root / "a.py").write_text("x\n")
    (tmp_path / "door").symlink_to(workspace.root)
    assert workspace.read(str(tmp_path / "door" / "a.py")).path == "a.py"


def test_a_circle_of_links_is_unreadable(workspace: Workspace) -> None:
    (workspace.root / "a").symlink_to("b")
    (workspace.root / "b").symlink_to("a")
    with pytest.raises(UnreadableFile, match="no regular file"):
        workspace.read("a")


def test_a_missing_file_is_told_apart_and_named_by_its_resolved_path(workspace: Workspace) -> None:
    (workspace.root / "real").mkdir()
    (workspace.root / "link").symlink_to("real")
    with pytest.raises(MissingFile, match=r"no file link/new\.py") as caught:
        workspace.read("link/new.py")
    assert caught.value.path == "real/new.py"
    with pytest.raises(MissingFile):
        workspace.read("no/such/folder.py")


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("a.bin", b"a\0b", "binary"),
        ("large.txt", b"a" * (FILE_SIZE_MAX + 1), "larger than 1048576 bytes"),
        ("key.txt", b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 64, "private key"),
        (".env.test", b"A=1\n", "looks like a secret"),
        ("out/a.py", b"x\n", r"ignored by \.gitignore"),
        (".git/config", b"x\n", "belongs to git"),
        ("sub/.GIT/hooks/x", b"x\n", "belongs to git"),
    ],
)
def test_what_is_not_read_says_why(workspace: Workspace, path: str, data: bytes, reason: str) -> None:
    (workspace.root / ".gitignore").write_text("out/\n")
    target = workspace.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    with pytest.raises(UnreadableFile, match=reason) as caught:
        workspace.read(path)
    assert not isinstance(caught.value, MissingFile)


def test_a_file_of_the_largest_size_is_read(workspace: Workspace) -> None:
    (workspace.root / "large.txt").write_bytes(b"a" * FILE_SIZE_MAX)
    assert workspace.read("large.txt").size_bytes == FILE_SIZE_MAX


@pytest.mark.parametrize("path", [".", "", "sub/.."])
def test_the_workspace_itself_is_no_file(workspace: Workspace, path: str) -> None:
    (workspace.root / "sub").mkdir()
    with pytest.raises(UnreadableFile, match="the workspace itself"):
        workspace.read(path)


def test_folders_pipes_and_sockets_are_no_files(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "folder").mkdir()
    os.mkfifo(workspace.root / "pipe")
    monkeypatch.chdir(workspace.root)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket")
        for path in ("folder", "pipe", "socket", "naestro.toml/below"):
            with pytest.raises(UnreadableFile, match="no regular file"):
                workspace.read(path)


def test_names_too_long_or_odd_are_told_in_one_short_line(workspace: Workspace) -> None:
    for path in ("x" * 5000, "new\nline.py", "\udcff.py"):
        with pytest.raises(UnreadableFile) as caught:
            workspace.read(path)
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 320


def test_a_file_without_permission_says_so() -> None:
    with unprivileged() as folder:
        (folder / "a.py").write_text("x\n")
        (folder / "a.py").chmod(0)
        (folder / "closed").mkdir(mode=0)
        workspace = Workspace.find(folder)
        for path in ("a.py", "closed/b.py"):
            with pytest.raises(UnreadableFile, match="Permission denied"):
                workspace.read(path)
        assert list(workspace.files()) == ["a.py"]


def test_a_folder_that_becomes_a_link_after_the_check_is_not_followed(
    workspace: Workspace, tmp_path: Path
) -> None:
    (workspace.root / "sub").mkdir()
    (workspace.root / "sub" / "a.py").write_text("inside\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.py").write_text("outside\n")

    def swap() -> None:
        (workspace.root / "sub").rename(workspace.root / "moved")
        (workspace.root / "sub").symlink_to(tmp_path / "outside")

    with watching(before("open", swap, name="sub")), pytest.raises(UnreadableFile, match="no regular file"):
        workspace.read("sub/a.py")


def test_files_are_listed_in_order_without_what_is_never_read(workspace: Workspace) -> None:
    root = workspace.root
    (root / ".gitignore").write_text("build/\n*.log\n")
    for path in (
        "b.py",
        "a/z.py",
        "a/x.log",
        "build/x.py",
        ".git/config",
        ".env",
        ".ssh/config",
        "a/.naestroignore",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("drafts/\n" if path.endswith("ignore") else "x\n")
    (root / "a" / "drafts").mkdir()
    (root / "a" / "drafts" / "d.py").touch()
    (root / "new\nline").touch()
    (root / os.fsdecode(b"\xff.py")).touch()
    os.mkfifo(root / "pipe")
    assert list(workspace.files()) == [".gitignore", "a/.naestroignore", "a/z.py", "b.py", "naestro.toml"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("a/.~\\\n\0é\ud800 *"), max_size=12))
def test_no_name_leads_outside_or_fails_in_another_way(workspace: Workspace, path: str) -> None:
    try:
        target = workspace.resolve(path)
    except OutsideWorkspace:
        return
    assert target.is_relative_to(workspace.root)
    with pytest.raises(NaestroError):
        workspace.read(path)


def test_a_path_deeper_than_any_tree_is_refused_and_not_listed(workspace: Workspace) -> None:
    with pytest.raises(UnreadableFile, match="more than 100 folders deep"):
        workspace.admit("d/" * 3000 + "a.py")
    for depth in (100, 101):
        folder = workspace.root / ("d/" * depth)
        folder.mkdir(parents=True)
        (folder / "a.py").touch()
    assert list(workspace.files()) == ["d/" * 100 + "a.py", "naestro.toml"]


def test_a_name_that_is_too_long_is_no_folder_and_nothing(workspace: Workspace) -> None:
    (workspace.root / "src").mkdir()
    assert [workspace.is_folder(name) for name in ("src", "naestro.toml", "x" * 300)] == [True, False, False]
    assert [workspace.is_there(name) for name in ("src", "naestro.toml", "x" * 300)] == [True, True, False]
