"""Word vectors that learn which code a description means: contrastive training of a sum of words, in plain numpy.

`static_embedding` above gives it the vectors of the sentence model to begin with. A batch holds descriptions and their
code; each description should be nearest to its own code, and the reverse (InfoNCE, van den Oord and others 2018).
Batches are made of neighbours from the same files, which are hard to tell apart. Texts are summed as `embed.static`
sums them; names and paths are left out at random, so that the text alone must serve too. Minutes on one core.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naestro.index.embed.static import NAME_WEIGHT, PATH_WEIGHT, log_counts, names_of, unit, words_of_path
from naestro.index.embed.word_table import Rows
from tools.embedding_corpus import Pair

Array = NDArray[np.floating]
EPOCHS = 4
BATCH_PAIRS = 512
NEIGHBOURS = 16
"""Pairs from one place that come into a batch together."""
TEMPERATURE = 0.05
RATE = 0.06
"""Of the first step, in mean sizes of a number; it falls to nothing."""
KEEP_NAMES, KEEP_PATH = 0.5, 0.5
"""How often a pair's names and path are seen."""
MOMENTUM, SECOND = 0.9, 0.99
SEED = 0


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sums of some texts, and what is needed to go back from them."""

    counts: Array
    used: NDArray[np.intp]
    lengths: Array
    units: Array

    def back(self, gradient: Array, into: Array) -> None:
        """Add to `into` what the words have to change for the units to change by `gradient`."""
        along = (self.units * gradient).sum(axis=1, keepdims=True)
        into[self.used] += self.counts.T @ ((gradient - self.units * along) / self.lengths)


def trained(vectors: Array, rows: Rows, pairs: list[Pair]) -> Array:
    """`vectors` `(words, dimension)`, weights included, after training on `pairs`; the same pairs, the same result."""
    random = np.random.default_rng(SEED)
    vectors = vectors.copy()
    first, second = np.zeros_like(vectors), np.zeros_like(vectors)
    size = float(np.abs(vectors).mean())
    steps = EPOCHS * (len(pairs) // BATCH_PAIRS)
    for step, batch in enumerate(_batches(pairs, random), 1):
        gradient, loss = _gradient(vectors, rows, batch, random)
        first += (1 - MOMENTUM) * (gradient - first)
        second += (1 - SECOND) * (gradient**2 - second)
        rate = RATE * size * (1 - step / steps)
        change = first / (1 - MOMENTUM**step) / (np.sqrt(second / (1 - SECOND**step)) + 1e-9)
        vectors -= rate * change * (np.abs(gradient).sum(axis=1, keepdims=True) > 0)
        if step % 50 == 0:
            print(f"step {step} of {steps}: loss {loss:.3f}", flush=True)
    return vectors


def _batches(pairs: list[Pair], random: np.random.Generator) -> Iterator[list[Pair]]:
    ordered = sorted(pairs, key=lambda pair: pair.code.path)
    groups = [ordered[at : at + NEIGHBOURS] for at in range(0, len(ordered), NEIGHBOURS)]
    for _ in range(EPOCHS):
        mixed = [pair for at in random.permutation(len(groups)) for pair in groups[at]]
        for at in range(0, len(mixed) - BATCH_PAIRS + 1, BATCH_PAIRS):
            yield mixed[at : at + BATCH_PAIRS]


def _gradient(
    vectors: Array, rows: Rows, batch: list[Pair], random: np.random.Generator
) -> tuple[Array, float]:
    """The gradient of a batch's loss with respect to all vectors, and the loss."""
    asked = _summed(vectors, rows, [pair.description for pair in batch])
    texts = _summed(vectors, rows, [pair.code.text for pair in batch])
    names = _summed(vectors, rows, [names_of(pair.code) for pair in batch])
    paths = _summed(vectors, rows, [words_of_path(pair.code.path) for pair in batch])
    with_names = NAME_WEIGHT * _some(KEEP_NAMES, len(batch), random)
    with_path = PATH_WEIGHT * _some(KEEP_PATH, len(batch), random)
    mixed = texts.units + with_names * names.units + with_path * paths.units
    lengths = _lengths(mixed)
    code = mixed / lengths
    likeness = asked.units @ code.T / np.float32(TEMPERATURE)
    by_row, by_column = _softmax(likeness, 1), _softmax(likeness, 0)
    loss = -float(np.log(np.diagonal(by_row) + 1e-9).mean())
    wrong = ((by_row + by_column) / 2 - np.eye(len(batch), dtype=np.float32)) / np.float32(
        len(batch) * TEMPERATURE
    )
    gradient = np.zeros_like(vectors)
    asked.back(wrong @ code, gradient)
    toward = wrong.T @ asked.units
    toward = (toward - code * (code * toward).sum(axis=1, keepdims=True)) / lengths
    texts.back(toward, gradient)
    names.back(with_names * toward, gradient)
    paths.back(with_path * toward, gradient)
    return gradient, loss


def _summed(vectors: Array, rows: Rows, texts: list[str]) -> _Sums:
    counts, used = log_counts(texts, rows, len(vectors))
    sums = (counts @ vectors[used]).astype(np.float32)
    lengths = _lengths(sums)
    return _Sums(counts, used, lengths, unit(sums))


def _some(share: float, count: int, random: np.random.Generator) -> Array:
    return (random.random((count, 1)) < share).astype(np.float32)


def _lengths(vectors: Array) -> Array:
    return np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))


def _softmax(values: Array, axis: int) -> Array:
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)
