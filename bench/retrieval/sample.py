"""The sample of the retrieval benchmark that `make bench` runs, as rows."""

import sys
import time

from bench.retrieval.metrics import NAMES, interval, means
from bench.retrieval.running import HISTORIES, Asked, histories, run
from bench.retrieval.sources import SOURCES
from bench.retrieval.tables import SHIPPED, joined
from bench.row import Row

SAMPLE = ("tornado", "fastify", "sqlalchemy", "celery", "scikit-learn")
"""Of the half that is reported, from small to large."""
CASES = 40
"""Of each source and set."""
SECONDS = 100
"""After which no further source is begun."""
PEERS = ("semble", "plain BM25", "full text alone", "vectors alone")
PEOPLE = "questions of other people"
SHOWN = ("file recall", "file NDCG", "span recall", "span NDCG")


def rows() -> list[Row]:
    """Both sets; a row says what was not run."""
    found: list[Asked] = []
    began = time.monotonic()
    for source in (one for name in SAMPLE for one in SOURCES if one.name == name):
        if time.monotonic() - began > SECONDS:
            print(f"{source.name} is left out: {SECONDS} s have passed", file=sys.stderr)
            continue
        found += run([source], limit=CASES, kinds="commits docstrings")
    if not histories():
        print(
            f"retrieval: the commits were not run: {HISTORIES} names no folder with clones", file=sys.stderr
        )
    return [row for kind in dict.fromkeys(one.kind for one in found) for row in _of(found, kind)]


def _of(found: list[Asked], kind: str) -> list[Row]:
    lines: list[Row] = []
    for contender in (SHIPPED, *PEERS):
        own, shipped = joined(found, kind, contender), joined(found, kind, SHIPPED, contender)
        if not len(own):
            continue
        figures = list(zip(NAMES, means(own), *interval(shipped, own), strict=True))
        for name, mean, more, low, high in figures:
            if name not in SHOWN:
                continue
            said = f"retrieval: {kind}, {name}"
            if contender == SHIPPED:
                lines.append(value(said, mean, len(own)))
            else:
                lines.append(gain(f"{said}, more than {contender}", more, (low, high), len(own)))
    return lines


def value(name: str, mean: float, cases: int, against: str = "the shipped search") -> Row:
    """The mean of one figure over the cases."""
    return Row(name, float(mean), "", "", None, (float(mean), float(mean)), cases, f"{against}; {PEOPLE}")


def gain(name: str, mean: float, bounds: tuple[float, float], cases: int) -> Row:
    """A paired difference; its spread is where 95 % of bootstrap resamples lie, and the goal is that it holds no 0."""
    against = "the same cases; the spread is the bootstrap interval of the paired difference"
    low, high = map(float, bounds)
    return Row(name, float(mean), "", "> 0, interval too", low > 0, (low, high), cases, against)
