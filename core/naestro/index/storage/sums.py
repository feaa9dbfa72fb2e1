"""Sums of the table's files, taken at each compaction, so that what a failing disk changes in them later is noticed.

LanceDB reads a part of its full-text index that has become zeros without an error, and ranks otherwise. `store` takes
the sums, `workspace_index` has them compared while it is quiet. Only files that are never written twice are summed.
"""

import json
import threading
import zlib
from pathlib import Path
from typing import Final

FILE: Final = "chunks.sums"
_FOLDERS: Final = ("data", "_indices")
_PIECE_BYTES: Final = 1 << 20


def take(folder: Path, table: Path) -> None:
    """Write the sums of the files of `table`, a folder, into `folder`; raises OSError."""
    sums = {name: _sum(table / name) for name in _names(table)}
    unfinished = folder / f"{FILE}.new"
    unfinished.write_text(json.dumps(sums), encoding="utf-8")
    unfinished.replace(folder / FILE)


def changed(folder: Path, table: Path, stop: threading.Event) -> str:
    """The first file of `table` that holds something else than when the sums in `folder` were taken; empty for none.

    A file that is gone was dropped by a compaction, or LanceDB itself misses it. Ends soon after `stop` was set, with
    nothing found. Raises OSError.
    """
    try:
        sums = dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return ""
    for name in _names(table):
        if stop.is_set():
            break
        if name in sums and sums[name] != _sum(table / name):
            return name
    return ""


def _names(table: Path) -> list[str]:
    files = [file for folder in _FOLDERS for file in (table / folder).rglob("*") if file.is_file()]
    return sorted(file.relative_to(table).as_posix() for file in files)


def _sum(file: Path) -> int:
    """CRC-32, a tenth of a second for 100 MB."""
    total = 0
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            total = zlib.crc32(piece, total)
    return total
