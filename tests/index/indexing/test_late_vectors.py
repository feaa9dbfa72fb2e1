"""Chunks that were written without vectors get them later, each text once, however often a run ends early."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from naestro.config import IndexSettings, Settings
from naestro.index.embed.embedder import EmbeddingStopped, EmbedText
from naestro.index.files.manifest import FileEntry
from naestro.index.indexing.embedding import Embedding
from naestro.index.indexing.late_vectors import FILES_AT_ONCE, give_vectors
from naestro.index.storage.schema import Row
from naestro.index.storage.store import Store
from naestro.index.text.prepare import prepared
from tests.index.indexed import index_of, workspace_of

FILES = {f"m{n}.py": f"def made_{n}():\n    return {n}\n" for n in range(FILES_AT_ONCE + 3)}


class Counting:
    """An embedder that counts what it was asked for."""

    name = "counting"
    dimension = 2

    def __init__(self) -> None:
        self.texts = 0
        self.stops = False

    def passages(self, texts: Sequence[EmbedText], stop: threading.Event | None = None) -> np.ndarray:
        if self.stops:
            raise EmbeddingStopped
        self.texts += len(texts)
        return np.tile(np.array([1.0, 0.0], np.float32), (len(texts), 1))

    def query(self, text: str) -> np.ndarray:
        return np.array([1.0, 0.0], np.float32)


class Late(Embedding):
    """An embedding with an embedder of the test's own."""

    def __init__(self, folder: Path, counting: Counting) -> None:
        super().__init__(Settings(index=IndexSettings(embedder="minilm")), folder)
        self.embedder = counting


def test_every_file_gets_its_vectors_once_and_a_run_that_ends_early_goes_on(tmp_path: Path) -> None:
    counting = Counting()
    embedding = Late(tmp_path / "vectors", counting)
    with index_of(workspace_of(tmp_path, FILES)) as index:
        manifest = index.manifest
        store = Store.open(tmp_path / "late", "counting", 2, is_writer=True)
        chunks = [chunk for path in manifest.paths() for chunk in index.store.chunks_of(path)]
        store.replace([Row(chunk, prepared(chunk), None, "") for chunk in chunks])
        records = list(manifest.records())
        manifest.commit([FileEntry(record) for record in records], is_waiting=True)
        stopped = threading.Event()
        stopped.set()
        assert give_vectors(manifest, lambda: store, embedding, stopped) == 0
        counting.stops = True
        assert give_vectors(manifest, lambda: store, embedding, threading.Event()) == 0
        counting.stops = False
        assert give_vectors(manifest, lambda: store, embedding, threading.Event()) == len(FILES)
        assert manifest.waiting(9) == []
        assert manifest.pending() == set()
        assert counting.texts == len(chunks)
        question = counting.query("made")
        assert all(one.vector_score for one in store.candidates(["made3"], question, 50))
        manifest.commit([FileEntry(record) for record in records], is_waiting=True)
        give_vectors(manifest, lambda: store, embedding, threading.Event())
        assert counting.texts == len(chunks)
        store.close()
    embedding.close()


def test_a_file_whose_rows_are_not_written_yet_gets_no_vectors_for_the_old_ones(tmp_path: Path) -> None:
    counting = Counting()
    embedding = Late(tmp_path / "vectors", counting)
    with index_of(workspace_of(tmp_path, {"m0.py": FILES["m0.py"], "m1.py": FILES["m1.py"]})) as index:
        manifest = index.manifest
        entries = [FileEntry(record) for record in manifest.records()]
        manifest.begin(["m0.py"])
        manifest.commit(entries, is_waiting=True, is_written=False)  # what a killed indexer leaves
        assert give_vectors(manifest, lambda: index.store, embedding, threading.Event()) == 1
        assert manifest.pending() == {"m0.py"}
        manifest.commit(entries, is_waiting=True)
        assert manifest.waiting(9) == ["m0.py", "m1.py"]
    embedding.close()
