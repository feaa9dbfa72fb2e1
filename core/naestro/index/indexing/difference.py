"""What lies otherwise on the disk than the index has it: by stamps alone, so that an unchanged file is not opened.

`run` lies above and takes in what is named here; below lie the `walk` and the `manifest`. It opens no file.
"""

import os
import stat
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from naestro.index.files.manifest import FileRecord, Manifest
from naestro.index.files.walk import FILES_MAX, Seen, Walk, is_left_out_folder, look, walk
from naestro.index.parsing.grammar import grammar
from naestro.index.taking.taken import Task
from naestro.policy.ignore import Ignores
from naestro.policy.workspace import Workspace

IGNORE_NAMES = (".gitignore", ".naestroignore")
"""Files that say what else may be indexed; a change of one concerns the whole workspace."""


@dataclass(slots=True)
class Difference:
    """What a run has to do."""

    todo: list[Task] = field(default_factory=list[Task])
    """Files that may say something new."""
    left_out: list[FileRecord] = field(default_factory=list[FileRecord])
    """Files that are not opened, and the index does not know yet why."""
    gone: set[str] = field(default_factory=set[str])
    """Files that the index has, or may have, and that are no longer there, or ignored now."""
    known: dict[str, FileRecord] = field(default_factory=dict[str, FileRecord])
    """What the index has of the files above."""
    pending: set[str] = field(default_factory=set[str])
    """Files that an earlier run was about to write when it was killed."""
    folders: list[str] | None = None
    """Every folder that was walked, the root (empty) first; None after a look at some files only."""
    seen: int = 0
    """Files that were looked at."""
    warnings: list[str] = field(default_factory=list[str])
    """Sentences for a person."""

    @property
    def is_nothing(self) -> bool:
        """Whether the index is as the disk is."""
        return not (self.todo or self.left_out or self.gone)

    def compare(self, seen: Seen, record: FileRecord | None) -> None:
        """Take a file's part into account; `record` is what the index has of it."""
        self.seen += 1
        is_pending = seen.path in self.pending
        if record is not None:
            is_same = record.stamp == seen.stamp and record.is_settled and not is_pending
            if is_same and not _can_be_named(record):
                return
            self.known[seen.path] = record
        if seen.skipped:
            self.left_out.append(FileRecord(seen.path, seen.stamp, True, b"", skipped=seen.skipped))
        else:
            is_held = record is not None and not (is_pending or record.lacks)
            self.todo.append(Task(seen.path, seen.stamp, record.hash if record and is_held else b""))


def _can_be_named(record: FileRecord) -> bool:
    """Whether the grammar that a file lacks can be loaded now."""
    return bool(record.lacks) and grammar(record.lacks) is not None


class Stopped(Exception):
    """The caller asked the run to end; what was written stays."""


def of_workspace(workspace: Workspace, manifest: Manifest, stop: threading.Event | None = None) -> Difference:
    """All that is different; takes a walk. Raises Stopped soon after `stop` was set."""
    found = Difference(pending=manifest.pending())
    records = {record.path: record for record in manifest.records()}
    unmet = set(found.pending)
    on_the_way = walk(workspace, stop)
    for seen in on_the_way:
        found.compare(seen, records.pop(seen.path, None))
        unmet.discard(seen.path)
    if on_the_way.stop.is_set():
        raise Stopped
    found.gone = unmet.union(records)
    found.known.update(records)
    found.folders = on_the_way.folders
    found.warnings = list(_warnings(on_the_way))
    return found


def of_files(workspace: Workspace, manifest: Manifest, paths: Iterable[str]) -> Difference | None:
    """What is different about the files at `paths`; None where that concerns more than them: only a walk can tell."""
    found = Difference(pending=manifest.pending())
    ignores = workspace.ignores()
    for path in paths:
        is_rule = path.rpartition("/")[2] in IGNORE_NAMES
        if is_rule or manifest.holds_below(path) or _is_walked_folder(workspace, path, ignores):
            return None
        seen, record = look(workspace, path, ignores), manifest.record(path)
        if seen is not None:
            found.compare(seen, record)
        elif record is not None:
            found.gone.add(path)
            found.known[path] = record
    return found


def _is_walked_folder(workspace: Workspace, path: str, ignores: Ignores) -> bool:
    """Whether a folder lies at `path` that a walk would enter."""
    try:
        is_folder = stat.S_ISDIR(os.lstat(workspace.root / path).st_mode)
    except OSError:
        return False
    return is_folder and not is_left_out_folder(path, ignores)


def _warnings(walked: Walk) -> Iterator[str]:
    if walked.unreadable:
        yield f"Folders that cannot be listed are not indexed: {', '.join(walked.unreadable)}."
    if walked.unnameable:
        yield f"{walked.unnameable} names that no line of text can hold are left out."
    if walked.is_cut:
        yield f"The workspace has more than {FILES_MAX} files; the rest of them is not indexed."
