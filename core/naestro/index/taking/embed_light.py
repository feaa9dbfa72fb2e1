"""The light embedder, its cache of vectors and the one of files, as index runs and their worker processes open them.

`embedding` and `worker` lie above; settings are unknown here, so that a worker need not load them.
"""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from naestro.index.embed.embedder import Embedder
    from naestro.index.taking.parts import PartsCache
    from naestro.index.taking.vectors import VectorCache

LIGHT = "static"
"""The setting of the embedder that is as quick as the parsing."""


def light_embedder(name: str) -> "Embedder | None":
    """The light embedder, where `name` is its name in the settings."""
    if name != LIGHT:
        return None
    from naestro.index.embed.static import static_embedder

    return static_embedder()


def opened_cache(folder: Path, embedder: "Embedder") -> "VectorCache | None":
    """The vectors of `embedder` in `folder`, which is there; None where they cannot be kept."""
    from naestro.index.taking.vectors import VectorCache

    try:
        return VectorCache(folder, embedder.name, embedder.dimension)
    except (sqlite3.Error, OSError):  # a cache that cannot be had costs time, nothing else
        return None


def opened_parts(folder: Path) -> "PartsCache | None":
    """What files were taken apart to, in `folder`, which is there; None where it cannot be kept."""
    from naestro.index.taking.parts import PartsCache

    try:
        return PartsCache(folder)
    except (sqlite3.Error, OSError):
        return None
