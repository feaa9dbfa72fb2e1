"""The chunks that were written since the table's indexes were last made, searched in memory by the process that wrote.

LanceDB searches such rows by reading them all, fragment by fragment: after 100 small updates a search took four times
as long, and taking them into the indexes means writing the whole table anew. Kept here they cost a search next to
nothing. `fresh` lies above. Nothing depends on what is here: a process that has it not searches the slow way.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence, Set
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from naestro.index.only import EVERYTHING, Only
from naestro.index.storage.schema import Candidate, Row
from naestro.index.text.chunk_terms import ChunkTerms, packed
from naestro.index.text.statistics import Statistics

if TYPE_CHECKING:
    import numpy as np

_SATURATION: Final = 1.2
_LENGTH: Final = 0.75
"""BM25's k1 and b as LanceDB has them, so that the scores compare."""


_ids = itertools.count(1 << 62)
"""No table gives its rows such numbers, and no two chunks of this process have the same."""


class Recent:
    """Chunks in memory; whoever holds one guards it."""

    def __init__(self) -> None:
        self._chunks: dict[int, Candidate] = {}
        self._matrix: np.ndarray | None = None
        self._texts: dict[int, str] = {}
        self._prepared: dict[int, str] = {}
        self._vectors: dict[int, np.ndarray] = {}
        self._ids: defaultdict[str, set[int]] = defaultdict(set)
        self._holding: defaultdict[str, dict[int, int]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def paths(self) -> Set[str]:
        """The files whose chunks are here, all of them."""
        return self._ids.keys()

    def add(self, rows: Sequence[Row]) -> None:
        """Take `rows` in."""
        self._matrix = None
        chunks = [row.chunk for row in rows]
        terms = packed(
            [row.prepared for row in rows], [one.names for one in chunks], [one.path for one in chunks]
        )
        for row, own in zip(rows, terms, strict=True):
            self._add(next(_ids), row, own)

    def _add(self, key: int, row: Row, terms: ChunkTerms) -> None:
        chunk = row.chunk
        self._chunks[key] = Candidate.unscored(key, chunk, terms)
        if row.vector is not None:
            self._vectors[key] = row.vector
        self._texts[key] = chunk.text
        self._prepared[key] = row.prepared
        self._ids[chunk.path].add(key)
        for term, times in Counter(row.prepared.split()).items():
            self._holding[term][key] = times

    def remove(self, paths: Collection[str]) -> None:
        """Drop the chunks of `paths`."""
        self._matrix = None
        for path in paths:
            for key in self._ids.pop(path, ()):
                self._drop(key)

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """The lines of those chunks of `ids` that are here."""
        return {key: self._texts[key] for key in ids if key in self._texts}

    def find(
        self,
        terms: Sequence[str],
        vector: "np.ndarray | None",
        limit: int,
        statistics: Statistics,
        only: Only = EVERYTHING,
    ) -> list[Candidate]:
        """The `limit` best by words and the `limit // 2` nearest by vector, of what `only` admits."""
        words = self._admitted(self._by_words(terms, statistics), only)
        cosines = self._admitted(self._by_vector(vector), only)
        best = sorted(words, key=words.__getitem__, reverse=True)[:limit]
        nearest = sorted(cosines, key=cosines.__getitem__, reverse=True)[: limit // 2]
        return [
            replace(self._chunks[key], fts_score=words.get(key, 0.0), vector_score=cosines.get(key, 0.0))
            for key in dict.fromkeys([*best, *nearest])
        ]

    def _admitted(self, scores: dict[int, float], only: Only) -> dict[int, float]:
        if only == EVERYTHING:
            return scores
        ours = {key: self._chunks[key] for key in scores}
        return {key: scores[key] for key, one in ours.items() if only.admits(one.path, one.language)}

    def _drop(self, key: int) -> None:
        del self._texts[key], self._chunks[key]
        self._vectors.pop(key, None)
        for term in set(self._prepared.pop(key).split()):
            holding = self._holding[term]
            del holding[key]
            if not holding:
                del self._holding[term]

    def _by_words(self, terms: Sequence[str], statistics: Statistics) -> dict[int, float]:
        scores: defaultdict[int, float] = defaultdict(float)
        for term in set(terms):
            holding = self._holding.get(term)
            if not holding:
                continue
            rarity = _rarity(statistics, term)
            for key, times in holding.items():
                length = (self._prepared[key].count(" ") + 1) / max(statistics.mean_terms, 1.0)
                bend = _SATURATION * (1 - _LENGTH + _LENGTH * length)
                scores[key] += rarity * times * (_SATURATION + 1) / (times + bend)
        return scores

    def _by_vector(self, vector: "np.ndarray | None") -> dict[int, float]:
        import numpy as np

        if vector is None or not self._vectors:
            return {}
        if self._matrix is None:
            self._matrix = np.stack([*self._vectors.values()])
        return dict(zip(self._vectors, (self._matrix @ vector).tolist(), strict=True))


def _rarity(statistics: Statistics, term: str) -> float:
    holding = min(statistics.holding(term), statistics.chunks)
    return math.log1p((statistics.chunks - holding + 0.5) / (holding + 0.5))
