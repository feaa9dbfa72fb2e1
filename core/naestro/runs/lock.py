"""The journal's lock: one process at a time runs runs, and whoever is refused learns which.

An advisory lock (`flock`) on a file beside the journal. The kernel drops it with the process, however that ends;
a program that the holder starts does not inherit it (the descriptor closes on exec). The file's text only names
the holder; it decides nothing. Nothing of the journal's content is known here.
"""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from naestro.errors import JournalLocked
from naestro.runs.database import FILE_MODE
from naestro.types import Value, encode

LOCK_NAME = "journal.lock"

TRIES = 5
"""A reader that looks whether the lock is held takes a share of it for a moment, so one refusal proves nothing."""
PAUSE_S = 0.01


class Holder(Value, frozen=True):
    """Who holds the lock."""

    pid: int
    command: str
    since: str
    """UTC, RFC 3339."""

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid}, since {self.since})"


def read_holder(home: Path) -> Holder | None:
    """Who last wrote its name into the lock's file; nothing when that cannot be read."""
    try:
        return msgspec.json.decode((home / LOCK_NAME).read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


def _try_lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(home: Path) -> bool:
    """Whether a live process holds the lock."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    for _ in range(TRIES - 1):
        if _try_lock(descriptor, fcntl.LOCK_EX):
            return True
        time.sleep(PAUSE_S)
    return _try_lock(descriptor, fcntl.LOCK_EX)


@contextmanager
def hold_lock(home: Path, command: str) -> Generator[None]:
    """Hold the lock of the journal in `home` for `command`; blocks for at most 50 ms.

    Raises:
        JournalLocked: Another process holds it; the message names its command, process id and since when.
        OSError: The file cannot be made or opened.
    """
    descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        if not _take(descriptor):
            raise JournalLocked(f"The journal in {home} is held by {read_holder(home) or 'another process'}.")
        since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, encode(Holder(os.getpid(), command, since)), 0)
        yield
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
