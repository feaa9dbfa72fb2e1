"""The evidence ladder: rung by rung, candidates fall out, and a lower rung never brings one back.

A rung is a function that says who stays and why the others go. `climb` asks them in order and stops when one
candidate is left. Rungs that run tests will stand between `evidence` and `agreement`; a judge is asked by
`adjudicate` only about those that are left here.
"""

from collections.abc import Callable, Mapping, Sequence

from naestro.council.consensus import clusters, independent, leaders, tally
from naestro.council.execute import Evidence
from naestro.council.verdict import MERGED, Candidate, Finding, RungNote, Vote

CITATIONS = "citations"
"""The check of an answer: that it cites lines which exist."""
AGREEMENT = "agreement"

Rung = Callable[[Sequence[Candidate]], dict[str, str]]
"""From candidates to those that fall out, each with the reason."""


def climb(
    candidates: Sequence[Candidate], rungs: Sequence[tuple[str, Rung]]
) -> tuple[list[Candidate], list[RungNote]]:
    """The candidates that are left after `rungs`, and what each rung decided.

    A rung that would leave nobody decides nothing.
    """
    left = list(candidates)
    notes: list[RungNote] = []
    for name, rung in rungs:
        if len(left) == 1:
            break
        dropped = rung(left)
        if len(dropped) == len(left):
            dropped = {}
        left = [candidate for candidate in left if candidate.name not in dropped]
        notes.append(RungNote(rung=name, kept=[candidate.name for candidate in left], dropped=dropped))
    return left, notes


def failed_evidence(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Rung 1: what does not apply, does not parse, or brings new lint errors is out."""
    return {candidate.name: why_out(candidate) for candidate in candidates if candidate.report.is_out}


def why_out(candidate: Candidate) -> str:
    """The first failed check of a candidate, in one line."""
    failed = next((evidence for evidence in candidate.report.evidence if not evidence.is_passed), None)
    return show_evidence(failed) if failed is not None else "it failed its checks"


def show_evidence(evidence: Evidence) -> str:
    """One check in one line."""
    place = (
        ""
        if evidence.path is None
        else f" at {evidence.path}" + (f":{evidence.line}" if evidence.line else "")
    )
    return f"{evidence.check} {'passed' if evidence.is_passed else 'failed'}{place}: {evidence.detail}"


def other_kind(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Answers and changes cannot be compared: the kind that most candidates chose stays; a change where it is even."""
    changes = [candidate for candidate in candidates if candidate.kind == "change"]
    kept = "change" if len(changes) * 2 >= len(candidates) else "answer"
    why = {
        "change": "most candidates made a change, this one none",
        "answer": "most candidates answered in words",
    }
    return {candidate.name: why[kept] for candidate in candidates if candidate.kind != kept}


def ungrounded(candidates: Sequence[Candidate]) -> dict[str, str]:
    """An answer that cites no existing line falls behind those that do."""
    return {
        candidate.name: "it cites no line that exists"
        for candidate in candidates
        if any(
            evidence.check == CITATIONS and not evidence.is_passed for evidence in candidate.report.evidence
        )
    }


def blocked_by(findings: Sequence[Finding]) -> Rung:
    """The rung of the critics: a blocker that executed evidence proves beats any majority."""
    blockers = {
        finding.candidate: f"{finding.critic}: {finding.claim}"
        for finding in findings
        if finding.severity == "blocker" and finding.standing == "verified"
    }

    def blocked(candidates: Sequence[Candidate]) -> dict[str, str]:
        names = {candidate.name for candidate in candidates}
        return {name: why for name, why in blockers.items() if name in names}

    return blocked


def outside_largest_cluster(weights: Mapping[str, float]) -> Rung:
    """The rung of the majority: the largest group of equal proposals, where one is larger than all others.

    `weights` counts a member by its engine; without them each counts 1.
    """

    def outside(candidates: Sequence[Candidate]) -> dict[str, str]:
        groups = [group for group in clusters(candidates) if independent(group)]
        best = leaders(tally([_voice(member, group) for group in groups for member in group], weights))
        largest = next(group for group in groups if group[0].name == best[0])
        if len(best) != 1 or independent(largest) < 2:
            return {}
        inside = {candidate.name for candidate in largest}
        why = f"{independent(largest)} proposals agree on something else"
        return {candidate.name: why for candidate in candidates if candidate.name not in inside}

    return outside


def _voice(member: Candidate, group: Sequence[Candidate]) -> Vote:
    """A proposal as a vote for what its group says; the merged candidate is no voice of its own."""
    choice = None if member.name == MERGED else group[0].name
    return Vote(judge=member.name, engine=member.engine, choice=choice, reason="")
