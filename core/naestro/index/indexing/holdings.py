"""The files of one index, opened: the manifest, and the table of chunks when it is first needed.

What cannot be used (damaged, made by another embedder or version, table and manifest at odds) is named here, and
thrown away when `workspace_index`, which lies above, begins a run that builds it anew. Safe from any thread.
"""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from naestro.errors import IndexDamaged, IndexUnavailable
from naestro.index.files.manifest import Manifest
from naestro.index.files.manifest_file import ManifestDamaged
from naestro.index.indexing.embedding import Embedding
from naestro.index.place import Lease, made

if TYPE_CHECKING:
    from naestro.index.storage.store import Store

_log = logging.getLogger(__name__)

MANIFEST = "manifest.sqlite"
OTHER_WRITES = "Another Naestro keeps the index of this workspace; this one reads it."
NOT_YET = "This workspace has no index yet."


class Holdings:
    """The open files of the index in one folder; `close` them."""

    def __init__(
        self, folder: Path, embedding: Embedding, *, lease: Lease | None = None, is_searched: bool = True
    ) -> None:
        """Open what lies in `folder`, which is made where it is missing. Raises IndexUnavailable.

        `lease` is one that is held already. Not `is_searched`: the table is written to, nothing else.
        """
        self.folder = made(folder)
        self._embedding = embedding
        self._is_searched = is_searched
        self.rebuilt = ""
        """Why what was there was thrown away, as a sentence; empty where it was not."""
        self.age = 0
        """How often it was: what was met before that says nothing of what is there now."""
        self._lease = lease or Lease(folder)
        self._lock = threading.RLock()
        self._manifest: Manifest | None = None
        self._inode = 0
        self._was_cut_off = False
        """Whether a run was killed before the manifest was opened: then the table may hold more."""
        self.is_shared = False
        """Whether another process wrote with this one's lease: table and manifest were not looked at in one moment."""
        self._store: Store | None = None
        self.takes()

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the index."""
        return self._lease.is_held

    @property
    def lease(self) -> Lease:
        """The right to write."""
        return self._lease

    @property
    def open_store(self) -> "Store | None":
        """The table, if it is open."""
        return self._store

    def takes(self) -> bool:
        """Whether this process writes the index, from now on where no other does any more.

        Raises IndexUnavailable where the folder was taken away, and cannot be made again.
        """
        with self._lock:
            if self._lease.is_lost:
                self._close_files()
                self._lease.give()
                self.age += 1
                made(self.folder)
            was_writer = self.is_writer
            if self._lease.take() and not was_writer:
                self._close_files()  # they were open for reading
            return self.is_writer

    @property
    def manifest(self) -> Manifest:
        """The manifest. Raises IndexUnavailable where another process has not made it yet, else IndexDamaged."""
        with self._lock:
            if self._manifest is not None and not self.is_writer and self._is_replaced():
                self._close_files()
            if self._manifest is None:
                self._manifest = self._opened_manifest()
            return self._manifest

    @property
    def store(self) -> "Store":
        """The table. Raises IndexUnavailable where it cannot be used here, IndexDamaged where it must be made anew."""
        with self._lock:
            if self._store is None:
                self._store = self._opened_store()
            return self._store

    def erase(self, reason: str) -> None:
        """Throw away what is there, for `reason`, a sentence, empty where a person asked for it; only a writer may."""
        from naestro.index.storage.store import erase

        with self._lock:
            if reason:
                _log.warning("%s: %s", self.folder, reason)
            self.rebuilt = reason
            self.age += 1
            self._close_files()
            erase(self.folder)
            for name in (MANIFEST, f"{MANIFEST}-wal", f"{MANIFEST}-shm"):
                (self.folder / name).unlink(missing_ok=True)

    def size_bytes(self) -> int:
        """On the disk."""
        return sum(_size_of(file) for file in self.folder.rglob("*"))

    def close(self) -> None:
        """Let go of the files and of the right to write."""
        with self._lock:
            self._close_files()
            self._lease.give()

    def _opened_manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        if not self.is_writer and not path.exists():
            raise IndexUnavailable(NOT_YET)
        try:
            manifest = Manifest(path, is_writer=self.is_writer)
        except ManifestDamaged as error:
            raise IndexDamaged(f"The index cannot be read: {error}.") from error
        self._inode = path.stat().st_ino
        self._was_cut_off = bool(manifest.pending())
        return manifest

    def _is_replaced(self) -> bool:
        """Whether the writer has begun another manifest."""
        try:
            return (self.folder / MANIFEST).stat().st_ino != self._inode
        except OSError:
            return True

    def _opened_store(self) -> "Store":
        from naestro.index.storage.processor import lacking

        reason = lacking()
        if reason:
            raise IndexUnavailable(reason, hint="Searches read the files as they are.")
        from naestro.index.storage.store import Store

        name, dimension = self._embedding.pins()
        store = Store.open(
            self.folder, name, dimension, is_writer=self.is_writer, is_searched=self._is_searched
        )
        trouble = store.rebuild_reason or self._odds(store)
        if trouble:
            store.close()
            raise IndexDamaged(trouble)
        return store

    def _odds(self, store: "Store") -> str:
        """What table and manifest contradict each other in, as a sentence; a run that was killed explains it."""
        if not self.is_writer or self.is_shared:
            return ""
        counts = self.manifest.counts()
        if self._was_cut_off or store.count == counts.chunks:
            return ""
        return f"The index is damaged: {store.count} chunks are there, and {counts.chunks} should be."

    def _close_files(self) -> None:
        if self._store is not None:
            self._store.close()
        if self._manifest is not None:
            self._manifest.close()
        self._store = self._manifest = None


def _size_of(file: Path) -> int:
    try:
        return file.lstat().st_size if file.is_file() else 0
    except OSError:
        return 0
