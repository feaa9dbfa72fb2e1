"""The verdict: the ladder first, then the run's kind of consensus, and what was said against it.

What is left after the ladder's rungs goes to judges; `decide` makes a verdict of all that is recorded, without asking
anyone. Above, the commands; below, `ladder`, `judge` and `record`. A tie is told as a tie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from naestro.config import Consensus
from naestro.council.consensus import agree, clusters, independent, leaders, tally
from naestro.council.judge import ask_judges
from naestro.council.ladder import (
    AGREEMENT,
    Rung,
    blocked_by,
    climb,
    failed_evidence,
    other_kind,
    outside_largest_cluster,
    ungrounded,
)
from naestro.council.prefix import Prefix
from naestro.council.record import Weights, weigh
from naestro.council.roles import Role
from naestro.council.sitting import Sitting
from naestro.council.verdict import Candidate, Certainty, Dissent, Finding, RungNote, Verdict, Vote
from naestro.errors import RunStateError
from naestro.runs.attempt import Attempt
from naestro.runs.run import StepSpec
from naestro.types import StepKind

NO_OUTCOMES = "No verified outcome is recorded yet, so all engines weigh the same."


@dataclass(frozen=True, slots=True)
class Case:
    """All that a verdict is made of."""

    consensus: Consensus
    candidates: Sequence[Candidate]
    left: Sequence[Candidate]
    """Those that are left after the ladder, in order."""
    notes: list[RungNote]
    votes: list[Vote]
    weights: Weights


async def adjudicate(
    sitting: Sitting, prefix: Prefix, candidates: Sequence[Candidate], findings: Sequence[Finding]
) -> Verdict:
    """The verdict on `candidates`, recorded, or as a person changed it."""
    council = sitting.kit.settings.council
    weights = await weigh(sitting) if council.consensus == "weighted" else Weights()
    left, notes = climb(candidates, _rungs(council.consensus, findings, weights.proposer))
    votes: list[Vote] = []
    if len(left) > 1 and not agree(left):
        count = 1 if council.consensus == "judge" else _judge_count(sitting)
        votes = await ask_judges(sitting, prefix, _one_of_each(left), count)
    case = Case(council.consensus, candidates, left, notes, votes, weights)
    spec = StepSpec("adjudicate", StepKind.ADJUDICATE, reads=tuple(sitting.ended))
    verdict = await sitting.run.step(spec, partial(_recorded, case), Verdict)
    sitting.ended.append("adjudicate")
    return verdict


def _judge_count(sitting: Sitting) -> int:
    """As many judges as the settings want, each on an engine of its own: the same one twice is one opinion."""
    return min(sitting.kit.settings.council.judges, sitting.kit.engines.count(Role.JUDGE))


async def _recorded(case: Case, _: Attempt) -> Verdict:
    return decide(case)


def decide(case: Case) -> Verdict:
    """The verdict of `case`."""
    if len(case.left) == 1:
        return _by_ladder(case)
    if agree(case.left):
        return _by_agreement(case)
    return _by_votes(case)


def overridden(verdict: Verdict, winner: str, by: str) -> Verdict:
    """`verdict` as a person changed it; write it as the new output of `adjudicate`."""
    method = f"{by} chose {winner}; the council had chosen {verdict.winner}."
    against = Dissent(source="adjudicate", candidate=verdict.winner, text=verdict.method)
    return Verdict(
        winner=winner,
        certainty=Certainty.PERSON,
        method=method,
        consensus=verdict.consensus,
        votes=verdict.votes,
        weights=verdict.weights,
        rungs=verdict.rungs,
        dissent=[*verdict.dissent, against],
    )


def winner_of(verdict: Verdict, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that won. Raises `RunStateError` where a person named one that is not there."""
    for candidate in candidates:
        if candidate.name == verdict.winner:
            return candidate
    names = ", ".join(candidate.name for candidate in candidates)
    raise RunStateError(
        f"The verdict names {verdict.winner!r}, which is no candidate; there are: {names}.",
        hint="Patch the output of adjudicate again, with one of these as the winner.",
    )


def _rungs(
    consensus: str, findings: Sequence[Finding], weights: Mapping[str, float]
) -> list[tuple[str, Rung]]:
    rungs: list[tuple[str, Rung]] = [
        ("evidence", failed_evidence),
        ("kind", other_kind),
        ("citations", ungrounded),
        ("findings", blocked_by(findings)),
    ]
    if consensus != "judge":
        rungs.append((AGREEMENT, outside_largest_cluster(weights)))
    return rungs


def _one_of_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of each group of equal candidates."""
    firsts = {group[0].name for group in clusters(candidates)}
    return [candidate for candidate in candidates if candidate.name in firsts]


def _by_ladder(case: Case) -> Verdict:
    winner = case.left[0]
    decisive = next((note for note in reversed(case.notes) if note.dropped), None)
    if decisive is None or decisive.rung == "kind":
        return _verdict(case, winner, Certainty.ALONE, "There was nothing to compare it with.")
    why = "; ".join(f"{name}: {reason}" for name, reason in decisive.dropped.items())
    return _verdict(case, winner, Certainty.CHECKED, f"The rung {decisive.rung} decided. {why}.")


def _by_agreement(case: Case) -> Verdict:
    winner = case.left[0]
    engines = len({candidate.engine for candidate in case.left})
    whole = sum(independent([candidate]) for candidate in case.candidates)
    said = f"{independent(case.left)} of {whole} proposals agree, from {engines} engine{'s' * (engines > 1)}."
    others = [note for note in case.notes if note.rung == AGREEMENT and note.dropped]
    names = {name for note in others for name in note.dropped}
    against = [
        Dissent(source=c.name, candidate=c.name, text=c.text) for c in case.candidates if c.name in names
    ]
    certainty = Certainty.MAJORITY if names else Certainty.AGREED
    return _verdict(case, winner, certainty, said, dissent=against)


def _by_votes(case: Case) -> Verdict:
    scores = tally(case.votes, case.weights.judge)
    shown = _one_of_each(case.left)
    best = [name for name in leaders(scores) if name in {one.name for one in shown}] or [
        c.name for c in shown
    ]
    by_name = {candidate.name: candidate for candidate in shown}
    said = _count(case, scores)
    if len(best) == 1:
        return _verdict(case, by_name[best[0]], Certainty.JUDGED, said)
    preferred = leaders({name: case.weights.proposer.get(by_name[name].engine, 1.0) for name in best})
    if case.weights.outcomes and len(preferred) == 1:
        said += " The tie was broken by the engines' record."
        return _verdict(case, by_name[preferred[0]], Certainty.RECORD, said)
    tied = [candidate.name for candidate in shown if candidate.name in best]
    said += f" {tied[0]} is shown because it came first."
    return _verdict(case, by_name[tied[0]], Certainty.TIED, said, tied=tied)


def _count(case: Case, scores: Mapping[str, float]) -> str:
    """What the judges did, in one or two sentences."""
    if not case.votes:
        return "No judge could answer."
    silent = sum(vote.choice is None for vote in case.votes)
    parts = [f"{name} got {score:.3g}" for name, score in sorted(scores.items(), key=lambda pair: -pair[1])]
    counted = ", ".join(parts) if parts else "no votes were given"
    said = f"Of {len(case.votes)} judge{'s' * (len(case.votes) > 1)}: {counted}"
    said += f"; {silent} abstained." if silent else "."
    return f"{said} {NO_OUTCOMES}" if case.consensus == "weighted" and not case.weights.outcomes else said


def _verdict(
    case: Case,
    winner: Candidate,
    certainty: Certainty,
    method: str,
    *,
    tied: Sequence[str] = (),
    dissent: Sequence[Dissent] = (),
) -> Verdict:
    """A verdict with what every kind of it records; votes for others are dissent."""
    others = [
        Dissent(source=vote.judge, candidate=vote.choice, text=vote.reason)
        for vote in case.votes
        if vote.choice is not None and vote.choice != winner.name
    ]
    return Verdict(
        winner=winner.name,
        certainty=certainty,
        method=method,
        consensus=case.consensus,
        tied=list(tied),
        votes=case.votes,
        weights=case.weights.judge,
        rungs=case.notes,
        dissent=[*dissent, *others],
    )
