"""The embedder of an index, with the cache of its vectors: chosen by the settings, loaded when it is first needed.

A light one (word vectors) runs where files are parsed, so that chunks have their vectors at once. A heavy one (a model,
a server) comes afterwards: words find everything meanwhile. `workspace_index` lies above, `embed` and `vectors` below.
"""

import sqlite3
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from naestro.config import Settings
from naestro.index.place import indexes, made
from naestro.index.taking.embed_light import LIGHT, light_embedder, opened_cache, opened_parts
from naestro.index.taking.frames import Setup
from naestro.index.taking.taken import Batch
from naestro.index.taking.taking import Taker, embed_text

if TYPE_CHECKING:
    import numpy as np

    from naestro.index.embed.choose import Reranker
    from naestro.index.embed.embedder import Embedder
    from naestro.index.parsing.parsed import Chunk
    from naestro.index.taking.parts import PartsCache
    from naestro.index.taking.vectors import VectorCache

NONE = "none"


class Embedding:
    """What gives one index its vectors; safe from any thread; `close` it."""

    def __init__(
        self, settings: Settings, folder: Path | None = None, *, pins: tuple[str, int] | None = None
    ) -> None:
        """By the `settings`; `folder` is where vectors are cached, by default beside the indexes.

        `pins` are the name and the dimension of a heavy embedder that another process has loaded.
        """
        index = settings.index
        self.choice = " ".join(filter(None, (index.embedder, index.embedder_url, index.embedder_model)))
        """The setting: another one is another index."""
        self.is_light = index.embedder == LIGHT
        self.is_heavy = index.embedder not in (LIGHT, NONE)
        self._pins = pins
        self._settings = settings
        self._folder = folder
        self._lock = threading.Lock()
        self._cache: VectorCache | None = None
        self._parts: PartsCache | None = None

    @cached_property
    def embedder(self) -> "Embedder | None":
        """The embedder, None where words alone count. Raises an `IndexFault` where it cannot be had."""
        with self._lock:
            return _chosen(self._settings)

    def pins(self) -> tuple[str, int]:
        """The embedder's name and dimension, as a table is made with them. Raises what `embedder` raises."""
        if self._pins is not None:
            return self._pins
        embedder = self.embedder
        return (embedder.name, embedder.dimension) if embedder else (NONE, 0)

    def reranker(self) -> "Reranker | None":
        """What orders the first results anew, None where the settings ask for none. Raises `ModelMissing`."""
        if not self._settings.index.rerank:
            return None
        from naestro.index.embed.choose import reranker

        return reranker(self._settings)

    @property
    def cache(self) -> "VectorCache | None":
        """The vectors that were made before, for any workspace; None where they cannot be kept."""
        embedder = self.embedder
        with self._lock:
            if self._cache is None and embedder is not None:
                self._cache = opened_cache(made(self._folder or indexes()), embedder)
            return self._cache

    @property
    def parts(self) -> "PartsCache | None":
        """What files were taken apart to before, for any workspace; None where it cannot be kept."""
        with self._lock:
            if self._parts is None:
                self._parts = opened_parts(made(self._folder or indexes()))
            return self._parts

    def setup(self, root: Path) -> Setup:
        """What workers are told."""
        return Setup(str(root), LIGHT if self.is_light else "", str(made(self._folder or indexes())))

    def taker(self, root: Path) -> Taker:
        """Takes files in here."""
        if self.is_light:
            return Taker(root, self.embedder, self.cache, self.parts)
        return Taker(root, parts=self.parts)

    def keep(self, batch: Batch) -> None:
        """Keep the vectors that were made in `batch` for the next time."""
        matrix = batch.matrix()
        chunks = batch.chunks
        new = [at for at, chunk in enumerate(chunks) if chunk.is_new]
        if matrix is not None and new and (cache := self.cache):
            _put(cache, [chunks[at].hash for at in new], matrix[new])

    def vectors(self, chunks: "Sequence[Chunk]", stop: threading.Event) -> "list[np.ndarray]":
        """The vectors of `chunks`, from the cache or made now. Raises an `IndexFault` or `EmbeddingStopped`."""
        from naestro.index.taking.vectors import hash_of

        embedder, cache = self.embedder, self.cache
        assert embedder is not None
        texts = [embed_text(chunk) for chunk in chunks]
        hashes = [hash_of(text.joined()) for text in texts]
        known = cache.get(hashes) if cache else {}
        new = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in known}
        if new:
            made_now = embedder.passages(list(new.values()), stop)
            known |= dict(zip(new, made_now, strict=True))
            if cache:
                _put(cache, list(new), made_now)
        return [known[digest] for digest in hashes]

    def close(self) -> None:
        """Let go of the cache."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
                self._cache = None
            if self._parts is not None:
                self._parts.close()
                self._parts = None


def _chosen(settings: Settings) -> "Embedder | None":
    if settings.index.embedder in (LIGHT, NONE):
        return light_embedder(settings.index.embedder)
    from naestro.index.embed.choose import embedder

    return embedder(settings)


def _put(cache: "VectorCache", hashes: Sequence[str], vectors: "np.ndarray") -> None:
    try:
        cache.put(hashes, vectors)
    except sqlite3.Error:  # a full disk: the run itself will say so
        return
