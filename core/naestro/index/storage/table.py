"""The table of chunks in a folder, opened: made where there is none, opened anew where another process has changed it.

`store` lies above and knows what stands in it; the file of its `records` lies beside it and goes with it.
"""

import shutil
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from naestro.errors import IndexDamaged, IndexUnavailable
from naestro.index.storage import indexes, lance, sums
from naestro.index.storage.indexes import NOTHING_COVERED, Coverage
from naestro.index.storage.records import FILE as RECORDS
from naestro.index.storage.records import Records
from naestro.index.storage.schema import Pins, schema_of

if TYPE_CHECKING:
    import lancedb

_T = TypeVar("_T")

_NAME: Final = "chunks"


def erase(folder: Path) -> None:
    """Take the table in `folder` away, damaged or not."""
    for name in (RECORDS, sums.FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(_files_of(folder), ignore_errors=True)


def check(folder: Path, stop: threading.Event) -> None:
    """Read every file of the table in `folder`; raises `IndexDamaged` for one that has changed since a compaction.

    Ends soon after `stop` was set. It opens nothing of LanceDB.
    """
    with lance.faults("Checking the index"):
        name = sums.changed(folder, _files_of(folder), stop)
    if name:
        raise IndexDamaged(f"The index is damaged: its file {name} has changed on the disk.")


def ask(question: Callable[[], Awaitable[_T]], doing: str) -> _T:
    """What `question` gives in LanceDB's event loop; raises `IndexFault`, whose sentence begins with `doing`."""
    with lance.faults(doing):
        return lance.call(question)


@dataclass(slots=True)
class TablePlace:
    """Where a table lies, and how it is opened."""

    folder: Path
    pins: Pins
    is_writer: bool
    rebuild_reason: str = field(default="", init=False)
    """Why what was opened cannot serve, as a sentence."""
    is_first: bool = field(default=False, init=False)
    """Whether the table was made here and never compacted: then nobody reads an old version of it."""
    records: Records = field(init=False)

    def __post_init__(self) -> None:
        """Find the records beside the table."""
        self.records = Records(self.folder)

    @property
    def size_bytes(self) -> int:
        """On the disk, old versions included."""
        files = [*_files_of(self.folder).rglob("*"), self.folder / RECORDS]
        return sum(map(_size_of, files))

    def sum(self) -> None:
        """Take the sums that `check` compares. Raises OSError."""
        sums.take(self.folder, _files_of(self.folder))

    def opened(self) -> "tuple[lancedb.AsyncTable, Coverage]":
        """The table, made where there is none, and what of it can be found in its indexes alone.

        Raises `IndexUnavailable` for a reader where nothing is yet, and what `ask` raises.
        """
        return ask(self._opened, "Opening the index")

    def reopened(self) -> "lancedb.AsyncTable":
        """The table as it is now; one that was open before serves those who ask it on. Raises what `ask` raises."""
        return ask(self._reopened, "Opening the index")

    def reopened_after(self, table: "lancedb.AsyncTable") -> "tuple[lancedb.AsyncTable, bool]":
        """The table anew, and whether another process may have written since `table` was opened.

        Where none has, `table` itself may have gone on since it was asked: a compaction drops the files of before.
        """
        if not self.is_writer:
            return self.opened()[0], True
        now = self.reopened()
        return now, not ask(lambda: _is_same(now, table), "Opening the index")

    async def _reopened(self) -> "lancedb.AsyncTable":
        database = await lance.connect(self.folder, is_writer=self.is_writer)
        return await database.open_table(_NAME)

    async def _opened(self) -> "tuple[lancedb.AsyncTable, Coverage]":
        database = await lance.connect(self.folder, is_writer=self.is_writer)
        if _files_of(self.folder).exists():
            table = await database.open_table(_NAME)
            metadata = (await table.schema()).metadata or {}
            self.rebuild_reason = self.pins.trouble(metadata)
            self.records.begin(metadata.get(b"name", b"").decode())
            return table, await indexes.coverage(table) if self.is_writer else NOTHING_COVERED
        if not self.is_writer:
            raise IndexUnavailable("This folder has no index yet.")
        name = uuid4().hex
        self.records.begin(name)
        table = await database.create_table(
            _NAME,
            schema=schema_of(self.pins, name),
            storage_options={"new_table_enable_stable_row_ids": "true"},
        )
        self.is_first = True
        await indexes.begin(table)
        return table, await indexes.coverage(table)


def _files_of(folder: Path) -> Path:
    return folder / f"{_NAME}.lance"


async def _is_same(one: "lancedb.AsyncTable", other: "lancedb.AsyncTable") -> bool:
    return await one.version() == await other.version()


def _size_of(file: Path) -> int:
    """0 where the file went while the folder was listed."""
    try:
        return file.lstat().st_size
    except OSError:
        return 0
