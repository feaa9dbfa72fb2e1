"""A file beside the table with what a search needs of each chunk: of hundreds what ranks them, of ten their lines.

The table gives 260 rows in 10 ms of processor time, however few columns are asked of it, and 10 rows in 2; this file
gives them in 1 and 0.1 (measured, 22,000 chunks). It is made from the table at each compaction and never changed:
rows are immutable and their numbers are not used twice, so it can lack rows, and hold some that are gone, but not be
wrong: a record that a failing disk changed does not fit its sum, and counts as lacking. What it lacks `store` asks of
the table. Its bytes are `record`'s; this module knows no column.
"""

import os
import threading
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

FILE: Final = "records.bin"
_MAGIC: Final = b"naestro records 3\n"
_TABLE_BYTES: Final = 32
"""Of the table's own name, so that no file of another table is read."""
_PLACE_COLUMNS: Final = 6
"""A row's number, where its record begins, how long it is and its sum, how long the lines behind it are and their sum;
they stand behind the records, in columns."""
_PLACE_BYTES: Final = _PLACE_COLUMNS * 8
_COUNT_BYTES: Final = 8
"""At the end: how many there are."""


class RecordFile:
    """An open file of records; it closes with its last user."""

    def __init__(self, path: Path, table: str) -> None:
        """Open the file at `path`, made from the table named `table`.

        Raises OSError where it cannot be read, ValueError where it is none or another table's.
        """
        import numpy as np

        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.inode, self._size_bytes = status.st_ino, status.st_size
        head = os.pread(self._descriptor, len(_head(table)), 0)
        count = int.from_bytes(
            os.pread(self._descriptor, _COUNT_BYTES, status.st_size - _COUNT_BYTES), "little"
        )
        size_bytes = count * _PLACE_BYTES
        start = status.st_size - _COUNT_BYTES - size_bytes
        if head != _head(table) or start < len(head):
            raise ValueError(f"{path} holds no records of this table, or not all of them")
        places = np.frombuffer(os.pread(self._descriptor, size_bytes, start), np.int64)
        self._ids, self._starts, *self._rest = places.reshape(_PLACE_COLUMNS, count)

    def read(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The records of those of `ids` that are here."""
        sizes, sums, _, _ = self._rest
        return self._read(ids, (sizes, sums))

    def lines(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The lines, as they were written, of those of `ids` that are here."""
        before, _, sizes, sums = self._rest
        return self._read(ids, (sizes, sums), before)

    def _read(
        self,
        ids: Sequence[int],
        size_and_sum: "tuple[np.ndarray, np.ndarray]",
        before: "np.ndarray | None" = None,
    ) -> dict[int, bytes]:
        """What is that long and has that sum, and lies behind what is as long as `before`."""
        import numpy as np

        if not len(self._ids):
            return {}
        wanted = np.asarray(ids, np.int64)
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        at = at[self._ids[at] == wanted]
        starts = self._starts[at] if before is None else self._starts[at] + before[at]
        columns = [column.tolist() for column in (self._ids[at], starts, *(one[at] for one in size_and_sum))]
        return {
            key: found
            for key, start, size, total in zip(*columns, strict=True)
            if (found := self._bytes(start, size)) and _sum(key, found) == total
        }

    def _bytes(self, start: int, size: int) -> bytes:
        """The bytes there; none where a changed byte of the places leads out of the file."""
        is_within = 0 <= start <= start + size <= self._size_bytes
        return os.pread(self._descriptor, size, start) if is_within else b""

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class Records:
    """The file of one index, as it is now; from any thread."""

    def __init__(self, folder: Path) -> None:
        """In the index's `folder`, whether it is there or not."""
        self._path = folder / FILE
        self._table = ""
        self._file: RecordFile | None = None
        self._lock = threading.Lock()

    def begin(self, table: str) -> None:
        """Read records of the table named `table` from now on."""
        with self._lock:
            self._table, self._file = table, None

    def read(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The records of those of `ids` that are in the file."""
        file = self._opened()
        return file.read(ids) if file else {}

    def lines(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The lines, as they were written, of those of `ids` that are in the file."""
        file = self._opened()
        return file.lines(ids) if file else {}

    def write(self, records: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Put `records` in the place of what is there: a row's number, its record, its lines; raises OSError."""
        import numpy as np

        unfinished = self._path.with_suffix(".new")
        places: list[tuple[int, ...]] = []
        with unfinished.open("wb") as file:
            end = file.write(_head(self._table))
            for key, record, lines in records:
                places.append((key, end, len(record), _sum(key, record), len(lines), _sum(key, lines)))
                end += file.write(record) + file.write(lines)
            file.write(np.array(sorted(places), np.int64).reshape(-1, _PLACE_COLUMNS).T.tobytes())
            file.write(len(places).to_bytes(_COUNT_BYTES, "little"))
        unfinished.replace(self._path)

    def _opened(self) -> RecordFile | None:
        """The file that is there now: another process may have made it anew."""
        with self._lock:
            with suppress(OSError, ValueError):
                if self._file is None or self._path.stat().st_ino != self._file.inode:
                    self._file = RecordFile(self._path, self._table)
            return self._file


def _sum(key: int, held: bytes) -> int:
    """CRC-32 of a record or of lines, begun with the row's number: 0.2 µs."""
    return zlib.crc32(held, key & 0xFFFFFFFF)


def _head(table: str) -> bytes:
    return _MAGIC + table.encode().ljust(_TABLE_BYTES)[:_TABLE_BYTES]
