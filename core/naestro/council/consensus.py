"""When candidates are the same, and how votes are counted. Pure functions; `ladder` and `adjudicate` use them.

Equal means equal after normalisation: an answer without case, punctuation, blanks; a change by the contents of the
files that it leaves behind, whatever the patch that led there looked like.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

from naestro.council.verdict import MERGED, Candidate, Vote
from naestro.policy.changes import Change

_NO_WORD = re.compile(r"[\W_]+")
_EQUAL_WITHIN = 1e-9
"""Sums of weights that differ by less are a tie."""


def answer_key(text: str) -> str:
    """`text` without case, punctuation and blanks."""
    return _NO_WORD.sub(" ", text.casefold()).strip()


def change_key(changes: Sequence[Change]) -> str:
    """A digest of the files that `changes` leave behind."""
    digest = hashlib.sha256()
    for change in sorted(changes, key=lambda change: change.path):
        left = "gone" if change.after is None else f"{len(change.after)}:{change.after}"
        digest.update(f"{change.path}\0{left}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def key(candidate: Candidate) -> tuple[str, str]:
    """What is the same for equal candidates."""
    if candidate.report.changes:
        return "change", change_key(candidate.report.changes)
    return "answer", answer_key(candidate.text)


def clusters(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Groups of equal candidates, the one with the most independent members first.

    The merged candidate was written by one who had read the others, so it stands in a group but does not count.
    """
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(key(candidate), []).append(candidate)
    return sorted(groups.values(), key=independent, reverse=True)


def independent(group: Sequence[Candidate]) -> int:
    """How many members of a group were written blind."""
    return sum(candidate.name != MERGED for candidate in group)


def agree(candidates: Sequence[Candidate]) -> bool:
    """Whether there are at least two, and all are equal."""
    return len(candidates) > 1 and len(clusters(candidates)) == 1


def tally(votes: Sequence[Vote], weights: Mapping[str, float]) -> dict[str, float]:
    """The weight of the votes for each candidate that got one; an engine without a weight counts 1."""
    scores: dict[str, float] = {}
    for vote in votes:
        if vote.choice is not None:
            scores[vote.choice] = scores.get(vote.choice, 0.0) + weights.get(vote.engine, 1.0)
    return scores


def leaders(scores: Mapping[str, float]) -> list[str]:
    """The names with the highest score: one, several in a tie, none without scores."""
    best = max(scores.values(), default=0.0)
    return [name for name, score in scores.items() if score >= best - _EQUAL_WITHIN]
