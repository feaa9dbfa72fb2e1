"""Vectors for chunks that were written without: by an embedder that is too slow to be waited for.

Files keep being found by their words; each gets its vectors when its turn comes, and a run that ends early goes on from
there. `workspace_index` lies above; below lie the `manifest`, which knows who waits, the `store` and the `embedding`.
"""

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from naestro.index.files.manifest import Manifest
from naestro.index.indexing.embedding import Embedding

if TYPE_CHECKING:
    from naestro.index.storage.store import Store

FILES_AT_ONCE = 16
"""Some hundred chunks: seconds of a slow embedder's work, which a stop waits for."""


def give_vectors(
    manifest: Manifest,
    store: "Callable[[], Store]",
    embedding: Embedding,
    stop: threading.Event,
    files_max: float = math.inf,
) -> int:
    """Give files that wait for vectors their own, about `files_max` of them; how many got them before `stop` was set.

    Raises `IndexFault` where the embedder fails, and what store and manifest do.
    """
    from naestro.index.embed.embedder import EmbeddingStopped
    from naestro.index.storage.schema import Row
    from naestro.index.taking.taking import embed_text
    from naestro.index.taking.vectors import hash_of
    from naestro.index.text.prepare import prepared

    done = 0
    while done < files_max and (paths := manifest.waiting(FILES_AT_ONCE)) and not stop.is_set():
        chunks = [chunk for path in paths for chunk in store().chunks_of(path)]
        try:
            vectors = embedding.vectors(chunks, stop)
        except EmbeddingStopped:
            break
        rows = [
            Row(chunk, prepared(chunk), vector, hash_of(embed_text(chunk).joined()))
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        manifest.begin(paths)
        store().replace(rows)
        manifest.embedded(paths)
        done += len(paths)
    return done
