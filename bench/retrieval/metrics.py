"""Recall, reciprocal rank and gain of ten results, on files and on spans; intervals by the bootstrap.

Every contender is judged by the ten chunks that it puts first. A file is found where its first chunk stands, among the
files in their order; a span is found by a chunk that shares a line with it, and each span once.
"""

import math
from collections.abc import Sequence

import numpy as np

from bench.retrieval.cases import Target

RESULTS = 10
"""Results that are judged."""
NAMES = ("file recall", "file MRR", "file NDCG", "span recall", "span MRR", "span NDCG")
RESAMPLES = 2_000
SEED = 5
Place = tuple[str, int, int]
"""A result: path, first line, last line."""
Scores = tuple[float, ...]
"""By `NAMES`; those of spans are NaN where a case has none."""


def scores(results: Sequence[Place], targets: Sequence[Target]) -> Scores:
    """How well the results answer one case."""
    results = results[:RESULTS]
    files = list(dict.fromkeys(path for path, _, _ in results))
    wanted = {target.path for target in targets}
    by_file = _of([{path} & wanted for path in files], len(wanted))
    spans = {(target.path, start, end) for target in targets for start, end in target.spans}
    if not spans:
        return (*by_file, math.nan, math.nan, math.nan)
    return (*by_file, *_of([_held(one, spans) for one in results], len(spans)))


def _held(result: Place, spans: set[Place]) -> set[Place]:
    path, start, end = result
    return {span for span in spans if span[0] == path and start <= span[2] and span[1] <= end}


def _of(found: Sequence[set], total: int) -> Scores:
    """Recall, reciprocal rank and normalised gain, each relevant thing counted where it first comes."""
    seen: set = set()
    gain, first = 0.0, 0.0
    for rank, things in enumerate(found, 1):
        if things - seen:
            gain += 1 / math.log2(rank + 1)
            first = first or 1 / rank
        seen |= things
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(total, RESULTS) + 1))
    return len(seen) / total, first, min(gain / ideal, 1.0)


def means(table: np.ndarray) -> np.ndarray:
    """The mean of each metric over the cases, `(metrics,)`."""
    return np.nanmean(table, axis=0)


def interval(table: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the paired differences between two tables `(cases, metrics)`: the mean, and where 95 % of resamples lie."""
    differences = table - other
    generator = np.random.default_rng(SEED)
    drawn = generator.integers(0, len(differences), (RESAMPLES, len(differences)))
    resampled = np.stack([np.nanmean(differences[rows], axis=0) for rows in drawn])
    low, high = np.percentile(resampled, (2.5, 97.5), axis=0)
    return np.nanmean(differences, axis=0), low, high
