"""What the tests of the journal share: drafts, a folder to keep it in, and a look at the file itself."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from naestro.runs.journal import Journal, open_journal
from tests.conformance.journal import begin_step, begun, notice, step_begins, step_ends

__all__ = [
    "Clock",
    "begin_step",
    "begun",
    "commits",
    "database",
    "notice",
    "open_journal",
    "step_begins",
    "step_ends",
    "texts",
]

WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24


class Clock:
    """A clock that a test moves, also backwards."""

    def __init__(self, now_ms: int = 1_790_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """The file, opened as any other program would."""
    with closing(sqlite3.connect(home / "journal.db", isolation_level=None)) as connection:
        yield connection


def commits(home: Path) -> int:
    """How many transactions the write-ahead log holds (sqlite.org/fileformat2.html#walformat)."""
    log = (home / "journal.db-wal").read_bytes()
    page_bytes = struct.unpack(">I", log[8:12])[0]
    frames = range(WAL_HEADER_BYTES, len(log), FRAME_HEADER_BYTES + page_bytes)
    return sum(struct.unpack(">I", log[at + 4 : at + 8])[0] != 0 for at in frames)


def texts(journal: Journal, run: str) -> list[str]:
    """The texts of the notices of a run, in order."""
    return [event.data.text for event in journal.reader.events(run) if event.type == "notice"]  # pyright: ignore[reportAttributeAccessIssue]
