"""How often terms occur over all chunks of a workspace: what weighs a rare term more than a common one.

`store` keeps it beside its table, `rank` reads it; `indexing` may count in its workers (`TermCounts`). Terms are kept
as 64-bit hashes, sorted: 300,000 different terms take 3.6 MB. This module knows no table.
"""

import contextlib
import os
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

FILE: Final = "statistics.npz"
_REMEMBERED: Final = 65_536
"""Numbers of terms that are kept, 12 MB: most files of a workspace hold the same ones."""
_DRIFT: Final = 0.05
"""Share of chunks that were taken away since the last count, from which on all are counted anew."""


@lru_cache(maxsize=_REMEMBERED)
def hashed(term: str) -> int:
    """The 64-bit number of `term`, the same in every process and on every machine."""
    return int.from_bytes(blake2b(term.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class TermCounts:
    """Counts over some chunks; those of disjoint sets of chunks add up."""

    chunks: int
    terms: int
    """Terms in all, repeated ones counted each time."""
    hashes: "np.ndarray"
    """(n,) uint64, ascending, each once."""
    holding: "np.ndarray"
    """(n,) uint32: how many of the chunks hold that term."""

    @classmethod
    def of(cls, prepared: Iterable[str]) -> "TermCounts":
        """The counts of `prepared`, one text of whitespace-separated terms a chunk."""
        import numpy as np

        chunks = terms = 0

        def each() -> Iterator[set[str]]:
            nonlocal chunks, terms
            for text in prepared:
                found = text.split()
                chunks += 1
                terms += len(found)
                yield set(found)

        holding = Counter(chain.from_iterable(each()))
        hashes = np.fromiter(map(hashed, holding), np.uint64, len(holding))
        counts = np.fromiter(holding.values(), np.uint32, len(holding))
        order = np.argsort(hashes)
        return cls(chunks, terms, hashes[order], counts[order])

    @classmethod
    def sum(cls, parts: "Sequence[TermCounts]") -> "TermCounts":
        """The counts over all chunks of `parts`."""
        import numpy as np

        if not any(len(part.hashes) for part in parts):
            return cls(sum(part.chunks for part in parts), 0, np.empty(0, np.uint64), np.empty(0, np.uint32))
        together = np.concatenate([part.hashes for part in parts])
        counts = np.concatenate([part.holding for part in parts])
        order = np.argsort(together, kind="stable")
        together, counts = together[order], counts[order]
        starts = np.flatnonzero(np.concatenate(([True], together[1:] != together[:-1])))
        summed = np.add.reduceat(counts, starts)
        return cls(
            sum(part.chunks for part in parts), sum(part.terms for part in parts), together[starts], summed
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What `rank` asks: how many chunks, how long, how many hold a term."""

    counts: TermCounts = field(default_factory=lambda: TermCounts.sum([]))

    @property
    def chunks(self) -> int:
        """How many chunks were counted."""
        return self.counts.chunks

    @property
    def mean_terms(self) -> float:
        """How many terms a chunk has on average; 0 where there is no chunk."""
        return self.counts.terms / self.counts.chunks if self.counts.chunks else 0.0

    def holding(self, term: str) -> int:
        """How many chunks hold `term`; 0 where none did when it was counted."""
        import numpy as np

        wanted = np.uint64(hashed(term))
        at = int(np.searchsorted(self.counts.hashes, wanted))
        is_there = at < len(self.counts.hashes) and self.counts.hashes[at] == wanted
        return int(self.counts.holding[at]) if is_there else 0

    def save(self, folder: Path) -> None:
        """Write it into `folder`, whole or not at all."""
        import numpy as np

        beside = folder / f"{FILE}.{os.getpid()}.tmp"
        with beside.open("wb") as file:
            np.savez(
                file,
                size=np.array([self.counts.chunks, self.counts.terms], np.int64),
                hashes=self.counts.hashes,
                holding=self.counts.holding,
            )
        beside.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Statistics | None":
        """What `save` wrote into `folder`; None where nothing whole is there."""
        import numpy as np

        try:
            with (folder / FILE).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                chunks, terms = (int(number) for number in file["size"])
                return cls(TermCounts(chunks, terms, file["hashes"], file["holding"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


class Tally:
    """The statistics of a table that is written to: loaded, added to, counted anew when they have drifted."""

    def __init__(self, folder: Path, *, is_writer: bool) -> None:
        self._folder = folder
        self._is_writer = is_writer
        self._lock = threading.Lock()
        self._added: list[TermCounts] = []
        self._stamp = self._stamp_now()
        found = Statistics.load(folder)
        self._now = found or Statistics()
        self.is_damaged = found is None and self._stamp is not None
        """Whether a file was there that says nothing: `renew` makes it anew."""

    @property
    def statistics(self) -> Statistics:
        """As of the last `renew`; where there was none yet, over what was added so far."""
        with self._lock:
            if not self._is_writer:
                self._follow()
            elif self._added and self._stamp is None:
                self._now = Statistics(TermCounts.sum([self._now.counts, *self._added]))
                self._added = []
            return self._now

    def add(self, counts: TermCounts) -> None:
        """Count chunks that were written; those that they replaced stay counted until the next `renew`."""
        with self._lock:
            self._added.append(counts)

    @property
    def added(self) -> TermCounts:
        """The counts of the chunks that were written since the last `renew`."""
        with self._lock:
            return TermCounts.sum(self._added)

    def load(self) -> None:
        """Take over what another process has counted and saved."""
        with self._lock:
            self._now, self._added, self._stamp = (
                Statistics.load(self._folder) or self._now,
                [],
                self._stamp_now(),
            )

    def renew(self, chunks: int, prepared: Callable[[], Iterable[str]]) -> None:
        """Bring the counts to the table's `chunks` and save them; reads `prepared` where too much has gone."""
        with self._lock:
            counts = TermCounts.sum([self._now.counts, *self._added])
        if abs(counts.chunks - chunks) > _DRIFT * chunks:
            counts = TermCounts.of(prepared())
        now = Statistics(counts)
        now.save(self._folder)
        with self._lock:
            self._now, self._added, self._stamp = now, [], self._stamp_now()

    def close(self) -> None:
        """Save counts that were never saved: the next process would weigh all words alike."""
        if self._is_writer and self._added and self._stamp is None:
            with contextlib.suppress(OSError):  # a full disk: the next compaction counts anew
                self.statistics.save(self._folder)

    def _follow(self) -> None:
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            self._now = Statistics.load(self._folder) or self._now

    def _stamp_now(self) -> int | None:
        try:
            return (self._folder / FILE).stat().st_mtime_ns
        except OSError:
            return None
