"""Where the stores that exist keep their runs, as the conformance suites ask for it."""

import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from naestro.runs.journal import Journal, Reader, open_journal, open_reader


class SqlitePlace:
    """A folder with the journal that is shipped."""

    def __init__(self, folder: str) -> None:
        self.home = Path(folder)

    @property
    def address(self) -> tuple[str, str]:
        return "tests.conformance.places:SqlitePlace", str(self.home)

    def open(self, holder: str = "conformance") -> AbstractAsyncContextManager[Journal]:
        return open_journal(self.home, holder=holder)

    def reader(self) -> Reader:
        return open_reader(self.home)

    def take_over(self) -> None:
        with closing(sqlite3.connect(self.home / "journal.db")) as other, other:
            other.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")
