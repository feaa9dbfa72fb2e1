"""`python -m bench.retrieval.ingredients [--half choose|report] [--limit N] [--kept FILE]`: what each weight is worth.

The candidates are brought from memory, so that all variants of the ranking are asked in the time of one: only how the
weights differ is judged here, how good the search is as a whole in `bench.retrieval`. A figure is the mean of all six
of a case, as it changes where an ingredient is left out; below 0 it is missed.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bench.retrieval.__main__ import read
from bench.retrieval.cases import Case
from bench.retrieval.contenders import variants
from bench.retrieval.corpus import Corpus, chunks_of
from bench.retrieval.metrics import RESAMPLES, RESULTS, SEED, Scores, scores
from bench.retrieval.running import KINDS, Asked, of_half, sets, some
from bench.retrieval.sources import Source
from bench.retrieval.tables import SHIPPED, joined
from naestro.config import Settings
from naestro.index.asking.question import asked
from naestro.index.asking.rank import rank
from naestro.index.asking.weights import WEIGHTS
from naestro.index.embed.choose import embedder

SENTENCES = ("commits", "docstrings")
"""The sets whose mean decides; names are asked for what only they call for."""


def main() -> int:
    """Ask, print; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval.ingredients", description=__doc__)
    parser.add_argument("--half", choices=("choose", "report"), default="report")
    parser.add_argument("--limit", type=int, default=60, help="cases of each source and set, at most")
    parser.add_argument("--kept", type=Path, help="keep the scores as they come, and go on from there")
    parser.add_argument("--kinds", default=KINDS, help="the sets, with spaces")
    parser.add_argument("--only", default="", help="names of sources, with commas")
    chosen = parser.parse_args()
    only = set(filter(None, chosen.only.split(",")))
    found = read(chosen.kept)
    done = {(one.source, one.kind) for one in found}
    for source in (one for one in of_half(chosen.half) if not only or one.name in only):
        left = " ".join(kind for kind in chosen.kinds.split() if (source.name, kind) not in done)
        for one in ask(source, left, chosen.limit):
            found.append(one)
            if chosen.kept:
                with chosen.kept.open("a") as file:
                    file.write(f"{json.dumps(asdict(one))}\n")
    print(table(found))
    return 0


def ask(source: Source, kinds: str, limit: int) -> Iterator[Asked]:
    """The scores of the shipped weights and of each variant, on each set of a source."""
    for kind, tree, cases in sets(source, kinds):
        chosen = some(cases, limit)
        corpus = Corpus(chunks_of(tree), embedder=embedder(Settings()))
        corpus.look_for({term for case in chosen for term in asked(case.question).terms})
        scored = [judged(corpus, case) for case in chosen]
        for name in scored[0] if scored else ():
            yield Asked(kind, source.name, name, [one[name] for one in scored])


def judged(corpus: Corpus, case: Case) -> dict[str, Scores]:
    """The scores of one case, by variant; `corpus` was told of its terms."""
    embed = corpus.embedder
    vector = embed.query(case.question) if embed else None
    candidates = corpus.candidates(asked(case.question).terms, vector)
    found: dict[str, Scores] = {}
    for name, weights in {SHIPPED: WEIGHTS, **variants()}.items():
        ranked = rank(case.question, candidates, corpus.statistics, RESULTS, weights)
        places = [(one.candidate.path, one.candidate.start, one.candidate.end) for one in ranked]
        found[name] = scores(places, case.targets)
    return found


def table(found: Sequence[Asked]) -> str:
    """What each variant changes on each set and on the mean of commits and docstrings; starred beyond the interval."""
    kinds = [kind for kind in KINDS.split() if any(one.kind == kind for one in found)]
    counts = [f"{kind} ({len(joined(found, kind, SHIPPED))})" for kind in kinds]
    both = all(kind in kinds for kind in SENTENCES)
    heads = [*counts, *(["mean of both"] if both else [])]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name in variants():
        changes = {kind: _changes(found, kind, name) for kind in kinds}
        cells = [_told([change]) for change in changes.values()]
        if both:
            cells.append(_told([changes[kind] for kind in SENTENCES]))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _changes(found: Sequence[Asked], kind: str, name: str) -> np.ndarray:
    """By case."""
    return np.nanmean(joined(found, kind, name) - joined(found, kind, SHIPPED, name), axis=1)


def _told(sets: Sequence[np.ndarray]) -> str:
    """The mean of the sets' means, with where 95 % of resamples of their cases lie."""
    if not all(map(len, sets)):
        return ""
    generator = np.random.default_rng(SEED)
    drawn = [one[generator.integers(0, len(one), (RESAMPLES, len(one)))].mean(axis=1) for one in sets]
    low, high = np.percentile(np.mean(drawn, axis=0), (2.5, 97.5))
    mean = float(np.mean([one.mean() for one in sets]))
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f}){' *' if low > 0 or high < 0 else ''}"


if __name__ == "__main__":
    raise SystemExit(main())
