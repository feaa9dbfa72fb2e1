"""What a walk meets: all that may be indexed, nothing beyond the workspace's border and its owner's wishes."""

import os
from pathlib import Path

import pytest

from naestro.index.files import walk as walking
from naestro.index.files.walk import Seen, look, walk
from naestro.policy.workspace import FILE_SIZE_MAX, FOLDERS_MAX, Workspace
from tests.support.unprivileged import unprivileged


def made(root: Path, files: dict[str, str | bytes]) -> Workspace:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return Workspace(root.resolve())


def met(workspace: Workspace) -> dict[str, str]:
    return {seen.path: seen.skipped for seen in walk(workspace)}


def test_what_git_or_the_owner_ignores_is_never_met(tmp_path: Path) -> None:
    workspace = made(
        tmp_path,
        {
            ".gitignore": "*.log\nbuild/\n",
            ".naestroignore": "private.py\n",
            "a.py": "",
            "a.log": "",
            "build/b.py": "",
            "private.py": "",
            "deep/.gitignore": "!kept.log\nc.py\n",
            "deep/c.py": "",
            "deep/kept.log": "",
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/objects/none": "",
            ".git/refs/none": "",
            ".git/info/exclude": "excluded.py\n",
            "excluded.py": "",
        },
    )
    assert sorted(met(workspace)) == [
        ".gitignore",
        ".naestroignore",
        "a.py",
        "deep/.gitignore",
        "deep/kept.log",
    ]


def test_secrets_are_never_met(tmp_path: Path) -> None:
    workspace = made(
        tmp_path, {".env": "A=1", "id_rsa": "x", ".ssh/config": "x", "keys.pem": "x", "a.py": ""}
    )
    assert list(met(workspace)) == ["a.py"]


def test_links_are_not_followed_to_files_or_folders_in_or_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    made(outside, {"secret.py": "x", "folder/b.py": "x"})
    workspace = made(tmp_path / "root", {"a.py": "", "inner/c.py": ""})
    (workspace.root / "file.py").symlink_to(outside / "secret.py")
    (workspace.root / "folder").symlink_to(outside / "folder")
    (workspace.root / "loop").symlink_to(workspace.root)
    (workspace.root / "again.py").symlink_to("a.py")
    assert sorted(met(workspace)) == ["a.py", "inner/c.py"]
    rules = workspace.ignores()
    assert [look(workspace, path, rules) for path in ("file.py", "folder/b.py", "again.py", "loop/a.py")] == [
        None
    ] * 4


def test_a_submodule_and_a_nested_repository_are_walked_without_their_git_folders(tmp_path: Path) -> None:
    workspace = made(
        tmp_path,
        {
            ".git/HEAD": "x",
            "sub/.git": "gitdir: ../.git/modules/sub\n",
            "sub/a.py": "",
            "nested/.git/HEAD": "x",
            "nested/.gitignore": "b.py",
            "nested/b.py": "",
            "nested/c.py": "",
        },
    )
    assert sorted(met(workspace)) == ["nested/.gitignore", "nested/c.py", "sub/a.py"]


def test_folders_of_tools_and_virtual_environments_are_left_out_without_an_ignore_file(
    tmp_path: Path,
) -> None:
    workspace = made(
        tmp_path,
        {
            "node_modules/x/a.js": "",
            "src/__pycache__/a.pyc": "",
            "my-env/pyvenv.cfg": "",
            "my-env/lib/a.py": "",
            "src/a.py": "",
            "pyvenv.cfg": "",
        },
    )
    on_the_way = walk(workspace)
    assert [seen.path for seen in on_the_way] == ["pyvenv.cfg", "src/a.py"]
    assert on_the_way.folders == ["", "src"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.png", "binary"),
        ("A.PNG", "binary"),
        ("jquery.min.js", "generated"),
        ("app.bundle.js", "generated"),
        ("package-lock.json", "generated"),
        ("Cargo.lock", "generated"),
        ("x_pb2.py", "generated"),
        ("a.pb.go", "generated"),
        ("admin.py", ""),
        ("unlocked.json", ""),
        ("Makefile", ""),
    ],
)
def test_what_cannot_be_searched_is_named_with_its_reason(tmp_path: Path, name: str, reason: str) -> None:
    assert met(made(tmp_path, {name: "x"})) == {name: reason}


def test_a_file_of_100_mb_is_met_and_not_opened(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"a.py": ""})
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert met(workspace)["large.py"] == f"larger than {FILE_SIZE_MAX} bytes"


def test_names_with_newlines_or_without_an_encoding_are_left_out_and_counted(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"a.py": "", "with\nnewline.py": ""})
    with open(os.fsencode(tmp_path) + b"/latin-\xe9.py", "wb"):  # noqa: PTH123 - a name that no text can hold
        pass
    on_the_way = walk(workspace)
    assert [seen.path for seen in on_the_way] == ["a.py"]
    assert on_the_way.unnameable == 2
    assert look(workspace, "with\nnewline.py", workspace.ignores()) is None


def test_pipes_and_sockets_are_no_files(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"a.py": ""})
    os.mkfifo(tmp_path / "pipe.py")
    assert list(met(workspace)) == ["a.py"]
    assert look(workspace, "pipe.py", workspace.ignores()) is None


def test_a_folder_that_vanishes_in_mid_walk_ends_nothing(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"a/1.py": "", "b/2.py": "", "c/3.py": ""})
    paths: list[str] = []
    for seen in walk(workspace):
        paths.append(seen.path)
        (tmp_path / "b" / "2.py").unlink(missing_ok=True)
        if (tmp_path / "b").exists():
            (tmp_path / "b").rmdir()
    assert paths == ["a/1.py", "c/3.py"]


def test_a_file_that_vanishes_between_listing_and_asking_is_left_out(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"1.py": "", "2.py": "", "3.py": ""})
    paths: list[str] = []
    for seen in walk(workspace):
        paths.append(seen.path)
        (tmp_path / "2.py").unlink(missing_ok=True)
    assert paths == ["1.py", "3.py"]


def test_a_folder_without_permission_is_named_and_the_rest_is_walked() -> None:
    with unprivileged() as folder:
        workspace = made(folder, {"a.py": "", "closed/b.py": "", "c.py": ""})
        (folder / "closed").chmod(0)
        on_the_way = walk(workspace)
        assert [seen.path for seen in on_the_way] == ["a.py", "c.py"]
        assert on_the_way.unreadable == ["closed (Permission denied)"]


def test_a_file_below_more_folders_than_any_tree_has_is_not_met(tmp_path: Path) -> None:
    deep = "/".join("d" * (FOLDERS_MAX + 1))
    assert met(made(tmp_path, {f"{deep}/a.py": "", "b.py": ""})) == {"b.py": ""}


def test_a_walk_of_more_files_than_a_workspace_has_is_cut_and_says_so(tmp_path: Path) -> None:
    on_the_way = walking.Walk(made(tmp_path, {"a.py": "", "b.py": "", "c.py": ""}), files_max=2)
    assert [seen.path for seen in on_the_way] == ["a.py", "b.py"]
    assert on_the_way.is_cut


def test_a_single_look_sees_what_a_walk_sees(tmp_path: Path) -> None:
    workspace = made(
        tmp_path, {"a.py": "x", "b/c.py": "y", "a.png": "", ".gitignore": "d.py", "d.py": "", ".env": ""}
    )
    rules = workspace.ignores()
    walked = list(walk(workspace))
    looked: list[Seen | None] = [look(workspace, seen.path, rules) for seen in walked]
    assert looked == walked
    for path in ("d.py", ".env", "gone.py", "b", "node_modules/a.js", ".git/config"):
        assert look(workspace, path, rules) is None


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    workspace = made(tmp_path, {"a.py": "one"})
    (before,) = walk(workspace)
    (tmp_path / "b.py").write_text("two")
    (tmp_path / "b.py").replace(tmp_path / "a.py")
    (after,) = walk(workspace)
    assert before.stamp.size_bytes == after.stamp.size_bytes
    assert before.stamp != after.stamp
