"""LanceDB, loaded when it is first used: silent, with bounded caches, its faults in Naestro's words.

`store` and `table` lie above. LanceDB is asynchronous; one event loop in a thread of its own serves all tables of
this process (measured against its blocking interface: a third less time a search). This module knows no column.
"""

import ctypes
import os
import re
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from naestro import config
from naestro.errors import IndexDamaged, IndexFault, IndexUnavailable
from naestro.index.storage import lance_import

if TYPE_CHECKING:
    import lancedb

_T = TypeVar("_T")

_INDEX_CACHE_BYTES: Final = 96 << 20
"""Of all indexes of this process together: vectors and postings of some 80,000 chunks."""
_METADATA_CACHE_BYTES: Final = 16 << 20
_MALLOC_ARENAS: Final = (-8, 2)
"""glibc's M_ARENA_MAX. Without it each of LanceDB's threads keeps what it once needed: 600 MB instead of 260 after 200
searches over 36,000 chunks."""
_MALLOC_LARGE: Final = ((-3, 128 << 10), (-1, 128 << 10))
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, fixed: left alone they grow with what an index run takes, which then stays.
272 MB instead of 318 after a run over 22,000 chunks and 200 searches."""
_QUIET: Final = {"LANCEDB_LOG": "off", "LANCE_LOG": "off", "RUST_LOG": "off"}

_FULL = re.compile(r"os error (28|122)\b|no space left|quota exceeded", re.IGNORECASE)
_FORBIDDEN = re.compile(r"os error (1|13|30)\b|permission denied|read-only file system", re.IGNORECASE)
_CROWDED = re.compile(r"os error (12|23|24)\b|too many open files|cannot allocate memory", re.IGNORECASE)


def load() -> None:
    """Load LanceDB now, for a process that is about to need it: half a second."""
    _session()


@cache
def _session() -> "lancedb.Session":
    """The caches that all tables of this process share."""
    config.set_for_libraries(_QUIET)
    for option in (_MALLOC_ARENAS, *_MALLOC_LARGE):
        _tell_heap("mallopt", *option)
    lance_import.load()
    import lancedb

    return lancedb.Session(
        index_cache_size_bytes=_INDEX_CACHE_BYTES, metadata_cache_size_bytes=_METADATA_CACHE_BYTES
    )


def give_back_memory() -> None:
    """Hand what is free in this process's heaps back to the system, after work that took much."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    _tell_heap("malloc_trim", 0)


def _tell_heap(function: str, *args: int) -> None:
    """Call a function of glibc's heap; other systems have none such."""
    found = getattr(ctypes.CDLL(None), function, None)
    if found is not None:
        found(*args)


@cache
def _portal_of(_process: int) -> BlockingPortal:
    """The way into the event loop of a process; a forked child has none of its parent's threads."""
    ready = threading.Event()
    portals: list[BlockingPortal] = []

    async def serve() -> None:
        async with BlockingPortal() as portal:
            portals.append(portal)
            ready.set()
            await portal.sleep_until_stopped()

    threading.Thread(target=anyio.run, args=(serve,), name="naestro-lance", daemon=True).start()
    ready.wait()
    return portals[0]


def call(function: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """What `function(*args)` gives in LanceDB's event loop; the caller waits."""
    return _portal_of(os.getpid()).call(_guarded, function, *args)


async def _guarded(function: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """What `function(*args)` gives. A panic of LanceDB, which is no Exception, would end the loop for good."""
    try:
        return await function(*args)
    except BaseException as error:
        cause = _first_of(error)
        if _is_panic(cause):
            raise RuntimeError(str(cause)) from error
        raise


def _is_panic(error: BaseException) -> bool:
    """Whether Rust gave up; it descends from BaseException."""
    return type(error).__name__ == "PanicException"


async def connect(folder: Path, *, is_writer: bool) -> "lancedb.AsyncConnection":
    """The database in `folder`; a reader sees with each question what another process has written."""
    from datetime import timedelta

    session = _session()
    import lancedb

    interval = None if is_writer else timedelta(0)
    return await lancedb.connect_async(str(folder), session=session, read_consistency_interval=interval)


@contextmanager
def faults(doing: str) -> Generator[None]:
    """Raise what LanceDB says inside as `IndexUnavailable` (room, rights, files) or else as `IndexDamaged`.

    `doing` is the subject of the sentence: `Searching the index`.
    """
    try:
        yield
    except BaseException as error:
        cause = _first_of(error)
        if isinstance(cause, IndexFault):
            raise cause from None
        if not _is_panic(cause) and not isinstance(cause, OSError | RuntimeError | ValueError):
            raise
        raise fault_of(cause, doing) from error


def _first_of(error: BaseException) -> BaseException:
    """What happened first of what happened side by side."""
    inside: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _first_of(inside[0]) if inside else error


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
    # LanceDB ends its messages with the place in its own source.
    first = said.strip().splitlines()[0].split(", /")[0][:200] if said.strip() else type(error).__name__
    return IndexDamaged(f"{doing} failed: the index is damaged ({first}).")
