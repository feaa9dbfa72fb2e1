"""Rows that another process has made and no index of the table holds yet, with what finds, ranks and shows them.

They come before they are written, so that they are found at once. LanceDB searches rows outside its indexes by reading
them all: 100 ms more a search after a branch switch, and 60 to read what ranking needs of those that are found. Here
7,500 of them take 20 MB and a search in them 1 ms. The indexer's `store` packs them (`packed`), `fresh` lies above;
`recent` is the same for the rows that this process writes.
"""

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec

from naestro.index.only import EVERYTHING, Only
from naestro.index.storage import record
from naestro.index.storage.columns import sayable_row
from naestro.index.storage.schema import Row, sayable
from naestro.index.text.statistics import Statistics, TermCounts, hashed

if TYPE_CHECKING:
    import numpy as np

_SATURATION: Final = 1.2
_LENGTH: Final = 0.75
"""BM25's k1 and b as LanceDB has them, so that the scores compare."""

_starts = itertools.count(1 << 61, 1 << 20)
"""No table gives its rows such numbers, no two rows of this process have the same, and no write has so many."""


class Arrived(msgspec.Struct, frozen=True, array_like=True):
    """The rows of one write; arrays as their bytes."""

    paths: list[str]
    """Of the files, each once, in the order of the rows."""
    rows_of: list[int]
    """How many rows each of them has."""
    lengths: bytes
    """(n,) uint32: terms of each row, repeated ones counted each time."""
    hashes: bytes
    """(t,) uint64, ascending: the terms, as `statistics` hashes them."""
    ends: bytes
    """(t,) uint32: where the part of each term ends in the next two."""
    holding: bytes
    """(m,) uint32: rows that hold the term, by their place here."""
    times: bytes
    """(m,) uint16: how often they do."""
    records: list[bytes]
    """What ranking needs of each row, as `record` packs it."""
    texts: list[bytes]
    """The lines of each row, as `record` packs them."""
    vectors: bytes
    """(n, dimension) float16, of unit length, of zeros where a row has none; empty without an embedder."""

    def counts(self) -> TermCounts:
        """The counts of the terms in these rows."""
        import numpy as np

        ends = np.frombuffer(self.ends, np.uint32)
        lengths = np.frombuffer(self.lengths, np.uint32)
        holding = np.diff(ends, prepend=np.uint32(0))
        return TermCounts(len(lengths), int(lengths.sum()), np.frombuffer(self.hashes, np.uint64), holding)


def packed(rows: Sequence[Row], dimension: int) -> Arrived | None:
    """`rows`, of which those of a file stand together; None for none."""
    if not rows:
        return None
    try:
        return _packed(rows, dimension)
    except UnicodeEncodeError:
        return _packed([*map(sayable_row, rows)], dimension)


def _packed(rows: Sequence[Row], dimension: int) -> Arrived:
    import numpy as np

    terms: dict[str, int] = {}
    of_term: list[int] = []
    times: list[int] = []
    widths: list[int] = []
    for row in rows:
        counted = Counter(row.prepared.split())
        of_term.extend([terms.setdefault(term, len(terms)) for term in counted])
        times.extend(counted.values())
        widths.append(len(counted))
    holding = np.repeat(np.arange(len(rows), dtype=np.uint32), widths)
    hashes = np.fromiter(map(hashed, terms), np.uint64, len(terms))
    order = np.argsort(hashes)
    rank = np.empty(len(terms), np.int64)
    rank[order] = np.arange(len(terms))
    ranked = rank[np.array(of_term, np.int64)]
    by_term = np.argsort(ranked, kind="stable")
    all_times = np.array(times, np.uint32)
    lengths = np.bincount(holding, all_times, len(rows)).astype(np.uint32)
    files = Counter(row.chunk.path for row in rows)
    vectors = _vectors(rows, dimension)
    return Arrived(
        paths=[*files],
        rows_of=[*files.values()],
        lengths=lengths.tobytes(),
        hashes=hashes[order].tobytes(),
        ends=np.cumsum(np.bincount(ranked, minlength=len(terms))).astype(np.uint32).tobytes(),
        holding=holding[by_term].tobytes(),
        times=np.minimum(all_times[by_term], 0xFFFF).astype(np.uint16).tobytes(),
        records=record.of_rows(rows, vectors),
        texts=[record.lines_of(row.chunk.text) for row in rows],
        vectors=b"".join(vector or bytes(2 * dimension) for vector in vectors),
    )


def _vectors(rows: Sequence[Row], dimension: int) -> list[bytes]:
    """Each as float16; empty where a row has none."""
    import numpy as np

    held = [row.vector for row in rows if row.vector is not None]
    halves = iter(np.stack(held).astype(np.float16) if held and dimension else ())
    return [next(halves).tobytes() if dimension and row.vector is not None else b"" for row in rows]


class Arrivals:
    """Rows of several writes; whoever holds one guards it."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def __len__(self) -> int:
        """Rows that are still theirs: those of files that were written anew are not."""
        return sum(part.alive for part in self._parts)

    def add(self, arrived: Arrived) -> None:
        """Take rows in; those of their files that are here already go."""
        self.remove([*map(sayable, arrived.paths)])
        self._parts.append(_Part.of(arrived))

    def remove(self, paths: Collection[str]) -> None:
        """Drop the rows of `paths`."""
        for part in self._parts:
            part.remove(paths)
        self._parts = [part for part in self._parts if part.alive]

    @property
    def paths(self) -> Iterator[str]:
        """The files whose rows are here, all of them."""
        for part in self._parts:
            yield from part.spans

    def records(self, ids: Iterable[int]) -> dict[int, bytes]:
        """The records of those of `ids` that are here."""
        return {key: part.records[key - part.start] for key, part in self._held(ids)}

    def texts(self, ids: Iterable[int]) -> dict[int, str]:
        """The lines of those of `ids` that are here."""
        return {key: record.lines_in(part.texts[key - part.start]) for key, part in self._held(ids)}

    def texts_alone(self) -> "Arrivals":
        """These as they can be shown, not found."""
        import numpy as np

        nothing, kept = np.empty(0, np.uint32), Arrivals()
        kept._parts = [
            replace(
                part, hashes=nothing, ends=nothing, holding=nothing, times=nothing, records=[], vectors=None
            )
            for part in self._parts
        ]
        return kept

    def _held(self, ids: Iterable[int]) -> "Iterator[tuple[int, _Part]]":
        """Those of `ids` that are here."""
        for key in ids:
            for part in self._parts:
                if part.start <= key < part.start + len(part.lengths):
                    yield key, part

    def find(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int,
        statistics: Statistics,
        only: Only = EVERYTHING,
    ) -> dict[int, float]:
        """The numbers of the `limit` best by words and the `limit // 2` nearest by vector, with their BM25.

        Of the files that `only` may admit: their languages are not known here.
        """
        wanted = [(hashed(term), _rarity(statistics, term)) for term in set(terms)]
        mean = max(statistics.mean_terms, 1.0)
        words: dict[int, float] = {}
        nearest: dict[int, float] = {}
        for part in self._kept_to(only):
            words |= part.best(wanted, mean, limit)
            nearest |= {} if vector is None else part.nearest(vector, limit // 2)
        found = dict(_largest(words, limit))
        return {key: 0.0 for key, _ in _largest(nearest, limit // 2)} | found

    def _kept_to(self, only: Only) -> "Iterator[_Part]":
        for part in self._parts:
            if only == EVERYTHING:
                yield part
            else:
                kept = replace(part, spans={**part.spans}, is_there=part.is_there.copy())
                kept.remove([path for path in part.spans if not only.may_admit(path)])
                yield kept


@dataclass(slots=True)
class _Part:
    """What came with one write."""

    spans: dict[str, slice]
    start: int
    """The number of the first row; the others follow."""
    lengths: "np.ndarray"
    hashes: "np.ndarray"
    ends: "np.ndarray"
    holding: "np.ndarray"
    times: "np.ndarray"
    records: list[bytes]
    texts: list[bytes]
    vectors: "np.ndarray | None"
    is_there: "np.ndarray"
    """(n,) float32: 1, and 0 for rows that are gone."""
    alive: int = field(init=False)

    def __post_init__(self) -> None:
        """All are there."""
        self.alive = len(self.lengths)

    @classmethod
    def of(cls, arrived: Arrived) -> "_Part":
        """The arrays in `arrived`."""
        import numpy as np

        ends = [*itertools.accumulate(arrived.rows_of)]
        starts = [0, *ends]
        flat = np.frombuffer(arrived.vectors, np.float16)
        return cls(
            spans={
                sayable(path): slice(start, end)
                for path, start, end in zip(arrived.paths, starts, ends, strict=False)
            },
            start=next(_starts),
            lengths=np.frombuffer(arrived.lengths, np.uint32).astype(np.float32),
            hashes=np.frombuffer(arrived.hashes, np.uint64),
            ends=np.frombuffer(arrived.ends, np.uint32),
            holding=np.frombuffer(arrived.holding, np.uint32),
            times=np.frombuffer(arrived.times, np.uint16),
            records=arrived.records,
            texts=arrived.texts,
            vectors=flat.reshape(len(arrived.records), -1).astype(np.float32) if len(flat) else None,
            is_there=np.ones(len(arrived.records), np.float32),
        )

    def remove(self, paths: Collection[str]) -> None:
        """Drop the rows of `paths`."""
        for path in self.spans.keys() & set(paths):
            span = self.spans.pop(path)
            self.is_there[span] = 0
            self.alive -= span.stop - span.start

    def best(self, wanted: Sequence[tuple[int, float]], mean: float, limit: int) -> Mapping[int, float]:
        """BM25 of the `limit` best rows; `wanted` are hashes of terms with what these weigh."""
        import numpy as np

        scores = np.zeros(len(self.lengths), np.float32)
        for term, rarity in wanted:
            at = int(np.searchsorted(self.hashes, np.uint64(term)))
            if at == len(self.hashes) or int(self.hashes[at]) != term:
                continue
            span = slice(int(self.ends[at - 1]) if at else 0, int(self.ends[at]))
            rows, times = self.holding[span], self.times[span].astype(np.float32)
            bend = _SATURATION * (1 - _LENGTH + _LENGTH * self.lengths[rows] / mean)
            scores[rows] += rarity * times * (_SATURATION + 1) / (times + bend)
        return self._top(scores * self.is_there, limit)

    def nearest(self, vector: "np.ndarray", limit: int) -> Mapping[int, float]:
        """The cosines of the `limit` nearest rows; vectors that point away are not near."""
        return {} if self.vectors is None else self._top((self.vectors @ vector) * self.is_there, limit)

    def _top(self, scores: "np.ndarray", limit: int) -> Mapping[int, float]:
        import numpy as np

        rows = np.flatnonzero(scores > 0)
        if len(rows) > limit:
            rows = rows[np.argpartition(scores[rows], -limit)[-limit:]]
        return dict(zip((rows + self.start).tolist(), scores[rows].tolist(), strict=True))


def _largest(scores: Mapping[int, float], limit: int) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda one: one[1], reverse=True)[:limit]


def _rarity(statistics: Statistics, term: str) -> float:
    holding = min(statistics.holding(term), statistics.chunks)
    return math.log1p((statistics.chunks - holding + 0.5) / (holding + 0.5))
