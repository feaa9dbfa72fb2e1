"""The order of what a search found: every candidate is scored anew, by its words, its vector, its file and its place.

`search` above asks `store` for some hundred candidates and shows the best of what comes back here; the benchmark ranks
with the same code. It reads terms as `prepare` writes them and knows neither the table nor the files.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from naestro.index.asking.places import place_of
from naestro.index.asking.question import Question, asked
from naestro.index.asking.weights import WEIGHTS, Weights
from naestro.index.found import ONLY_MEANING
from naestro.index.storage.schema import Candidate
from naestro.index.text.prepare import terms_in
from naestro.index.text.statistics import Statistics

Vector: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = NDArray[np.float64]

FILE_CHUNKS_MAX = 3
"""Chunks of a file that support one another; more of them only say that it is long."""
SAID_MAX = 5
"""Words that `why` names."""

_WORD = re.compile(r"\w+")


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
    """How often it holds each term."""
    words: Scores
    meaning: Scores
    named: list[bool]
    defined: list[str]
    """The name of the question that it defines; empty where it defines none."""


def rank(
    question: str,
    candidates: Sequence[Candidate],
    statistics: Statistics,
    query_vector: Vector | None,
    limit: int,
    weights: Weights = WEIGHTS,
) -> list[Ranked]:
    """The best `limit` candidates, the best first; equal ones by path and line."""
    if not candidates:
        return []
    wanted = asked(question)
    counts = counted(wanted.terms, candidates)
    signs = _Signs(
        counts,
        _by_words(counts, candidates, wanted, statistics, weights),
        _by_meaning(candidates, query_vector),
        [any(name.is_path(one.path) for name in wanted.named) for one in candidates],
        [_defined(one, wanted.names) for one in candidates],
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


def counted(terms: Sequence[str], candidates: Sequence[Candidate]) -> Scores:
    """How often each candidate holds each term; `prepared` has equal terms side by side."""
    counts = np.zeros((len(candidates), len(terms)))
    keys = [(f" {term} ", len(term) + 1) for term in terms]
    for row, one in enumerate(candidates):
        text = f" {one.prepared} "
        counts[row] = [_times(text, key, step) for key, step in keys]
    return counts


def _times(text: str, key: str, step: int) -> int:
    """How often `key` stands in `text` from its first place on, `step` characters apart."""
    first = at = text.find(key)
    if first < 0:
        return 0
    while text.startswith(key, at):
        at += step
    return (at - first) // step


def _rarity(terms: Sequence[str], statistics: Statistics) -> Scores:
    """How much each term says: the fewer chunks hold it the more (BM25's inverse document frequency)."""
    holding = [min(statistics.holding(term), statistics.chunks) for term in terms]
    return np.array([math.log1p((statistics.chunks - n + 0.5) / (n + 0.5)) for n in holding])


def _lengths(candidates: Sequence[Candidate], statistics: Statistics) -> Scores:
    """Terms of each candidate against the mean."""
    terms = np.array([one.prepared.count(" ") + 1 for one in candidates], dtype=np.float64)
    return terms / max(statistics.mean_terms, 1.0)


def _by_words(
    counts: Scores,
    candidates: Sequence[Candidate],
    wanted: Question,
    statistics: Statistics,
    weights: Weights,
) -> Scores:
    """BM25 over the text, with what names and paths say added; 1 for the best."""
    rarity = _rarity(wanted.terms, statistics)
    bend = weights.saturation * (1 - weights.length + weights.length * _lengths(candidates, statistics))
    said = counts * (weights.saturation + 1) / (counts + bend[:, None])
    said += weights.names * _held([_terms_of(" ".join(one.names)) for one in candidates], wanted.terms)
    said += weights.path * _held([_terms_of(one.path.rpartition(".")[0]) for one in candidates], wanted.terms)
    return _to_one(said @ rarity)


def _held(texts: Sequence[frozenset[str]], terms: Sequence[str]) -> Scores:
    """Which terms each text holds, as ones and zeros."""
    held = np.zeros((len(texts), len(terms)))
    columns = {term: column for column, term in enumerate(terms)}
    for row, text in enumerate(texts):
        for term in columns.keys() & text:
            held[row, columns[term]] = 1.0
    return held


@lru_cache(maxsize=16_384)
def _terms_of(text: str) -> frozenset[str]:
    return frozenset(term for word in _WORD.findall(text) for term in terms_in(word))


def _by_meaning(candidates: Sequence[Candidate], query_vector: Vector | None) -> Scores:
    """Cosine of the vectors; 0 where they speak against it."""
    scores = np.zeros(len(candidates))
    if query_vector is None:
        return scores
    rows = [(at, one.vector) for at, one in enumerate(candidates)]
    held = [(at, vector) for at, vector in rows if vector is not None]
    if held:
        scores[[at for at, _ in held]] = np.stack([vector for _, vector in held]) @ query_vector
    return np.maximum(scores, 0.0)


def _to_one(scores: Scores) -> Scores:
    best = float(scores.max())
    return scores / best if best > 0 else scores


def _defined(one: Candidate, names: frozenset[str]) -> str:
    """The longest name of the question that this chunk defines."""
    if not names or not one.names:
        return ""
    held = {one.symbol, *one.names}
    return max((name for name in names if name in held), key=lambda name: (len(name), name), default="")


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
    sums = {
        path: sum(
            score * fading**at for at, score in enumerate(sorted(found, reverse=True)[:FILE_CHUNKS_MAX])
        )
        for path, found in by_path.items()
    }
    return _to_one(np.array([sums[one.path] for one in candidates]))


def _factors(candidates: Sequence[Candidate], wanted: Question, weights: Weights) -> Scores:
    return np.array([_factor(one.path, wanted, weights) for one in candidates])


def _factor(path: str, wanted: Question, weights: Weights) -> float:
    place = place_of(path)
    return 1.0 if not place or place in wanted.places else float(getattr(weights, place))


def _spread(
    scores: Scores, candidates: Sequence[Candidate], limit: int, weights: Weights
) -> list[tuple[int, float]]:
    """The best positions with their scores, further chunks of a file set back."""
    order = sorted(
        range(len(candidates)), key=lambda at: (-scores[at], candidates[at].path, candidates[at].start)
    )
    seen: defaultdict[str, int] = defaultdict(int)
    spread: list[tuple[int, float]] = []
    for at in order:
        path = candidates[at].path
        spread.append((at, float(scores[at]) * weights.repeated ** seen[path]))
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
