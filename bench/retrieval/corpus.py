"""The chunks of one tree in memory, searched as the store does: to try weights and leave parts out in seconds.

The chunks, their words, the vectors and the ranking are those of the index; only LanceDB's part, bringing some hundred
candidates, is done here by BM25 and by a matrix product. `shipped` beside it asks the real index.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from naestro.index.embed.embedder import Embedder, EmbedText
from naestro.index.files.reading import read
from naestro.index.files.walk import walk
from naestro.index.parsing.parse import parse_file
from naestro.index.parsing.parsed import Chunk
from naestro.index.storage.schema import Candidate
from naestro.index.text.chunk_terms import packed
from naestro.index.text.prepare import prepared
from naestro.index.text.statistics import Statistics, TermCounts
from naestro.policy.workspace import Workspace

CANDIDATES = 200
"""By words; half as many by vectors, as `Store.candidates` has it."""
SATURATION = 1.2
LENGTH = 0.75
"""LanceDB's BM25."""


def chunks_of(root: Path) -> list[Chunk]:
    """The chunks of a tree, as the index makes them."""
    found: list[Chunk] = []
    for seen in walk(Workspace(root)):
        if not seen.skipped and not (file := read(root, seen.path)).skipped:
            found += parse_file(seen.path, file.data).chunks
    return found


@dataclass
class Corpus:
    """One tree's chunks."""

    chunks: Sequence[Chunk]
    prepare: Callable[[Chunk], str] = prepared
    embedder: Embedder | None = None
    texts: list[str] = field(init=False)
    statistics: Statistics = field(init=False)
    vectors: np.ndarray | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Prepare, count and embed."""
        self.texts = [self.prepare(chunk) for chunk in self.chunks]
        self.statistics = Statistics(TermCounts.of(self.texts))
        self._terms = packed(
            self.texts, [one.names for one in self.chunks], [one.path for one in self.chunks]
        )
        self._lengths = np.array([text.count(" ") + 1 for text in self.texts], np.float64)
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        if self.embedder:
            self.vectors = self.embedder.passages(
                [EmbedText(c.path, c.symbol, tuple(c.names), c.text) for c in self.chunks]
            )

    def look_for(self, terms: set[str]) -> None:
        """Make `terms` known; done once for all questions, since it reads every text."""
        rows: dict[str, list[int]] = defaultdict(list)
        counts: dict[str, list[int]] = defaultdict(list)
        for row, text in enumerate(self.texts):
            found = Counter(text.split())
            for term in terms & found.keys():
                rows[term].append(row)
                counts[term].append(found[term])
        self._postings = {term: (np.array(rows[term]), np.array(counts[term], np.float64)) for term in rows}

    def by_words(self, terms: Sequence[str]) -> np.ndarray:
        """BM25 of every chunk."""
        total = np.zeros(len(self.chunks))
        bend = SATURATION * (1 - LENGTH + LENGTH * self._lengths / self._lengths.mean())
        for term in terms:
            if term in self._postings:
                rows, counts = self._postings[term]
                rarity = np.log1p((len(self.chunks) - len(rows) + 0.5) / (len(rows) + 0.5))
                total[rows] += rarity * counts * (SATURATION + 1) / (counts + bend[rows])
        return total

    def candidates(self, terms: Sequence[str], vector: np.ndarray | None) -> list[Candidate]:
        """What the store would bring."""
        said = self.by_words(terms)
        meant = np.zeros(len(said)) if vector is None or self.vectors is None else self.vectors @ vector
        rows = {int(row) for row in best(said, CANDIDATES) if said[row] > 0}
        if vector is not None:
            rows |= {int(row) for row in best(meant, CANDIDATES // 2)}
        return [self._candidate(row, float(said[row]), float(meant[row])) for row in sorted(rows)]

    def _candidate(self, row: int, said: float, meant: float) -> Candidate:
        one = self.chunks[row]
        return Candidate(
            id=row,
            path=one.path,
            start=one.start,
            end=one.end,
            language=one.language,
            symbol=one.symbol,
            kind=one.kind,
            names=tuple(one.names),
            terms=self._terms[row],
            fts_score=said,
            vector_score=meant,
        )


def best(values: np.ndarray, limit: int) -> np.ndarray:
    """The rows of the largest values, the largest first."""
    limit = min(limit, len(values))
    rows = np.argpartition(-values, limit - 1)[:limit] if limit else np.array([], np.intp)
    return rows[np.argsort(-values[rows], kind="stable")]
