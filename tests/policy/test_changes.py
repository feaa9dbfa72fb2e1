"""Changes of files: all or none, only to the text that they were made for, and taken back whole."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naestro.errors import (
    HalfWritten,
    MissingFile,
    OutsideWorkspace,
    PatchConflict,
    PatchEmpty,
    PatchError,
    PatchMalformed,
    UnreadableFile,
)
from naestro.policy.changes import Change, Recovered, UndoRecord, execute, plan, recover, undo, unified_diff
from naestro.policy.workspace import Workspace
from tests.policy.conftest import picture
from tests.support.faults import before, watching
from tests.support.unprivileged import privileged, unprivileged


def edit(workspace: Workspace, path: str, after: str | None) -> Change:
    """A change made for the file as it is now."""
    try:
        return Change(path, workspace.read(path).sha256, after)
    except MissingFile:
        return Change(path, None, after)


def everything(workspace: Workspace) -> list[Change]:
    """An edit, a removal, and a new file in new folders."""
    return [
        edit(workspace, "crlf.py", "one\n2\nthree\n"),
        edit(workspace, "lf.py", None),
        edit(workspace, "new/er/file.py", "fresh\n"),
    ]


def test_all_files_change_in_their_own_form(files: Workspace) -> None:
    execute(plan(files, everything(files)))
    assert picture(files.root) == {
        "crlf.py": ("file", b"one\r\n2\r\nthree\r\n", 0o755),
        "new": ("folder", b"", 0),
        "new/er": ("folder", b"", 0),
        "new/er/file.py": ("file", b"fresh\n", 0o644),
        "sub": ("folder", b"", 0),
        "sub/deep.txt": ("file", b"deep", 0o644),
    }


def test_undo_gives_back_every_byte_mode_and_folder(files: Workspace) -> None:
    at_first = picture(files.root)
    planned = plan(files, everything(files))
    execute(planned)
    assert picture(files.root) != at_first
    undo(files, planned.record)
    assert picture(files.root) == at_first


def test_planning_writes_nothing(files: Workspace) -> None:
    at_first = picture(files.root)
    plan(files, everything(files))
    assert picture(files.root) == at_first


def test_the_record_of_undo_survives_the_journal(files: Workspace) -> None:
    record = plan(files, everything(files)).record
    assert msgspec.json.decode(msgspec.json.encode(record), type=UndoRecord) == record
    assert record.paths == ["crlf.py", "lf.py", "new/er/file.py"]
    assert record.folders == ["new", "new/er"]


def test_a_folder_that_got_other_files_since_is_kept_by_undo(files: Workspace) -> None:
    planned = plan(files, everything(files))
    execute(planned)
    (files.root / "new" / "mine.py").touch()
    undo(files, planned.record)
    assert [path.name for path in (files.root / "new").iterdir()] == ["mine.py"]


def test_undo_makes_the_folder_of_a_removed_file_again(files: Workspace) -> None:
    planned = plan(files, [edit(files, "sub/deep.txt", None)])
    execute(planned)
    (files.root / "sub").rmdir()
    undo(files, planned.record)
    assert (files.root / "sub" / "deep.txt").read_bytes() == b"deep"


def test_the_mode_that_a_person_gave_since_is_kept_by_undo(files: Workspace) -> None:
    planned = plan(files, [edit(files, "lf.py", "x\n")])
    execute(planned)
    (files.root / "lf.py").chmod(0o700)
    undo(files, planned.record)
    assert (files.root / "lf.py").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("path", ["crlf.py", "lf.py", "new/er/file.py"])
def test_undo_refuses_what_was_changed_since_and_writes_nothing(files: Workspace, path: str) -> None:
    planned = plan(files, everything(files))
    execute(planned)
    (files.root / path).write_text("mine\n")
    seen = picture(files.root)
    with pytest.raises(PatchConflict, match=f"{path} was changed since"):
        undo(files, planned.record)
    assert picture(files.root) == seen


def test_a_change_made_for_another_text_is_refused(files: Workspace) -> None:
    change = edit(files, "lf.py", "x\n")
    (files.root / "lf.py").write_text("mine\n")
    with pytest.raises(PatchConflict, match="not the text"):
        plan(files, [change])


def test_a_file_that_is_gone_or_came_since_is_a_conflict(files: Workspace) -> None:
    changes = everything(files)
    (files.root / "crlf.py").unlink()
    with pytest.raises(PatchConflict, match="gone since"):
        plan(files, changes[:1])
    (files.root / "new" / "er").mkdir(parents=True)
    (files.root / "new" / "er" / "file.py").touch()
    with pytest.raises(PatchConflict, match="there already"):
        plan(files, changes[2:])


def test_what_is_no_change_is_refused(files: Workspace) -> None:
    with pytest.raises(PatchEmpty):
        plan(files, [])
    with pytest.raises(PatchEmpty):
        plan(files, [edit(files, "lf.py", "uno\ndos\n")])
    with pytest.raises(PatchMalformed, match="no such file"):
        plan(files, [Change("nothing.py", None, None)])
    with pytest.raises(PatchMalformed, match="twice"):
        plan(files, [edit(files, "lf.py", "a\n"), edit(files, "./lf.py", "b\n")])


def test_a_file_that_stays_equal_is_left_out_of_the_plan(files: Workspace) -> None:
    planned = plan(files, [edit(files, "lf.py", "uno\ndos\n"), edit(files, "sub/deep.txt", "deeper")])
    assert planned.record.paths == ["sub/deep.txt"]


@pytest.mark.parametrize(
    ("path", "error"),
    [("../a.py", OutsideWorkspace), (".git/hooks/pre-commit", UnreadableFile), (".env", UnreadableFile)],
)
def test_no_change_reaches_over_the_border(files: Workspace, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        plan(files, [Change(path, None, "x\n")])


def test_a_link_stays_and_its_target_is_changed(files: Workspace) -> None:
    (files.root / "link.py").symlink_to("lf.py")
    at_first = picture(files.root)
    planned = plan(files, [edit(files, "link.py", "x\n")])
    assert planned.record.paths == ["lf.py"]
    execute(planned)
    assert picture(files.root)["link.py"] == at_first["link.py"]
    assert (files.root / "lf.py").read_text() == "x\n"
    undo(files, planned.record)
    assert picture(files.root) == at_first


def test_another_name_of_the_same_file_keeps_the_old_text(files: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside.py").hardlink_to(files.root / "lf.py")
    execute(plan(files, [edit(files, "lf.py", "x\n")]))
    assert (tmp_path / "outside.py").read_text() == "uno\ndos\n"


def test_a_write_protected_file_is_refused_before_anything_is_written(files: Workspace) -> None:
    planned = plan(files, everything(files))
    (files.root / "lf.py").chmod(0o444)
    seen = picture(files.root)
    with pytest.raises(PatchConflict, match="write-protected"):
        plan(files, everything(files))
    with pytest.raises(PatchConflict, match="write-protected"):
        execute(planned)
    assert picture(files.root) == seen


def test_a_workspace_that_is_gone_is_told(tmp_path: Path) -> None:
    workspace = Workspace.find(tmp_path)
    change = Change(path="new/a.py", before_sha256=None, after="x\n")
    shutil.rmtree(tmp_path)
    with pytest.raises(PatchConflict, match="is gone"):
        plan(workspace, [change])


def test_a_folder_without_permission_is_refused_before_anything_is_written() -> None:
    with unprivileged() as folder:
        workspace = Workspace.find(folder)
        (folder / "a.py").write_text("x\n")
        (folder / "closed").mkdir(mode=0o555)
        with pytest.raises(PatchConflict, match=r"closed/deep/b\.py is write-protected"):
            plan(workspace, [edit(workspace, "a.py", "y\n"), edit(workspace, "closed/deep/b.py", "z\n")])
        assert (folder / "a.py").read_text() == "x\n"


def other_owner() -> tuple[int, int]:
    """A user and a group that a file can be given to by whoever runs the tests: anybody's by root, else one's own."""
    groups = [group for group in os.getgroups() if group != os.getegid()]
    return (1234, 1234) if os.geteuid() == 0 else (os.geteuid(), groups[0] if groups else os.getegid())


def test_the_owner_of_a_file_is_kept(files: Workspace) -> None:
    owner = other_owner()
    os.chown(files.root / "lf.py", *owner)
    execute(plan(files, [edit(files, "lf.py", "x\n")]))
    status = (files.root / "lf.py").stat()
    assert (status.st_uid, status.st_gid) == owner


def test_the_file_of_somebody_else_changes_where_the_system_allows_it() -> None:
    owner = other_owner()
    with unprivileged() as folder:
        (folder / "a.py").write_text("x\n")
        with privileged():
            os.chown(folder / "a.py", *owner)
            (folder / "a.py").chmod(0o666)
        workspace = Workspace.find(folder)
        execute(plan(workspace, [edit(workspace, "a.py", "y\n")]))
        assert (folder / "a.py").read_text() == "y\n"


def test_files_that_cannot_stand_together_are_written_neither(files: Workspace) -> None:
    at_first = picture(files.root)
    changes = [edit(files, "lf.py", "x\n"), Change("a", None, "file\n"), Change("a/b", None, "below it\n")]
    planned = plan(files, changes)
    with pytest.raises(PatchConflict, match="stands in its way"):
        execute(planned)
    assert picture(files.root) == at_first


Act = Callable[[Path, Path], None]


def becomes_other(root: Path, outside: Path) -> None:
    (root / "sub" / "deep.txt").write_bytes(b"mine")


def becomes_link(root: Path, outside: Path) -> None:
    (root / "sub" / "deep.txt").unlink()
    (root / "sub" / "deep.txt").symlink_to(outside / "deep.txt")


def folder_becomes_link(root: Path, outside: Path) -> None:
    (root / "sub").rename(root / "moved")
    (root / "sub").symlink_to(outside)


@pytest.mark.parametrize("act", [becomes_other, becomes_link, folder_becomes_link])
@pytest.mark.parametrize("nth", range(1, 5))
def test_what_changes_while_the_patch_is_written_is_left_alone_and_so_is_the_rest(
    files: Workspace, tmp_path: Path, act: Act, nth: int
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "deep.txt").write_bytes(b"deep")
    planned = plan(files, [edit(files, "lf.py", "x\n"), edit(files, "sub/deep.txt", "deeper")])
    acted: list[Act] = []

    def somebody() -> None:
        acted.append(act)
        act(files.root, tmp_path / "outside")

    try:
        with watching(before("open", somebody, nth=nth, name="deep.txt")):
            execute(planned)
    except PatchConflict:
        assert acted
        assert (files.root / "lf.py").read_bytes() == b"uno\ndos\n"
        assert (files.root / "sub" / "deep.txt").read_bytes() in {b"mine", b"deep"}
    else:  # the file is read less often than that
        assert not acted
        assert (files.root / "lf.py").read_bytes() == b"x\n"
        assert (files.root / "sub" / "deep.txt").read_bytes() == b"deeper"
    assert (tmp_path / "outside" / "deep.txt").read_bytes() == b"deep"
    assert not [path for path in files.root.rglob("*.tmp") if path.parent.name != "moved"]


def test_a_file_that_changes_between_reading_and_recording_is_a_conflict(files: Workspace) -> None:
    change = edit(files, "lf.py", "x\n")
    calls = before("open", lambda: (files.root / "lf.py").write_text("mine\n"), nth=2, name="lf.py")
    with watching(calls), pytest.raises(PatchConflict, match="changed while"):
        plan(files, [change])


def failing(number: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


@pytest.mark.parametrize("event", ["os.rename", "os.remove", "os.mkdir"])
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EIO, "Input/output error"),
        (errno.ELOOP, "Too many levels"),
    ],
)
def test_when_the_system_fails_no_file_is_changed(
    files: Workspace, event: str, number: int, told: str
) -> None:
    at_first = picture(files.root)
    planned = plan(files, everything(files))
    with watching(before(event, failing(number))), pytest.raises(PatchError, match=told):
        execute(planned)
    assert picture(files.root) == at_first


@pytest.mark.parametrize("order", [1, -1])
def test_an_interrupted_write_is_taken_back(files: Workspace, order: int) -> None:
    at_first = picture(files.root)

    def interrupt() -> None:
        raise KeyboardInterrupt

    planned = plan(files, everything(files)[::order])
    with watching(before("os.rename", interrupt, nth=2)), pytest.raises(KeyboardInterrupt):
        execute(planned)
    assert picture(files.root) == at_first


def test_a_file_that_cannot_be_put_back_is_named_and_recovered_later(files: Workspace) -> None:
    at_first = picture(files.root)
    planned = plan(files, [edit(files, "crlf.py", "x\n"), edit(files, "lf.py", "y\n")])
    renames = 0

    def fail_from_second(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal renames
        renames += event == "os.rename"
        if event == "os.rename" and renames > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with (
        watching(fail_from_second),
        pytest.raises(HalfWritten, match=r"crlf\.py was changed and could not be put back"),
    ):
        execute(planned)
    assert recover(files, planned.record) is Recovered.NOT_APPLIED
    assert picture(files.root) == at_first


def test_recovery_tells_what_was_done_and_what_was_not(files: Workspace) -> None:
    planned = plan(files, everything(files))
    assert recover(files, planned.record) is Recovered.NOT_APPLIED
    execute(planned)
    assert recover(files, planned.record) is Recovered.APPLIED


def test_recovery_refuses_a_file_that_is_neither_old_nor_new(files: Workspace) -> None:
    planned = plan(files, everything(files))
    execute(planned)
    (files.root / "crlf.py").write_text("mine\n")
    seen = picture(files.root)
    with pytest.raises(PatchConflict, match=r"crlf\.py was changed since"):
        recover(files, planned.record)
    assert picture(files.root) == seen


def test_recovery_refuses_a_link_in_the_place_of_a_file(files: Workspace) -> None:
    planned = plan(files, everything(files))
    (files.root / "crlf.py").unlink()
    (files.root / "crlf.py").symlink_to("lf.py")
    with pytest.raises(PatchConflict, match="stands in its way"):
        recover(files, planned.record)


def test_the_diff_is_what_git_makes_the_same_bytes_of(files: Workspace, tmp_path: Path) -> None:
    (files.root / "bom.py").write_bytes(b"\xef\xbb\xbfone\r\ntwo\nlast")
    changes = [
        *everything(files),
        edit(files, "bom.py", "first\none\ntwo\nend"),
        Change("empty.py", None, ""),
    ]
    patch = unified_diff(files, changes).encode()
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", files.root, copy], check=True, timeout=30)
    execute(plan(files, changes))
    for arguments in (["--check"], []):
        command = ["git", "apply", "--whitespace=nowarn", *arguments, "-"]
        subprocess.run(command, input=patch, cwd=copy, check=True, timeout=30)
    assert picture(copy) == picture(files.root)


def test_the_diff_leaves_out_what_stays_equal(files: Workspace) -> None:
    assert unified_diff(files, [edit(files, "lf.py", "uno\ndos\n")]) == ""


BYTES = st.one_of(
    st.none(), st.lists(st.sampled_from([b"a\n", b"b\r\n", b"\n", b"c", b"\xe9\n"]), max_size=6).map(b"".join)
)
TEXTS = st.one_of(
    st.none(), st.lists(st.sampled_from(["a\n", "b\n", "\n", "z", "é\n"]), max_size=6).map("".join)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(BYTES, TEXTS, st.sampled_from([0o644, 0o755, 0o600])), min_size=1, max_size=4))
def test_apply_and_undo_are_the_identity_on_bytes_and_modes(
    tmp_path: Path, cases: list[tuple[bytes | None, str | None, int]]
) -> None:
    workspace = Workspace(Path(os.path.realpath(tmp_path)))
    subprocess.run(["find", tmp_path, "-mindepth", "1", "-delete"], check=True, timeout=30)
    changes: list[Change] = []
    for number, (data, after, mode) in enumerate(cases):
        path = f"f{number % 2}/{number}.txt"
        if data is not None:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(data)
            (tmp_path / path).chmod(mode)
        if data is not None or after is not None:
            changes.append(edit(workspace, path, after))
    at_first = picture(tmp_path)
    try:
        planned = plan(workspace, changes)
    except PatchEmpty:
        return
    execute(planned)
    for change in changes:
        assert (tmp_path / change.path).exists() == (change.after is not None)
        assert change.after is None or workspace.read(change.path).text == change.after
    undo(workspace, planned.record)
    assert picture(tmp_path) == at_first
