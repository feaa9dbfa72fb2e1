"""Word vectors that come with Naestro: the default embedder, tens of thousands of chunks a second on one core.

Each word of a table has one vector, made once from a small sentence model by `tools/static_embedding.py` (Model2Vec,
Tulkens and van Dongen 2024). A text is the sum of its words' vectors, each weighted by how rare the word is in code
(smooth inverse frequency, Arora, Liang and Ma 2017; it is part of the table) and by the logarithm of how often it
stands there. Identifiers count by their parts; the names that a chunk defines and its path are summed apart from its
text. `word_table` below it holds the file. The weights are fixed, so equal texts have equal vectors everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.word_table import WordTable, shipped
from naestro.index.text.words import counted, words_of

if TYPE_CHECKING:
    from threading import Event

    from naestro.index.embed.embedder import Vectors
    from naestro.index.embed.word_table import Rows

    Places = NDArray[np.intp]

NAME_WEIGHT = 1.0
"""Length of the sum of the names beside the text's, which is 1."""
PATH_WEIGHT = 0.3
"""Length of the sum of the path's words."""
METHOD = 1
"""Counts up whenever the same table would give a text another vector."""
BATCH_TEXTS = 32
"""Texts that are summed one after the other: their vectors together stay in the processor's cache."""
TEXT_CHARS_MAX = 16_384
"""A longer text is cut: chunks are far shorter."""

_LOG_COUNTS = np.log1p(np.arange(256, dtype=np.float32))
"""How much a word counts that stands there so often."""
_ENDING = re.compile(r"\.\w{1,8}$")


class StaticEmbedder:
    """An `Embedder` over a table of word vectors."""

    def __init__(self, table: WordTable) -> None:
        self._table = table

    @property
    def name(self) -> str:
        """`static-`, a sum of the table, and how it is used."""
        return f"{self._table.name}-{METHOD}"

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._table.dimension

    def passages(self, texts: Sequence[EmbedText], stop: Event | None = None) -> Vectors:
        """One row for each text; see `Embedder`. It is too quick to be stopped.

        Texts that follow one another are quickest when they are alike.
        """
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for at in range(0, len(texts), BATCH_TEXTS):
            vectors[at : at + BATCH_TEXTS] = self._batch(texts[at : at + BATCH_TEXTS])
        return vectors

    def query(self, text: str) -> Vectors:
        """The vector of a question."""
        return self._sums([counted(text)])[0]

    def _batch(self, texts: Sequence[EmbedText]) -> Vectors:
        paths = {path: at for at, path in enumerate(dict.fromkeys(each.path for each in texts))}
        bodies = [_body(each) for each in texts]
        names = [counted(names_of(each)) for each in texts]
        sums = self._sums([*bodies, *names, *(counted(words_of_path(path)) for path in paths)])
        vectors, named, placed = np.split(sums, [len(texts), 2 * len(texts)])
        vectors += NAME_WEIGHT * named
        vectors += PATH_WEIGHT * placed[[paths[each.path] for each in texts]]
        return unit(vectors)

    def _sums(self, texts: Sequence[Mapping[str, int]]) -> Vectors:
        """The weighted sums of the texts' words, `(len(texts), dimension)`, each of unit length."""
        texts_of, rows, counts = self._looked_up(texts)
        weights = _LOG_COUNTS.take(counts, mode="clip")
        scaled, vectors = self._table.scaled(rows, weights)
        borders = np.searchsorted(texts_of, np.arange(len(texts) + 1)).tolist()
        sums = np.zeros((len(texts), self.dimension), np.float32)
        for at, (start, end) in enumerate(pairwise(borders)):
            if end > start:
                np.dot(scaled[start:end], vectors[start:end], out=sums[at])
        return unit(sums)

    def _looked_up(self, texts: Sequence[Mapping[str, int]]) -> tuple[Places, Places, Places]:
        """The table's rows for all words: the text, the row, how often; sorted by both, each pair once."""
        found = list(map(self._table.rows.__getitem__, chain.from_iterable(texts)))
        pieces = np.fromiter(map(len, found), np.intp, len(found))
        lengths = np.fromiter(map(len, texts), np.intp, len(texts))
        counts = np.fromiter(chain.from_iterable(text.values() for text in texts), np.intp, len(found))
        rows = np.fromiter(chain.from_iterable(found), np.intp, int(pieces.sum()))
        pairs = np.arange(len(texts)).repeat(lengths).repeat(pieces) * len(self._table) + rows
        order = pairs.argsort()
        pairs, counts = pairs[order], counts.repeat(pieces)[order]
        starts = np.flatnonzero(np.diff(pairs, prepend=-1))
        counts = np.add.reduceat(counts, starts) if len(starts) else counts
        return *np.divmod(pairs[starts], max(1, len(self._table))), counts


def _body(text: EmbedText) -> Mapping[str, int]:
    is_whole = len(text.text) <= TEXT_CHARS_MAX
    return text.words if text.words is not None and is_whole else counted(text.text[:TEXT_CHARS_MAX])


def log_counts(texts: Sequence[str], rows: Rows, words: int) -> tuple[Vectors, NDArray[np.intp]]:
    """How much each word counts in each text, `(len(texts), words used)`, and the rows of those words, ascending."""
    found = [list(chain.from_iterable(map(rows.__getitem__, words_of(text)))) for text in texts]
    lengths = np.fromiter(map(len, found), np.intp, len(found))
    stream = np.fromiter(chain.from_iterable(found), np.intp, int(lengths.sum()))
    places = np.zeros(words, np.intp)
    places[stream] = 1
    used = np.flatnonzero(places)
    places[used] = np.arange(len(used))
    cells = np.repeat(np.arange(len(texts)) * len(used), lengths) + places[stream]
    counts = np.bincount(cells, minlength=len(texts) * len(used)).reshape(len(texts), len(used))
    return _LOG_COUNTS.take(counts, mode="clip"), used


@cache
def static_embedder() -> StaticEmbedder:
    """The embedder over the table that comes with Naestro; loaded once a process."""
    return StaticEmbedder(shipped())


def words_of_path(path: str) -> str:
    """What a path says: not its ending, which names the language."""
    return _ENDING.sub("", path)


def names_of(text: EmbedText) -> str:
    """The names of a chunk as a text."""
    return f"{text.symbol} {' '.join(text.names)}"


def unit(vectors: Vectors) -> Vectors:
    """The rows at unit length, in place; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return np.divide(vectors, lengths, out=vectors, where=lengths > 0)
