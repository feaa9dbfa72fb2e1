"""`review`: faults in a change, each with a line that exists, a severity and the names of who says so. Never a change.

The flow of the command, top to bottom; `client` above starts it, each stage is a file of `council` below. What a
reviewer claims is opinion; what is checked is that its place exists in what was reviewed.
"""

from collections.abc import Sequence

from naestro.council.changed import Ground, gather
from naestro.council.citations import Citation
from naestro.council.context import room_for_context
from naestro.council.review import Objection, Reviewed, dispute, find, put_together, shown
from naestro.council.sitting import Kit, Sitting
from naestro.council.verdict import Certainty, CouncilResult, Dissent, Finding, Verdict
from naestro.runs.attempt import Attempt
from naestro.runs.run import Run, StepSpec
from naestro.types import StepKind


async def review(run: Run, kit: Kit) -> CouncilResult:
    """The council's findings on the uncommitted change, or on what the task names.

    Raises `InputError` where there is no git or nothing to review, `WorkspaceError` for a named file that is not
    read, `NoProposal`, `NoEngine`, `ContextTooLong`, and what the journal raises.
    """
    sitting = Sitting.open(run, kit)
    ground = await _retrieve(sitting, str(run.started.task.get("text", "")).strip())
    reviews = await find(sitting, ground)
    findings = await put_together(sitting, reviews)
    objections = await dispute(sitting, ground, findings)
    return _concluded(sitting, ground, reviews, findings, objections)


async def _retrieve(sitting: Sitting, target: str) -> Ground:
    sentence = f"Review {target}." if target else "Review this change, which is not committed yet."
    room = room_for_context(sitting, sentence)

    async def work(attempt: Attempt) -> Ground:
        words = await attempt.given("task", sentence)
        return await gather(sitting.kit, target, words, room)

    ground = await sitting.run.step(StepSpec("retrieve", StepKind.RETRIEVE), work, Ground)
    sitting.ended.append("retrieve")
    return ground


def _concluded(
    sitting: Sitting,
    ground: Ground,
    reviews: Sequence[Reviewed],
    findings: Sequence[Finding],
    objections: Sequence[Objection],
) -> CouncilResult:
    against = {
        number: [one for one in objections if one.number == number] for number in range(1, len(findings) + 1)
    }
    standing = [finding for number, finding in enumerate(findings, 1) if not against[number]]
    disputed = [(finding, against[number]) for number, finding in enumerate(findings, 1) if against[number]]
    ordered = [*standing, *(finding for finding, _ in disputed)]
    dissent = [
        Dissent(
            source=one.critic, candidate="synthesize", text=f"{shown(findings[one.number - 1])}: {one.reason}"
        )
        for one in objections
    ]
    reviewers = f"{len(reviews)} reviewer{'s' * (len(reviews) != 1)}"
    verdict = Verdict(
        winner="synthesize",
        certainty=Certainty.COLLECTED,
        method=f"{reviewers} found {len(findings)}; critics object to {len(disputed)}.",
        consensus=sitting.kit.settings.council.consensus,
        dissent=dissent,
    )
    return CouncilResult(
        answer=_answer(ground, reviewers, standing, disputed),
        citations=list(
            dict.fromkeys(Citation(path=one.path, start=one.line, end=one.line) for one in ordered)
        ),
        citations_removed=sum(one.dropped for one in reviews),
        verdict=verdict,
        findings=ordered,
        warnings=[*(f"Given with less: {loss}" for loss in sitting.losses), *_not_seen(ground)],
    )


def _answer(
    ground: Ground,
    reviewers: str,
    standing: Sequence[Finding],
    disputed: Sequence[tuple[Finding, Sequence[Objection]]],
) -> str:
    """The findings in Markdown, those that a critic objects to last."""
    count = len(standing) + len(disputed)
    files = f"{len(ground.lines)} file{'s' * (len(ground.lines) != 1)}"
    if not count:
        return f"{reviewers} found nothing wrong in {ground.about} ({files}), which is no proof."
    lines = [f"{count} finding{'s' * (count != 1)} in {ground.about} ({files}):", ""]
    lines += [f"- {shown(one)} — {one.critic}" for one in standing]
    for finding, objections in disputed:
        said = "; ".join(f"{one.critic}: {one.reason}" for one in objections)
        lines.append(f"- disputed, {shown(finding)} — {finding.critic}. Against it, {said}")
    return "\n".join(lines)


def _not_seen(ground: Ground) -> list[str]:
    """What of the change no reviewer saw, in sentences."""
    told: list[str] = []
    if ground.left_out:
        count = ground.left_out
        told.append(
            f"{count} part{'s' * (count != 1)} of the change had no room and was not reviewed: name files."
        )
    told += [f"Not reviewed: {path} ({why.rstrip('.')})." for path, why in ground.passed_over.items()]
    return told
