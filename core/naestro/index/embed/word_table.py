"""A table of word vectors in one file: 8-bit numbers, one scale a word.

`static` above sums its rows; `tools/static_embedding.py` writes it. The file is in the format safetensors: `vectors`
`(words, dimension)` int8, `scales` `(words,)` float32 (a row times its scale is the word's vector, its weight
included), `words` the words in the order of the rows, one a line, in UTF-8. A word that is not in the table is taken
apart into the longest pieces that are, as WordPiece does; pieces that begin within a word are written `##ing`.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from naestro.index.embed.tensors import read_tensors

if TYPE_CHECKING:
    from naestro.index.embed.embedder import Vectors

INSIDE = "##"
"""Marks a piece that begins within a word."""
WORD_CHARS_MAX = 40
"""A longer word is a hash or encoded data and means nothing."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
CACHE_WORDS_MAX = 200_000
"""Words whose rows are remembered, about 20 MB; then it begins anew."""


class WordTable:
    """The words, their vectors and how a text's words are looked up."""

    def __init__(
        self, words: list[str], vectors: NDArray[np.int8], scales: NDArray[np.float32], name: str = "static"
    ) -> None:
        """`vectors` `(len(words), dimension)` and `scales` `(len(words),)` in the order of the words."""
        self._vectors = vectors
        self._scales = scales
        self.name = name
        self.rows = Rows({word: row for row, word in enumerate(words)})
        """The rows of a word, as `rows[word]`; several for a word of several pieces, none for one that is unknown."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table in a file; raises `IndexUnavailable` where it is none."""
        tensors = read_tensors(path)
        words = tensors.array("words", np.uint8).tobytes().decode().split("\n")
        name = f"static-{tensors.metadata.get('sum', '')[:8]}"
        return cls(words, tensors.array("vectors", np.int8), tensors.array("scales", np.float32), name)

    def __len__(self) -> int:
        """Number of words."""
        return len(self._vectors)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._vectors.shape[1]

    def vectors(self, rows: NDArray[np.intp]) -> Vectors:
        """The vectors of these rows, weights included."""
        return self._vectors[rows] * self._scales[rows, None]

    def scaled(self, rows: NDArray[np.intp], weights: Vectors) -> tuple[Vectors, Vectors]:
        """The vectors of these rows and how much each counts: `weights @ vectors(rows)` is their product, too.

        It takes less time, since a word's scale is put to its weight, which is one number.
        """
        return weights * self._scales[rows], self._vectors[rows].astype(np.float32)


class Rows(dict[str, tuple[int, ...]]):
    """Rows by identifier or word as it stands in a text, filled as they are met."""

    def __init__(self, known: dict[str, int]) -> None:
        """Over the words of a table and their rows."""
        super().__init__()
        self._known = known

    def __missing__(self, word: str) -> tuple[int, ...]:
        if len(self) >= CACHE_WORDS_MAX:
            self.clear()
        rows = self[word] = tuple(row for part in parts_of(word) for row in self._find(part))
        return rows

    def _find(self, word: str) -> tuple[int, ...]:
        whole = self._known.get(word)
        if whole is not None:
            return (whole,)
        return self._pieces(word) if len(word) <= WORD_CHARS_MAX else ()

    def _pieces(self, word: str) -> tuple[int, ...]:
        """The longest piece that is known, then the longest that follows; none at all where one is missing."""
        rows: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                row = self._known.get(f"{INSIDE if start else ''}{word[start:end]}")
                if row is not None:
                    rows.append(row)
                    start = end
                    break
            else:
                return ()
        return tuple(rows)


def parts_of(word: str) -> list[str]:
    """The parts of an identifier, in lower case: `getHTTPResponse2` is `get http response 2`."""
    return [part.lower() for part in _PART.findall(word)]


def shipped() -> WordTable:
    """The table that comes with Naestro."""
    return WordTable.read(Path(str(files("naestro.index.embed") / "static.safetensors")))
