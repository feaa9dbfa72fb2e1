"""Changing files of the workspace: planned first, then all of them or none, and taken back on request.

The order keeps every promise over a crash: `plan` checks everything and gives an undo record; the caller journals
that record; only then `execute` writes. Each new content lies complete beside its target before the first rename,
and right before each rename the path and the hash are checked again. When the process dies in between, `recover`
makes the set whole from the record alone. Where the workspace has an editor's buffers, they are what a change is made
for, and text goes through the editor. `council` makes changes from a model's text; this module knows no model.
"""

import errno
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from naestro.errors import (
    HalfWritten,
    MissingFile,
    OutsideWorkspace,
    PatchConflict,
    PatchEmpty,
    PatchError,
    PatchMalformed,
)
from naestro.policy.buffers import Seen, in_editor, see
from naestro.policy.diff import file_diff
from naestro.policy.folder import Content, Folder, NotPlainFile, open_folder
from naestro.policy.text import TextFile, encode_like, raw_text, sha256_of, with_endings
from naestro.policy.workspace import Workspace
from naestro.types import Value

_UNCHANGED = "No file was changed; run the command again."


class Change(Value, frozen=True):
    """What one file becomes."""

    path: str
    """Relative to the workspace's root."""
    before_sha256: str | None
    """Of the bytes that the change was made for; None when there is no file yet."""
    after: str | None
    r"""The whole new text with `\n`, without a byte-order mark; None removes the file."""


class FileRecord(Value, frozen=True):
    """What undo needs for one file."""

    path: str
    """Relative to the root, symlinks resolved."""
    before: bytes | None
    """The bytes before, or None where there was no file."""
    after_sha256: str | None
    """Of the bytes after, or None where the file was removed."""
    mode: int | None
    """Permission bits before, or None where there was no file."""
    is_unsaved: bool = False
    """Whether `before` was an editor's buffer that was not saved."""
    disk_sha256: str | None = None
    """Then: of what lay on the disk, or None where nothing did."""

    @property
    def before_sha256(self) -> str | None:
        """Of the bytes before."""
        return None if self.before is None else sha256_of(self.before)


class UndoRecord(Value, frozen=True):
    """What undo and recovery need; journalled before anything is written."""

    token: str
    """Part of the names of this patch's temporary files."""
    files: list[FileRecord]
    folders: list[str]
    """Folders that the patch makes, outer ones first."""

    @property
    def paths(self) -> list[str]:
        """The files that change."""
        return [file.path for file in self.files]


class Recovered(StrEnum):
    """What `recover` found or made."""

    APPLIED = "applied"
    """Every file has its new content."""
    NOT_APPLIED = "not_applied"
    """Every file is as it was before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A patch that could be written a moment ago."""

    workspace: Workspace
    record: UndoRecord
    contents: dict[str, bytes | None] = field(repr=False)
    """The new bytes of each path, None where the file is removed."""


@dataclass(frozen=True, slots=True)
class _Swap:
    """One file from the content of one hash to other bytes."""

    path: str
    expected_sha256: str | None
    data: bytes | None
    mode: int | None
    """Permission bits of a file that is not there now; an existing one keeps its own."""

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def plan(workspace: Workspace, changes: Sequence[Change]) -> Plan:
    """Check that `changes` can be made, and say what undo will need; writes nothing.

    Raises PatchConflict when a file is not the text that its change was made for, or is protected; PatchEmpty when
    nothing would change; PatchMalformed when two changes mean one file; WorkspaceError for a path out of bounds.
    """
    records: list[FileRecord] = []
    contents: dict[str, bytes | None] = {}
    for change in changes:
        before = _current(workspace, change)
        path = before.path if before else workspace.admit(change.path)
        if path in contents:
            raise PatchMalformed(f"{change.path} is changed twice in one patch.")
        after = None if change.after is None else encode_like(before, change.after)
        contents[path] = after
        record = _record(workspace, path, before, after)
        if record.before_sha256 != record.after_sha256:
            records.append(record)
    if not records:
        raise PatchEmpty("The patch changes nothing.")
    folders = _missing_folders(workspace, (r.path for r in records if r.after_sha256 is not None))
    record = UndoRecord(token=secrets.token_hex(8), files=records, folders=folders)
    return Plan(workspace, record, {path: contents[path] for path in record.paths})


def execute(plan: Plan) -> None:
    """Write all files of `plan`, or none; blocks until they are on the disk.

    The caller has journalled `plan.record`. Raises PatchConflict when something changed since the plan was made;
    every file is then as it was.
    """
    swaps = [
        _Swap(file.path, file.before_sha256, plan.contents[file.path], file.mode)
        for file in plan.record.files
    ]
    _Exchange(plan.workspace, plan.record).run(swaps)


def undo(workspace: Workspace, record: UndoRecord) -> None:
    """Take an executed patch back: all files or none; created files go, and created folders that are empty.

    Raises PatchConflict, and writes nothing, when a file was changed since.
    """
    swaps = [_Swap(file.path, file.after_sha256, file.before, file.mode) for file in record.files]
    _Exchange(workspace, record).run(swaps)
    _remove_folders(workspace, record.folders)


def recover(workspace: Workspace, record: UndoRecord) -> Recovered:
    """Make whole what a crash in `execute` or `undo` left, and remove temporary files.

    A set of which only a part was written is taken back. Raises PatchConflict, and changes no file's content, when a
    file is neither as it was before the patch nor as after it.
    """
    exchange = _Exchange(workspace, record)
    exchange.sweep()
    written = [file for file in record.files if exchange.is_after(file)]
    if len(written) == len(record.files):
        return Recovered.APPLIED
    swaps = [_Swap(file.path, file.after_sha256, file.before, file.mode) for file in written]
    exchange.run(swaps)
    _remove_folders(workspace, record.folders)
    return Recovered.NOT_APPLIED


def unified_diff(workspace: Workspace, changes: Sequence[Change]) -> str:
    """The changes as one unified diff in git's form, with the files' own line endings and byte-order marks.

    `git apply` makes the same bytes of it, where the files are UTF-8. Raises as `plan` does.
    """
    return "".join(_diff_of(workspace, change) for change in changes)


def _diff_of(workspace: Workspace, change: Change) -> str:
    before = _current(workspace, change)
    if before is None:
        return file_diff(workspace.admit(change.path), None, change.after)
    if change.after == before.text:
        return ""
    mark = "\ufeff" if before.bom else ""
    after = None if change.after is None else mark + with_endings(before, change.after)
    return file_diff(before.path, mark + raw_text(before), after, before.mode)


def _current(workspace: Workspace, change: Change) -> TextFile | None:
    """The file that `change` was made for, or None where it makes one."""
    try:
        file = workspace.read(change.path)
    except MissingFile:
        if change.before_sha256 is not None:
            raise PatchConflict(f"{change.path} is gone since the patch was made.") from None
        if change.after is None:
            raise PatchMalformed(f"{change.path} cannot be removed: there is no such file.") from None
        return None
    if change.before_sha256 is None:
        raise PatchConflict(f"{change.path} is to be created, but is there already.")
    if change.before_sha256 != file.sha256:
        raise PatchConflict(f"{change.path} is not the text that the patch was made for.")
    return file


def _record(workspace: Workspace, path: str, before: TextFile | None, after: bytes | None) -> FileRecord:
    seen = _seen(workspace, path)
    if _sha256(seen.data) != (before.sha256 if before else None):
        raise PatchConflict(f"{path} changed while the patch was planned.")
    if seen.is_unsaved and not _suits_editor(seen, after):
        raise _unsaved(path)
    _refuse_protected(workspace, path)
    return FileRecord(
        path=path,
        before=seen.data,
        after_sha256=_sha256(after),
        mode=None if seen.disk is None else seen.disk.mode,
        is_unsaved=seen.is_unsaved,
        disk_sha256=_sha256(seen.disk.data) if seen.is_unsaved and seen.disk else None,
    )


def _seen(workspace: Workspace, path: str) -> Seen:
    """The file at `path` as the person has it, reached without following a link."""
    return see(workspace.root / path, _content(workspace, path), workspace.buffers)


def _sha256(data: bytes | None) -> str | None:
    return None if data is None else sha256_of(data)


def _suits_editor(seen: Seen, after: bytes | None) -> bool:
    """Whether `after` can take the place of `seen` in the editor: text that it keeps byte for byte."""
    is_known = seen.is_open or seen.data is None
    is_kept = seen.disk is None or in_editor(seen.disk.data) is not None
    return is_known and is_kept and in_editor(after) is not None


def _content(workspace: Workspace, path: str) -> Content | None:
    """The bytes at `path`, reached without following a link; None where there is no file or no folder for it."""
    folder, _, name = path.rpartition("/")
    try:
        with open_folder(workspace.root, folder) as opened:
            return opened.read(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _conflict(path, error) from error


def _refuse_protected(workspace: Workspace, path: str) -> None:
    """Raise where `path`, or the nearest folder that exists above it, may not be written."""
    inner = PurePosixPath(path)
    is_writable = None
    while is_writable is None and inner.name:
        is_writable = _is_writable(workspace, inner.parent.as_posix(), inner.name, path)
        inner = inner.parent
    if is_writable is None:
        raise PatchConflict(
            f"The workspace {workspace.root} is gone.", hint="Nothing was written. Put the folder back first."
        )
    if not is_writable:
        raise PatchConflict(
            f"{path} is write-protected, or its folder is.",
            hint="Nothing was written. Make it writable (chmod u+w) and run the command again.",
        )


def _is_writable(workspace: Workspace, folder: str, name: str, path: str) -> bool | None:
    """Whether both `folder` and `name` in it may be written; None where there is no such folder."""
    try:
        with open_folder(workspace.root, folder) as opened:
            return opened.is_writable() and opened.is_writable(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _conflict(path, error) from error


def _missing_folders(workspace: Workspace, paths: Iterable[str]) -> list[str]:
    parents = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents if parent.name}
    return sorted(folder for folder in parents if not (workspace.root / folder).exists())


def _remove_folders(workspace: Workspace, folders: list[str]) -> None:
    """Remove those that are empty, inner ones first; a person's files in one keep it."""
    for folder in reversed(folders):
        parent, _, name = folder.rpartition("/")
        with suppress(OSError), open_folder(workspace.root, parent) as opened:
            os.rmdir(name, dir_fd=opened.descriptor)


def _conflict(path: str, error: OSError) -> PatchError:
    """A failure of the system at `path`, as the person should hear of it."""
    if isinstance(error, NotPlainFile):
        return PatchConflict(f"{path} cannot be changed: a link, or no regular file, stands in its way.")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return PatchError(
            f"{path} could not be written: the disk is full.", hint=f"Free some space. {_UNCHANGED}"
        )
    return PatchError(
        f"{path} could not be written: {error.strerror}.", hint=f"Mend that first. {_UNCHANGED}"
    )


@dataclass(frozen=True, slots=True)
class _Done:
    """A swap that was made."""

    swap: _Swap
    seen: Seen
    """What it took the place of."""
    is_in_editor: bool
    """Whether the editor was given it."""


@dataclass(slots=True)
class _Exchange:
    """One set of swaps under way: its temporary files, and what was swapped so far."""

    workspace: Workspace
    record: UndoRecord
    _done: list[_Done] = field(default_factory=list[_Done])

    def run(self, swaps: Sequence[_Swap]) -> None:
        """Make all swaps or none."""
        for swap in swaps:
            self._check(swap)
        try:
            self._make_folders(swaps)
            for swap in swaps:
                self._stage(swap)
            for swap in swaps:
                self._exchange(swap)
        except BaseException as error:
            self._roll_back()
            if isinstance(error, OSError):
                raise _conflict(", ".join(swap.path for swap in swaps), error) from error
            raise

    def is_after(self, file: FileRecord) -> bool:
        """Whether `file` has its new content; raises PatchConflict when it has neither that nor the old."""
        found = _sha256(_seen(self.workspace, file.path).data)
        # The editor that had the text before may be gone: then the disk below it is what was before.
        is_below = file.is_unsaved and found == file.disk_sha256
        if found not in {file.before_sha256, file.after_sha256} and not is_below:
            raise _changed(file.path)
        return found == file.after_sha256

    def sweep(self) -> None:
        """Remove the temporary files that are there."""
        for file in self.record.files:
            folder = file.path.rpartition("/")[0]
            with suppress(OSError), open_folder(self.workspace.root, folder) as opened:
                opened.remove(self._temporary(file.path))

    def _temporary(self, path: str) -> str:
        """The name of the file beside `path` that holds its next content."""
        return f".naestro-{self.record.token}-{self.record.paths.index(path)}.tmp"

    def _check(self, swap: _Swap) -> Seen:
        """The file as it is, when it is still what the swap was made for and still lies where it lay."""
        if not self._leads_to_itself(swap.path):
            raise PatchConflict(f"{swap.path} leads to another file now: a link stands in its way.")
        seen = _seen(self.workspace, swap.path)
        if _sha256(seen.data) != swap.expected_sha256:
            raise _changed(swap.path)
        _refuse_protected(self.workspace, swap.path)
        return seen

    def _leads_to_itself(self, path: str) -> bool:
        try:
            return self.workspace.relative(path) == path
        except OutsideWorkspace:
            return False

    def _make_folders(self, swaps: Sequence[_Swap]) -> None:
        for folder in _missing_folders(self.workspace, (s.path for s in swaps if s.data is not None)):
            parent, _, name = folder.rpartition("/")
            with open_folder(self.workspace.root, parent) as opened:
                os.mkdir(name, dir_fd=opened.descriptor)
                opened.sync()

    def _stage(self, swap: _Swap) -> None:
        """Write the next content beside the file."""
        if swap.data is None:
            return
        with self._open(swap) as folder:
            now = folder.read(swap.name)
            mode = now.mode if now else swap.mode
            folder.create(self._temporary(swap.path), swap.data, now.status if now else None, mode)

    def _exchange(self, swap: _Swap) -> None:
        """Put the next content in place, when the file is still the same in this very moment."""
        seen = self._check(swap)
        with self._open(swap) as folder:
            is_in_editor = self._give_to_editor(swap, seen)
            if is_in_editor:
                folder.remove(self._temporary(swap.path))
            elif seen.is_unsaved:
                raise _unsaved(swap.path)
            elif swap.data is None:
                folder.remove(swap.name)
            else:
                folder.rename(self._temporary(swap.path), swap.name)
            self._done.append(_Done(swap, seen, is_in_editor))
            folder.sync()

    def _give_to_editor(self, swap: _Swap, seen: Seen) -> bool:
        """Whether the editor has the next content now; else it is to be written to the disk."""
        text = in_editor(swap.data) if _suits_editor(seen, swap.data) else None
        buffers = self.workspace.buffers
        if text is None or buffers is None:
            return False
        return buffers.write(self.workspace.root / swap.path, text)

    def _roll_back(self) -> None:
        """Put back what was swapped, last first, and leave no trace."""
        for done in reversed(self._done):
            try:
                self._restore(done)
            except OSError as error:
                told = f"{done.swap.path} was changed and could not be put back: {error.strerror}."
                raise HalfWritten(told) from error
        self.sweep()
        _remove_folders(self.workspace, self.record.folders)

    def _restore(self, done: _Done) -> None:
        """Put one file back; the editor that took it is given its old text, where it is still there."""
        swap, seen, buffers = done.swap, done.seen, self.workspace.buffers
        text = in_editor(seen.data) if done.is_in_editor else None
        if buffers is not None and text is not None and buffers.write(self.workspace.root / swap.path, text):
            return
        with self._open(swap) as folder:
            temporary, disk = self._temporary(swap.path), seen.disk
            if disk is None:
                folder.remove(swap.name)
            else:
                folder.remove(temporary)
                folder.create(temporary, disk.data, disk.status, disk.mode)
                folder.rename(temporary, swap.name)
            folder.sync()

    def _open(self, swap: _Swap) -> AbstractContextManager[Folder]:
        return open_folder(self.workspace.root, swap.folder)


def _unsaved(path: str) -> PatchConflict:
    return PatchConflict(
        f"{path} has changes in the editor that were not saved, and cannot be changed there.",
        hint="Nothing was written. Save the file and run the command again.",
    )


def _changed(path: str) -> PatchConflict:
    return PatchConflict(f"{path} was changed since.")
