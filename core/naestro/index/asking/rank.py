"""The order of what a search found: every candidate is scored anew, by its words, its vector, its file and its place.

`search` above asks `store` for some hundred candidates and shows the best of what comes back here; the benchmark ranks
with the same code. It reads terms as `prepare` writes them and knows neither the table nor the files.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from naestro.index.asking.places import place_of
from naestro.index.asking.question import Question, asked
from naestro.index.asking.weights import WEIGHTS, Weights
from naestro.index.found import ONLY_MEANING
from naestro.index.storage.schema import Candidate
from naestro.index.text.chunk_terms import Held, held
from naestro.index.text.statistics import Statistics

Scores: TypeAlias = NDArray[np.float64]

FILE_CHUNKS_MAX = 3
"""Chunks of a file that support one another; more of them only say that it is long."""
SAID_MAX = 5
"""Words that `why` names."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its place in the order."""

    candidate: Candidate
    score: float
    """Larger is better; about 1 for what says all that was asked."""
    why: str
    """What it was found by: `defines retry_policy; says retry, decide`."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """What speaks for each candidate, by its position."""

    counts: Scores
    """How often it says each term."""
    words: Scores
    meaning: Scores
    named: list[bool]
    defined: list[str]
    """The name of the question that it defines; empty where it defines none."""


def rank(
    question: str,
    candidates: Sequence[Candidate],
    statistics: Statistics,
    limit: int,
    weights: Weights = WEIGHTS,
) -> list[Ranked]:
    """The best `limit` candidates, the best first; equal ones by path and line."""
    if not candidates:
        return []
    wanted = asked(question)
    found = held(wanted.terms, [one.terms for one in candidates])
    meaning = np.array([one.vector_score for one in candidates])
    signs = _Signs(
        found.counts,
        _by_words(found, wanted, statistics, weights),
        np.maximum(meaning, 0.0),  # it does not speak against a chunk
        _named(candidates, wanted),
        _defined(candidates, wanted.names),
    )
    is_said = bool(signs.words.any())
    scores = (
        _in_all(signs, candidates, wanted, weights)
        if is_said
        else _unsaid(signs, candidates, wanted, weights)
    )
    near = "is close in meaning" if is_said else ONLY_MEANING
    return [
        Ranked(candidates[at], score, _why(signs, candidates[at], at, wanted) or near)
        for at, score in _spread(scores, candidates, limit, weights)
    ]


def _rarity(terms: Sequence[str], statistics: Statistics) -> Scores:
    """How much each term says: the fewer chunks hold it the more (BM25's inverse document frequency)."""
    holding = [min(statistics.holding(term), statistics.chunks) for term in terms]
    return np.array([math.log1p((statistics.chunks - n + 0.5) / (n + 0.5)) for n in holding])


def _by_words(found: Held, wanted: Question, statistics: Statistics, weights: Weights) -> Scores:
    """BM25 over the text, with what names and paths say added; 1 for the best."""
    lengths = found.lengths / max(statistics.mean_terms, 1.0)
    bend = weights.saturation * (1 - weights.length + weights.length * lengths)
    said = found.counts * (weights.saturation + 1) / (found.counts + bend[:, None])
    said += weights.names * found.named
    said += weights.path * found.placed
    return _to_one(said @ _rarity(wanted.terms, statistics))


def _to_one(scores: Scores) -> Scores:
    best = float(scores.max())
    return scores / best if best > 0 else scores


def _named(candidates: Sequence[Candidate], wanted: Question) -> list[bool]:
    """Which of them lie in a file that the question names."""
    if not wanted.named:
        return [False] * len(candidates)
    paths = {one.path for one in candidates}
    named = {path for path in paths if any(name.is_path(path) for name in wanted.named)}
    return [one.path in named for one in candidates]


def _defined(candidates: Sequence[Candidate], names: frozenset[str]) -> list[str]:
    """The longest name of the question that each of them defines."""
    if not names:
        return [""] * len(candidates)
    defined = [names & {one.symbol, *one.names} if one.names else () for one in candidates]
    return [max(found, key=lambda name: (len(name), name), default="") for found in defined]


def _in_all(signs: _Signs, candidates: Sequence[Candidate], wanted: Question, weights: Weights) -> Scores:
    scores = signs.words + weights.vector * _to_one(signs.meaning)
    factors = _factors(candidates, wanted, weights)
    scores += weights.file * _by_file(scores * factors, candidates, weights.file_fading)
    scores *= factors
    if wanted.is_name and wanted.terms:
        # Behind the factors: nothing else can be meant, wherever it lies. The name's own term is the last one.
        is_said = signs.counts[:, -1] > 0
        is_defined = np.array([bool(name) for name in signs.defined])
        scores += weights.definition * (is_said * 1.0 + is_defined)
    return scores + weights.named * np.array(signs.named)


def _unsaid(signs: _Signs, candidates: Sequence[Candidate], wanted: Question, weights: Weights) -> Scores:
    """The scores where nothing says a word of the question: cosines as they are, so that the best one is no match."""
    scores = weights.vector * signs.meaning * _factors(candidates, wanted, weights)
    return scores + weights.named * np.array(signs.named)


def _by_file(scores: Scores, candidates: Sequence[Candidate], fading: float) -> Scores:
    """What the best chunks of each one's file say together; 1 for the best file."""
    by_path: defaultdict[str, list[float]] = defaultdict(list)
    for score, one in zip(scores.tolist(), candidates, strict=True):
        by_path[one.path].append(score)
    fades = [fading**at for at in range(FILE_CHUNKS_MAX)]
    sums = {path: sum(map(mul, sorted(found, reverse=True), fades)) for path, found in by_path.items()}
    return _to_one(np.array([sums[one.path] for one in candidates]))


def _factors(candidates: Sequence[Candidate], wanted: Question, weights: Weights) -> Scores:
    """What each one's score is multiplied by, for the kind of place that it stands in."""
    factor = {path: _factor(path, wanted, weights) for path in {one.path for one in candidates}}
    return np.array([factor[one.path] for one in candidates])


def _factor(path: str, wanted: Question, weights: Weights) -> float:
    place = place_of(path)
    return 1.0 if not place or place in wanted.places else float(getattr(weights, place))


def _spread(
    scores: Scores, candidates: Sequence[Candidate], limit: int, weights: Weights
) -> list[tuple[int, float]]:
    """The best positions with their scores, further chunks of a file set back."""
    keys = [(-score, one.path, one.start) for score, one in zip(scores.tolist(), candidates, strict=True)]
    seen: defaultdict[str, int] = defaultdict(int)
    spread: list[tuple[int, float]] = []
    for at in sorted(range(len(keys)), key=keys.__getitem__):
        behind, path, _ = keys[at]
        spread.append((at, -behind * weights.repeated ** seen[path]))
        seen[path] += 1
    return sorted(spread, key=lambda one: -one[1])[:limit]


def _why(signs: _Signs, one: Candidate, at: int, wanted: Question) -> str:
    """In words, what speaks for a candidate beside its meaning; empty where nothing does."""
    said = [wanted.words.get(term, term) for term, n in zip(wanted.terms, signs.counts[at], strict=True) if n]
    reasons = ["named in the question"] if signs.named[at] else []
    if signs.defined[at]:
        reasons.append(f"defines {signs.defined[at]}")
    if said:
        reasons.append(f"says {', '.join(list(dict.fromkeys(said))[:SAID_MAX])}")
    return "; ".join(reasons)
