"""Word vectors that come with Naestro: the default embedder, tens of thousands of chunks a second on one core.

Each word of a table has one vector, made once from a small sentence model by `tools/static_embedding.py` (Model2Vec,
Tulkens and van Dongen 2024). A text is the sum of its words' vectors, each weighted by how rare the word is in code
(smooth inverse frequency, Arora, Liang and Ma 2017; it is part of the table) and by the logarithm of how often it
stands there. Identifiers count by their parts; the names that a chunk defines and its path are summed apart from its
text. `word_table` below it holds the file. The weights are fixed, so equal texts have equal vectors everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from naestro.index.embed.embedder import EmbedText
from naestro.index.embed.word_table import WordTable, shipped

if TYPE_CHECKING:
    from naestro.index.embed.embedder import Vectors
    from naestro.index.embed.word_table import Rows

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
_WORD = re.compile(r"\w+")
_TO_SPACES = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}
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

    def passages(self, texts: Sequence[EmbedText]) -> Vectors:
        """One row for each text; see `Embedder`. Texts that follow one another are quickest when they are alike."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for at in range(0, len(texts), BATCH_TEXTS):
            vectors[at : at + BATCH_TEXTS] = self._batch(texts[at : at + BATCH_TEXTS])
        return vectors

    def query(self, text: str) -> Vectors:
        """The vector of a question."""
        return self._sums([text])[0]

    def _batch(self, texts: Sequence[EmbedText]) -> Vectors:
        paths = dict.fromkeys(each.path for each in texts)
        sums = dict(zip(paths, self._sums([words_of_path(path) for path in paths]), strict=True))
        vectors = self._sums([each.text[:TEXT_CHARS_MAX] for each in texts])
        vectors += NAME_WEIGHT * self._sums([names_of(each) for each in texts])
        vectors += PATH_WEIGHT * np.stack([sums[each.path] for each in texts])
        return unit(vectors)

    def _sums(self, texts: Sequence[str]) -> Vectors:
        """The weighted sums of the texts' words, `(len(texts), dimension)`, each of unit length."""
        sums = np.zeros((len(texts), self.dimension), np.float32)
        for at, text in enumerate(texts):
            rows = np.fromiter(
                chain.from_iterable(map(self._table.rows.__getitem__, words_of(text))), np.intp
            )
            if len(rows):
                sums[at] = self._table.sum(*_weighed(rows))
        return unit(sums)


def _weighed(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], Vectors]:
    """The rows of a text's words, each once, and how much each counts; a table of all pairs is mostly zeros."""
    rows.sort()
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    return rows[starts], _LOG_COUNTS.take(np.diff(starts, append=len(rows)), mode="clip")


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


def words_of(text: str) -> list[str]:
    """The identifiers and words of a text; for ASCII not by an expression, which takes five times as long."""
    return text.translate(_TO_SPACES).split() if text.isascii() else _WORD.findall(text)


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
