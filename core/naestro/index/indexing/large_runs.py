"""Large runs and compactions of one index, in an indexer: a process of their own that ends when it has nothing to do.

`workspace_index` lies above and says which runs are large; below lie the `indexer_process` and the `holdings`, which
follow what the indexer writes, so that searches here find it at once. Where no indexer comes up the caller does the
work itself.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from naestro.config import Settings
from naestro.errors import IndexFault
from naestro.index.indexing.difference import Difference
from naestro.index.indexing.embedding import Embedding
from naestro.index.indexing.holdings import Holdings
from naestro.index.indexing.indexer_process import PROGRAM, IndexerProcess, NoIndexer
from naestro.index.indexing.meter import Meter
from naestro.index.indexing.orders import (
    Answer,
    Begin,
    Compact,
    Ended,
    Heard,
    Indexed,
    Made,
    Told,
    Work,
    Wrote,
)
from naestro.policy.workspace import Workspace

_log = logging.getLogger(__name__)


def _nothing(_answer: Answer) -> None:
    """Hear nothing."""


class LargeRuns:
    """The indexer of one index, if there is one now; `end` it."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        vectors: Path | None,
        holdings: Holdings,
        embedding: Embedding,
        *,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """For the index that `holdings` has open; `vectors` is the folder of the caches, None the person's own."""
        self._workspace = workspace
        self._settings = settings
        self._vectors = vectors
        self._holdings = holdings
        self._embedding = embedding
        self.program = program
        """What an indexer runs."""
        self._lock = threading.Lock()
        self._process: IndexerProcess | None = None
        self.is_lasting = False
        """Whether the indexer stays until `end`, which is called when it is quiet; a compaction waits for that, too."""

    @property
    def pid(self) -> int | None:
        """Of the indexer that is here now."""
        with self._lock:
            return self._process.pid if self._process else None

    def expect(self) -> None:
        """Start the indexer, since a large run is about to come: it takes a second until it can work."""
        if self.is_lasting and self._holdings.is_writer:
            with contextlib.suppress(NoIndexer):
                self._started(has_workers=True)

    def run(
        self,
        difference: Difference,
        meter: Meter,
        stop: threading.Event,
        indexed: Callable[[list[str]], object],
    ) -> None:
        """Take in what is different; `indexed` hears which files can be found now.

        Raises Stopped, `IndexFault`, and NoIndexer, after which nothing was done.
        """
        store = self._holdings.open_store
        is_followed = self.is_lasting and store is not None and store.is_covered
        work = Work.of(difference, is_followed=is_followed)

        def hear(answer: Answer) -> Heard | None:
            if isinstance(answer, Told):
                meter.follow(answer.progress)
            elif isinstance(answer, Indexed):
                indexed(answer.paths)
            if isinstance(answer, Made):
                return self._shown(answer)
            return self._adopted(answer) if isinstance(answer, Wrote) else None

        if self._carried_out(work, stop, hear, has_workers=True).is_compacted:
            self.end()  # a first run, most likely; nothing is left to do

    def compact(self, stop: threading.Event) -> None:
        """Make searches fast and the folder small again after many changes; takes a second or two.

        Raises Stopped soon after `stop` was set, `IndexFault` and sqlite3.Error.
        """
        store = self._holdings.store
        try:
            self._carried_out(Compact.of(store.added_counts), stop, _nothing, has_workers=False)
        except NoIndexer:
            store.compact()
            self._holdings.manifest.checkpoint()

    def end(self) -> None:
        """End the indexer, if there is one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def _carried_out(
        self,
        order: Work | Compact,
        stop: threading.Event,
        hear: Callable[[Answer], Heard | None],
        *,
        has_workers: bool,
    ) -> Ended:
        process = self._started(has_workers=has_workers)
        self._holdings.is_shared = True
        try:
            ended = process.carry_out(order, stop, hear)
        except NoIndexer as error:
            _log.warning("no process for indexing comes up: %s", error)
            self.end()
            raise
        except BaseException:
            self.end()
            self._catch_up(has_rows=isinstance(order, Work) and not order.is_followed)
            raise
        self._holdings.is_shared = False
        if ended.is_compacted and self._holdings.open_store is not None:
            self._holdings.open_store.follow()
        return ended

    def _shown(self, made: Made) -> Heard:
        """Let searches here find what will be written."""
        store = self._holdings.open_store
        return Heard(is_kept=store is not None and store.show(made.paths, made.arrived))

    def _adopted(self, wrote: Wrote) -> Heard:
        """Let searches here find what was written."""
        store = self._holdings.open_store
        if store is None:
            return Heard(is_kept=False)
        store.adopt(wrote.paths, has_rows=wrote.rows > 0)
        return Heard(is_kept=store.is_covered)

    def _catch_up(self, *, has_rows: bool) -> None:
        """See whatever an indexer has written that did not come to its end: if it `has_rows`, new ones, too.

        What it has shown stays in memory: the table has it, or the next run writes it.
        """
        store = self._holdings.open_store
        if store is not None:
            with contextlib.suppress(IndexFault):  # the next run meets it, and mends it
                store.adopt((), has_rows=has_rows)

    def _started(self, *, has_workers: bool) -> IndexerProcess:
        with self._lock:
            if self._process is not None and not self._process.is_alive:
                self._process.end()
                self._process = None
            if self._process is None:
                self._process = IndexerProcess(self._begin(has_workers=has_workers), self.program)
            return self._process

    def _begin(self, *, has_workers: bool) -> Begin:
        embedding = self._embedding
        slow = embedding.embedder if embedding.is_heavy else None
        return Begin(
            root=str(self._workspace.root),
            folder=str(self._holdings.folder),
            vectors=str(self._vectors or ""),
            settings=self._settings.model_dump_json(include={"index"}).encode(),
            pins=(slow.name, slow.dimension) if slow else None,
            lease=self._holdings.lease.descriptor,
            has_workers=has_workers,
        )
