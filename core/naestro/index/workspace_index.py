"""The index of one workspace, as everything above uses it: kept fresh, searched, mapped, looked up.

All methods block and may be called from any thread; a search never waits for an index run. `scheduling` holds one for
each workspace that is used and says when to refresh it; below lie the runs and what they keep (`indexing`), and the
questions (`asking`). It knows no event loop and no front end.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import structs

from naestro.config import Settings
from naestro.errors import IndexDamaged, IndexFault, IndexUnavailable, NaestroError
from naestro.index.asking import lookup
from naestro.index.asking.grep import grep
from naestro.index.asking.literal import LiteralSearcher
from naestro.index.asking.map import repository_map
from naestro.index.asking.search import Search
from naestro.index.files.manifest import Counts, Manifest
from naestro.index.files.walk import is_left_out_by_name
from naestro.index.found import (
    UNSAID,
    Found,
    IndexProgress,
    IndexStatus,
    MapReply,
    Match,
    Place,
    SearchReply,
    is_unsaid,
)
from naestro.index.indexing.difference import Stopped, of_files, of_workspace
from naestro.index.indexing.embedding import Embedding
from naestro.index.indexing.faults import is_damage, said
from naestro.index.indexing.holdings import OTHER_WRITES, Holdings
from naestro.index.indexing.indexer_process import NoIndexer
from naestro.index.indexing.large_runs import LargeRuns
from naestro.index.indexing.late_vectors import FILES_AT_ONCE, give_vectors
from naestro.index.indexing.meter import Meter
from naestro.index.indexing.run import FILES_HERE_MAX, Run, Site, is_large
from naestro.index.indexing.standing import FIRST_RUN, Standing
from naestro.index.only import EVERYTHING, Only
from naestro.index.place import index_of
from naestro.index.storage.store import Store
from naestro.index.storage.table import check
from naestro.policy.workspace import Workspace

COMPACT_CHUNKS = 2_000
"""A run that wrote so many chunks is folded into the table's indexes at once: searches would be slow until then."""
STOPPED = "It was stopped; the next run goes on from there."
UNSEEN_SHOWN = 20
"""Files that a search names one by one because it has not seen them yet."""
MAP_RESULTS = 50
"""What a search for a map's question gives it to start from."""
MAP_IN_PART = "The first index is not complete yet; the map is of the files that are in it so far."


def silent(_progress: IndexProgress) -> None:
    """Hear progress and tell nobody."""


class WorkspaceIndex:
    """The open index of one workspace; `close` it, or use it as a context manager.

    The first process to open it writes; every other one reads what that one has written, and takes its place at the
    next `refresh` after it has gone.
    """

    def __init__(self, workspace: Workspace, settings: Settings, folder: Path | None = None) -> None:
        """Open the index of `workspace`; `folder` is where it lies, by default in the cache of the person.

        An index that is damaged, or was made with another embedder, is thrown away here and built at the next
        `refresh`; the status says so. Raises `IndexUnavailable` where its folder cannot be made.
        """
        self.workspace = workspace
        self.is_watching = False
        """Whether changes are followed; `scheduling` says so."""
        self.watch_trouble = ""
        """Why they are not followed at once, as a sentence."""
        self.embeds_later = False
        """Whether vectors of a slow embedder are made by `embed_some` alone, so that no run waits for them."""
        self.folders: list[str] = []
        """The folders of the last walk, relative, the root (empty) first: those that are worth watching."""
        self._embedding = Embedding(settings, folder)
        self._holdings = Holdings(folder or index_of(workspace.root), self._embedding)
        self.large_runs = LargeRuns(workspace, settings, folder, self._holdings, self._embedding)
        self.standing = Standing(self._holdings)
        """What the last run or a question met."""
        self._unseen: set[str] = set()
        self._is_checked = False

    @cached_property
    def _search(self) -> Search:
        return Search(self.workspace, self._embedding.embedder, self._embedding.reranker())

    @property
    def manifest(self) -> Manifest:
        """What is indexed, and the names in it. Raises `IndexUnavailable` where nothing is there yet."""
        return self._holdings.manifest

    @property
    def store(self) -> Store:
        """The chunks; opened when it is first asked for, which takes a second in a process that had none open."""
        return self._holdings.store

    def refresh(
        self,
        paths: Collection[str] | None = None,
        *,
        progress: Callable[[IndexProgress], None] = silent,
        stop: threading.Event | None = None,
        is_anew: bool = False,
    ) -> IndexProgress:
        """Bring the index to what the disk says: of `paths` alone (relative), or of the whole workspace.

        `progress` is called in this thread, a few times a second at most; `stop`, once set, ends the run soon, what
        was done stays. `is_anew` throws away what is there first. One run at a time: a second one waits for the first.
        Returns the last progress: its phase is `done`, `waiting` where another process writes this index, or `failed`
        with the reason; it raises nothing for what lies in the workspace.
        """
        meter = Meter(progress)
        with self.standing.running:
            last = self._guarded(meter, paths, stop or threading.Event(), is_anew=is_anew)
        progress(last)
        return last

    def _guarded(
        self, meter: Meter, paths: Collection[str] | None, stop: threading.Event, *, is_anew: bool
    ) -> IndexProgress:
        """A run, and what became of it."""
        try:
            if self._holdings.lease.is_lost:
                self.large_runs.end()
            if not self._holdings.takes():
                return meter.now("waiting", OTHER_WRITES)
            damage = self.standing.taken_damage()
            if is_anew or damage:
                self._holdings.erase(f"{damage} It was built anew." if damage else "")
            try:
                self._run(meter, paths, stop)
            except (IndexDamaged, sqlite3.DatabaseError) as error:
                if not is_damage(error):
                    raise
                self._holdings.erase(f"{said(error)} It was built anew.")
                self.standing.damage = ""
                self._run(meter, None, stop)
        except Stopped:
            return meter.now("failed", STOPPED)
        except Exception as error:  # noqa: BLE001  A run's root: what fails in it ends no other run, and no daemon.
            return meter.now("failed", self.standing.failed(error))
        finally:
            self._unseen = set()
            if not self.large_runs.is_lasting:
                self.large_runs.end()
        self.standing.trouble = ""
        return meter.now("done")

    def _run(self, meter: Meter, paths: Collection[str] | None, stop: threading.Event) -> None:
        """Compare, take in, write."""
        meter.tell("walking", is_due=True)
        _check_choice(self._holdings, self._embedding)
        some = None if paths is None else of_files(self.workspace, self.manifest, paths)
        difference = some or of_workspace(self.workspace, self.manifest, stop)
        if difference.folders is not None:
            self.folders = difference.folders
        if not difference.is_nothing:
            self._unseen = {task.path for task in difference.todo}
            site = Site(self.workspace, self.manifest, lambda: self.store, self._embedding)
            _take_in(self.large_runs, Run(site, difference, meter, stop, self._unseen.difference_update))
        if difference.folders is not None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.manifest.note(updated=now, warnings=" ".join(difference.warnings))
        if self._embedding.is_heavy and not self.embeds_later:
            give_vectors(self.manifest, lambda: self.store, self._embedding, stop)

    def search(
        self,
        question: str,
        limit: int = 10,
        *,
        buffers: Mapping[str, str | None] = {},
        only: Only = EVERYTHING,
    ) -> SearchReply:
        """The places of `only` that answer `question`, the best first; `buffers` are unsaved texts by path.

        Where the table cannot be used the files are searched as they are, by words alone; the reply says so.
        """
        detail, note, age = "", "", self._holdings.age
        try:
            self.standing.check_complete()
            found = self._search.find(self.store, question, limit, buffers, only)
            if age != self._holdings.age:  # it was thrown away meanwhile, and what was asked was empty
                raise IndexUnavailable(FIRST_RUN)
            note = " ".join(filter(None, (UNSAID if is_unsaid(found) else "", self.standing.trouble)))
        except (NaestroError, sqlite3.Error) as met:
            error = self.standing.met(met, age)
            found, detail = search_files(self.workspace, question, limit, only, error)
        unseen = sorted(self._unseen)
        return SearchReply(
            found, len(unseen), unseen[:UNSEEN_SHOWN], self.standing.running.locked(), detail, note
        )

    def symbol(self, name: str, limit: int = 50) -> list[Place]:
        """Where `name` (bare or qualified) is defined. Raises `InputError`, `IndexFault`."""
        with self.standing.asking():
            found = lookup.symbol(self.manifest.names, name, limit)
            return found or self.standing.nothing(found)

    def references(self, name: str, limit: int = 200) -> list[Place]:
        """Where `name` is used. Raises `InputError`, `IndexFault`."""
        with self.standing.asking():
            found = lookup.references(self.manifest.names, self.workspace, name, limit)
            return found or self.standing.nothing(found)

    def outline(self, path: str, *, buffers: Mapping[str, str | None] = {}) -> list[Place]:
        """What a file defines, from its top to its end. Raises `WorkspaceError` for a file that is not read."""
        return lookup.outline(self.workspace, path, buffers)

    def map(self, budget_tokens: int = 2000, question: str = "") -> MapReply:
        """The repository map within about `budget_tokens`, about `question` where there is one. Raises `IndexFault`."""
        found = self.search(question, MAP_RESULTS).results if question else []
        with self.standing.asking():
            reply = repository_map(self.manifest.names.all(), budget_tokens, found)
            if not reply.files:
                return self.standing.nothing(reply)
            is_whole = bool(self.manifest.fact("updated"))
            return reply if is_whole else structs.replace(reply, note=MAP_IN_PART)

    def grep(self, regex: str, limit: int = 200, *, buffers: Mapping[str, str | None] = {}) -> list[Match]:
        """Lines that match, in the files as they are. Raises `InputError` for what is no regular expression."""
        return grep(self.workspace, regex, limit, buffers=buffers)

    def status(self) -> IndexStatus:
        """What the index holds now."""
        details = [self._holdings.rebuilt, self.standing.trouble, self.watch_trouble]
        try:
            manifest = self.manifest
            counts, updated, skipped = manifest.counts(), manifest.fact("updated"), manifest.reasons()
            details.append(manifest.fact("warnings"))
            details += [_lacking(language, files) for language, files in manifest.lacking().items()]
        except (IndexFault, sqlite3.Error) as error:
            counts, updated, skipped = Counts(0, 0, 0), "", {}
            details.append(said(error))
        if not self._holdings.is_writer:
            details.append(OTHER_WRITES)
        return IndexStatus(
            workspace=str(self.workspace.root),
            files=counts.files,
            chunks=counts.chunks,
            skipped_files=counts.skipped,
            unseen_files=len(self._unseen),
            embedder=self._embedding.choice,
            size_bytes=self._holdings.size_bytes(),
            is_indexing=self.standing.running.locked(),
            is_watching=self.is_watching,
            updated=updated,
            detail=" ".join(filter(None, dict.fromkeys(details))),
            skipped=skipped,
        )

    def embed_some(self, stop: threading.Event) -> bool:
        """Give some files the vectors that they wait for; whether that went well and more of them wait.

        `stop`, once set, ends it soon.
        """
        if not (self._embedding.is_heavy and self._holdings.is_writer):
            return False
        try:
            with self.standing.running:
                give_vectors(self.manifest, lambda: self.store, self._embedding, stop, FILES_AT_ONCE)
            return bool(self.manifest.waiting(1))
        except Exception as error:  # noqa: BLE001  A run's root.
            self.standing.failed(error)
            return False

    def rest(self, stop: threading.Event) -> None:
        """Do what can wait until it is quiet: look for damage once, compact after enough changes, let the indexer go.

        What stands against it is kept for the status; it ends soon after `stop` was set.
        """
        try:
            if self._holdings.is_writer and self._is_whole(stop) and self.store.needs_compaction:
                self.large_runs.compact(stop)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001  A run's root.
            self.standing.failed(error)
        finally:
            self.large_runs.end()

    def _is_whole(self, stop: threading.Event) -> bool:
        """Whether no file changed under the index, looked at once; the next run mends it."""
        if not self._is_checked:
            age = self._holdings.age
            try:
                check(self._holdings.folder, stop)
            except IndexDamaged as error:
                self.standing.met(error, age)
                return False
            self._is_checked = not stop.is_set()
        return True

    def close(self) -> None:
        """Let go of the files and of the lock; a run that is going on ends first."""
        with self.standing.running:
            self.large_runs.end()
            self._holdings.close()
            self._embedding.close()

    def __enter__(self) -> Self:
        """This index."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def _take_in(large_runs: LargeRuns, run: Run) -> None:
    """Do `run` here, or, where it is much, in a process of its own."""
    difference, meter, stop = run.difference, run.meter, run.stop
    if is_large(difference.todo, difference.pending) or len(difference.gone) > FILES_HERE_MAX:
        with contextlib.suppress(NoIndexer):
            large_runs.run(difference, meter, stop, run.written)
            return
    run()
    if meter.chunks >= COMPACT_CHUNKS:
        large_runs.compact(stop)


def _check_choice(holdings: Holdings, embedding: Embedding) -> None:
    """Begin anew where the settings name another embedder than the index was made with."""
    choice, before = embedding.choice, holdings.manifest.fact("embedder")
    if before == choice:
        return
    if before:
        holdings.erase(f"The embedder is {choice} now, no longer {before}: the index was built anew.")
    holdings.manifest.note(embedder=choice)


def search_files(
    workspace: Workspace, question: str, limit: int, only: Only, error: Exception
) -> tuple[list[Found], str]:
    """What a search of the files as they are finds, by words, and why it was made: `error` stood against another."""
    searcher = LiteralSearcher(
        workspace, admits=lambda path: only.admits(path) and not is_left_out_by_name(path)
    )
    spans, lacking = searcher.look(question, limit)
    found = [Found(span.path, span.start, span.end, span.score, span.why, span.text) for span in spans]
    how = "Searched the files as they are, by words alone" + (f"; {lacking}" if lacking else "")
    return found, f"{said(error)} {how}."


def _lacking(language: str, files: int) -> str:
    """What is missing of the files whose grammar could not be loaded, as a sentence."""
    return (
        f"The grammar of {language} cannot be loaded; names are missing in files: {files}. "
        "They are read again once it can."
    )
