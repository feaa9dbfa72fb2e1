"""LanceDB, loaded when it is first used: silent, with bounded caches, its faults in Naestro's words.

`store` lies above. This is the one module that imports LanceDB and knows how it fails; it knows no column.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from naestro import config
from naestro.errors import IndexDamaged, IndexFault, IndexUnavailable

if TYPE_CHECKING:
    import lancedb

_INDEX_CACHE_BYTES: Final = 64 << 20
"""Of all indexes of this process together: the postings of some 100,000 chunks."""
_METADATA_CACHE_BYTES: Final = 16 << 20
_QUIET: Final = {"LANCEDB_LOG": "off", "LANCE_LOG": "off", "RUST_LOG": "off"}

_FULL = re.compile(r"os error (28|122)\b|no space left|quota exceeded", re.IGNORECASE)
_FORBIDDEN = re.compile(r"os error (1|13|30)\b|permission denied|read-only file system", re.IGNORECASE)
_CROWDED = re.compile(r"os error (12|23|24)\b|too many open files|cannot allocate memory", re.IGNORECASE)


@cache
def _session() -> "lancedb.Session":
    """The caches that all tables of this process share."""
    config.set_for_libraries(_QUIET)
    import lancedb

    return lancedb.Session(
        index_cache_size_bytes=_INDEX_CACHE_BYTES, metadata_cache_size_bytes=_METADATA_CACHE_BYTES
    )


def connect(folder: Path) -> "lancedb.DBConnection":
    """The database in `folder`, whose readers see what other processes have written."""
    session = _session()
    from datetime import timedelta

    import lancedb

    return lancedb.connect(str(folder), session=session, read_consistency_interval=timedelta(0))


def quoted(text: str) -> str:
    """`text` as a string literal of a filter, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def faults(doing: str) -> Generator[None]:
    """Raise what LanceDB says inside as `IndexUnavailable` (room, rights, files) or else as `IndexDamaged`."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise fault_of(error, doing) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # The native code's own; it descends from BaseException.
            raise
        raise fault_of(error, doing) from error


def fault_of(error: BaseException, doing: str) -> IndexFault:
    """What `error` of LanceDB means; `doing` is the sentence's subject: `Searching the index`."""
    said = str(error)
    if _FULL.search(said):
        return IndexUnavailable(f"{doing} failed: no room is left on the disk.", hint="Free some room.")
    if _FORBIDDEN.search(said):
        return IndexUnavailable(
            f"{doing} failed: its folder may not be used.", hint="Mend the rights of Naestro's cache folder."
        )
    if _CROWDED.search(said):
        return IndexUnavailable(
            f"{doing} failed: this process has no memory or no file handles left.",
            hint="Close other programs, or raise the limit (`ulimit -n`).",
        )
    first = said.strip().splitlines()[0][:200] if said.strip() else type(error).__name__
    return IndexDamaged(f"{doing} failed: the index is damaged ({first}).")
