"""The sets asked of all contenders, one source after the other; the scores of each case are kept as they come."""

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.retrieval import contenders, lookups
from bench.retrieval.cases import Case, read_commits
from bench.retrieval.docstrings import blanked, cases
from bench.retrieval.history import History
from bench.retrieval.metrics import Scores, scores
from bench.retrieval.sources import SOURCES, Source
from bench.trees import NoTree

HISTORIES = "NAESTRO_BENCH_HISTORIES"
"""The folder with clones, for the questions that are commit messages."""
SEED = 5
KINDS = "commits docstrings names"


@dataclass(frozen=True, slots=True)
class Asked:
    """One contender's scores on one source, by case; fewer than there are cases where only the first were asked."""

    kind: str
    """`commits`, `docstrings` or `names`."""
    source: str
    contender: str
    scores: list[Scores]


def histories() -> Path | None:
    """Where clones lie, if the person said so."""
    named = os.environ.get(HISTORIES)
    return Path(named) if named else None


def run(
    sources: Sequence[Source],
    *,
    limit: int | None = None,
    ablated: int = 0,
    with_peers: bool = True,
    with_sentences: bool = False,
    kinds: str = KINDS,
) -> Iterator[Asked]:
    """Every contender on every set of `sources`; `limit` cases of each at most, `ablated` of them without parts too."""
    for source in sources:
        for kind, tree, found in sets(source, kinds):
            chosen = some(found, limit)
            began = time.monotonic()
            answers = contenders.ours(tree, [case.question for case in chosen], ablated=ablated)
            if with_peers:
                answers |= contenders.peers(tree, [case.question for case in chosen])
            if with_sentences:
                answers |= contenders.sentences(tree, [case.question for case in chosen])
            for name, places in answers.items():
                judged = [scores(one, case.targets) for one, case in zip(places, chosen, strict=False)]
                yield Asked(kind, source.name, name, judged)
            took_s = time.monotonic() - began
            print(
                f"{kind} of {source.name}: {len(chosen)} cases, {took_s:.0f} s", file=sys.stderr, flush=True
            )


def of_half(half: str) -> list[Source]:
    """The sources of one half."""
    return [source for source in SOURCES if source.half == half]


def some(cases: Sequence[Case], limit: int | None) -> list[Case]:
    """`limit` of the cases, the same ones each time; all where there is no limit."""
    return random.Random(SEED).sample(cases, min(limit or len(cases), len(cases)))


def sets(source: Source, kinds: str) -> Iterator[tuple[str, Path, list[Case]]]:
    """Of one source: each set among `kinds` that can be had here, with the tree that is searched and its cases."""
    try:
        if "commits" in kinds and source.repository and (found := _of_history(source)):
            yield "commits", source.path(), found
        if "names" in kinds and source.repository:
            yield "names", source.path(), lookups.cases(source)
        if "docstrings" in kinds and source.has_docstrings:
            yield "docstrings", blanked(source), cases(source)
    except NoTree as error:
        print(f"{source.name} is left out: {error}", file=sys.stderr)


def _of_history(source: Source) -> list[Case]:
    folder = histories()
    history = History.of(folder, source.repository) if folder else None
    if not history:
        return []
    own = [commit for commit in read_commits() if commit.source == source.name]
    return [Case(source.name, history.question(one.commit), one.targets) for one in own]
