"""One index run: what is different on the disk is taken in and written, first to the table, then to the manifest.

So nothing is said to be indexed that cannot be found, and a run that is killed goes on where it was: what it was
about to write is noted before. Many files are taken in by worker processes, few of them right here. Above,
`workspace_index` (small runs) and the `indexer` (large ones) say what to compare; below lie `difference`, `taking`,
`workers`, the `store` and the `manifest`.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from naestro.index.files.manifest import FileEntry, FileRecord, Manifest
from naestro.index.files.reading import read
from naestro.index.indexing.difference import Difference, Stopped
from naestro.index.indexing.embedding import Embedding
from naestro.index.indexing.meter import Meter
from naestro.index.taking.taken import Batch, Task
from naestro.index.taking.taking import Taker, is_settled
from naestro.index.taking.workers import Shelf, WorkerPool, WorkersUnavailable, worker_count
from naestro.policy.workspace import Workspace

if TYPE_CHECKING:
    from naestro.index.storage.schema import Row
    from naestro.index.storage.store import Store
    from naestro.index.text.statistics import TermCounts

FILES_HERE_MAX = 40
"""More files than that pay for processes of their own, which take half a second to start."""
BYTES_HERE_MAX = 1_500_000
"""So do larger ones."""
ROWS_AT_ONCE = 4_000
"""Rows of one write: a few writes for a large workspace, and what was read so far can be found meanwhile."""
FILES_BETWEEN_LOOKS = 8
"""Files that are taken in here between two looks whether to stop."""
FILES_KNOWN_AT_ONCE = 64
"""Files that the cache of files is asked for at once: 50 ms where it has them."""
UNKNOWN_MAX = 0.25
"""Share of the first files: where the cache knows fewer than the rest, workers are quicker than this process."""
WRITE_EVERY_S = 3.0
"""Seconds after which what was read is written, however little."""
ROWS_SHOWN_AT_ONCE = 500
SHOW_EVERY_S = 0.2
"""The same where it can be found before it is written, which takes 5 ms and 0.1 ms a row."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a run works on."""

    workspace: Workspace
    manifest: Manifest
    store: "Callable[[], Store]"
    """Opens the table; it is not asked for where nothing is different."""
    embedding: Embedding
    """Gives the chunks their vectors."""
    shelf: Shelf | None = None
    """Workers that may be here already; None: they are started and ended with a run."""


def is_large(tasks: Sequence[Task], pending: Collection[str]) -> bool:
    """Whether `tasks` pay for processes of their own; `pending` are files over which a run was killed."""
    # Such a file may kill this process, too.
    is_risky = any(task.path in pending for task in tasks)
    size = sum(task.stamp.size_bytes for task in tasks)
    return is_risky or len(tasks) > FILES_HERE_MAX or size > BYTES_HERE_MAX


def _nobody(_rows: "Sequence[Row]", _paths: Collection[str]) -> None:
    """Hear of what is written, and tell nobody."""


@dataclass(frozen=True, slots=True)
class _Write:
    """What the table is to have."""

    rows: "Sequence[Row]"
    paths: list[str]
    """All files whose rows these replace."""
    counts: "TermCounts | None"
    """Those of the rows, where they were counted already."""


@dataclass
class Run:
    """One run over what is different; call it once."""

    site: Site
    difference: Difference
    meter: Meter
    stop: threading.Event
    written: Callable[[list[str]], object] = len
    """Hears which files can be found now, some at a time."""
    replaced: "Callable[[Sequence[Row], Collection[str]], object]" = _nobody
    """Hears what the table has now, rows and the files whose rows they replace, before it is said to be indexed."""
    show: "Callable[[Sequence[Row], Collection[str]], bool] | None" = None
    """Lets searches find rows in the place of those of files before the table has them; whether it could.

    The table is written last then.
    """
    _unwritten: list[_Write] = field(default_factory=list[_Write])
    _batches: list[Batch] = field(default_factory=list[Batch])
    _rows: int = 0
    _written: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        """Bring the index to the disk. Raises Stopped, `IndexFault` and sqlite3.Error."""
        tasks = self._without_same()
        self._begin(tasks)
        sizes = {task.path: task.stamp.size_bytes for task in tasks}
        self.meter.begin(len(tasks), sum(sizes.values()))
        for batch in self._taken(tasks):
            self._batches.append(batch)
            self._rows += len(batch.chunks)
            for file in batch.files:
                self.meter.add(sizes[file.path], len(file.chunks))
            if self._is_due():
                self._write()
            self.meter.tell("parsing")
            self._check()
        self.meter.tell("writing", is_due=True)
        self._write()
        if self._unwritten:
            self.meter.tell("writing", is_due=True)
            self._settle()
        self._taker.keep()

    @cached_property
    def _taker(self) -> Taker:
        return self.site.embedding.taker(self.site.workspace.root)

    def _without_same(self) -> list[Task]:
        """The tasks whose files say something new; the others get their new stamps."""
        new: list[Task] = []
        same: list[FileRecord] = []
        for task in self.difference.todo:
            record = self._same(task)
            if record:
                same.append(record)
            else:
                new.append(task)
            self._check()
        if same:
            self.site.manifest.restamp(same)
            self.written([record.path for record in same])
        return new

    def _same(self, task: Task) -> FileRecord | None:
        """What the index has of a file, with its new stamp, where its content is as it was."""
        record = self.difference.known.get(task.path)
        if record is None or not task.hash:
            return None
        now_ns = time.time_ns()
        try:
            file = read(self.site.workspace.root, task.path)
        except OSError:
            return None
        if file.hash != task.hash:
            return None
        return msgspec.structs.replace(record, stamp=file.stamp, is_settled=is_settled(file.stamp, now_ns))

    def _begin(self, tasks: Sequence[Task]) -> None:
        """Take away what is gone, and note what is not opened."""
        gone = self.difference.gone
        entries = [FileEntry(record) for record in self.difference.left_out]
        if not gone and not entries:
            return
        left_out = {entry.record.path for entry in entries}
        held = [path for path in gone | left_out if self._is_held(path)]
        is_written = not held or self._put(_Write([], held, None))
        self.site.manifest.commit(entries, gone, is_written=is_written)

    def _is_held(self, path: str) -> bool:
        """Whether the table may hold chunks of a file."""
        record = self.difference.known.get(path)
        return path in self.difference.pending or (record is not None and record.chunks > 0)

    def _taken(self, tasks: Sequence[Task]) -> Iterator[Batch]:
        """What became of each file."""
        if not is_large(tasks, self.difference.pending):
            yield from self._taken_here(tasks)
            return
        left: list[Task] = []
        yield from self._taken_before(tasks, left)
        if not is_large(left, self.difference.pending):
            yield from self._taken_here(left)
            return
        done: set[str] = set()
        shelf = self.site.shelf or Shelf(self.site.embedding.setup(self.site.workspace.root))
        try:
            with closing(WorkerPool(shelf, left, worker_count())) as pool:
                self.site.store()  # it takes a second to open, while the workers begin
                for batch in pool:
                    done.update(file.path for file in batch.files)
                    yield batch
        except WorkersUnavailable:
            yield from self._taken_here([task for task in left if task.path not in done])
        finally:
            if shelf is not self.site.shelf:
                shelf.close()

    def _taken_here(self, tasks: Sequence[Task]) -> Iterator[Batch]:
        if tasks:
            self.site.manifest.begin([task.path for task in tasks])
            for at in range(0, len(tasks), FILES_BETWEEN_LOOKS):
                yield self._taker.take(tasks[at : at + FILES_BETWEEN_LOOKS])

    def _taken_before(self, tasks: Sequence[Task], left: list[Task]) -> Iterator[Batch]:
        """What the cache of files says of large numbers of them, without a worker; the others go into `left`.

        Where it knows few of the first ones the workers ask it themselves.
        """
        for at in range(0, len(tasks), FILES_KNOWN_AT_ONCE):
            asked = tasks[at : at + FILES_KNOWN_AT_ONCE]
            batch, unknown = self._taker.known(asked)
            left += unknown
            yield batch
            if at == 0 and len(unknown) > len(asked) * UNKNOWN_MAX:
                left += tasks[FILES_KNOWN_AT_ONCE:]
                return

    def _is_due(self) -> bool:
        """Whether what was taken in is to be written, or shown, which is cheaper."""
        waited_s = time.monotonic() - self._written
        if self.show is not None:
            return self._rows >= ROWS_SHOWN_AT_ONCE or waited_s > SHOW_EVERY_S
        return self._rows >= ROWS_AT_ONCE or waited_s > WRITE_EVERY_S

    def _write(self) -> None:
        """Write what was taken in since the last time: noted, then found, then said to be."""
        batches, self._batches, self._rows = self._batches, [], 0
        files = [file for batch in batches for file in batch.files]
        if files:
            rows = [row for batch in batches for row in _rows(batch)]
            is_written = True
            if rows or any(not file.chunks and self._is_held(file.path) for file in files):
                counts = _sum([batch.counts() if batch.terms else None for batch in batches if batch.chunks])
                is_written = self._put(_Write(rows, [file.path for file in files], counts))
            gone = [file.path for file in files if file.entry is None]
            entries = [file.entry for file in files if file.entry]
            is_waiting = self.site.embedding.is_heavy
            self.site.manifest.commit(entries, gone, is_waiting=is_waiting, is_written=is_written)
            self.written([file.path for file in files])
        for batch in batches:
            self.site.embedding.keep(batch)
        self._written = time.monotonic()

    def _put(self, write: _Write) -> bool:
        """Let it be found: shown, and written later, else written now; whether it is written."""
        self.site.manifest.begin(write.paths)
        if self.show is not None and self.show(write.rows, write.paths):
            self._unwritten.append(write)
            return False
        self.show = None
        self._settle()
        self._replace(write)
        return True

    def _settle(self) -> None:
        """Write what was shown."""
        shown, self._unwritten = self._unwritten, []
        if not shown:
            return
        rows = [row for write in shown for row in write.rows]
        paths = [path for write in shown for path in write.paths]
        counts = _sum([write.counts for write in shown if write.rows])
        self._replace(_Write(rows, paths, counts))
        self.site.manifest.settle(paths)

    def _replace(self, write: _Write) -> None:
        self.site.store().replace(write.rows, write.paths, write.counts)
        self.replaced(write.rows, write.paths)

    def _check(self) -> None:
        if self.stop.is_set():
            self._write()
            self._settle()
            raise Stopped


def _sum(parts: "Sequence[TermCounts | None]") -> "TermCounts | None":
    """The counts of all `parts`; None where some were not counted."""
    from naestro.index.text.statistics import TermCounts

    counted = [part for part in parts if part is not None]
    return TermCounts.sum(counted) if len(counted) == len(parts) else None


def _rows(batch: Batch) -> "Iterator[Row]":
    """The rows of some files for the table."""
    from naestro.index.storage.schema import Row

    vectors = batch.matrix()
    for at, made in enumerate(batch.chunks):
        yield Row(made.chunk, made.prepared, None if vectors is None else vectors[at], made.hash)
