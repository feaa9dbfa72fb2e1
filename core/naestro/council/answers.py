"""The result: the winner's text with checked citations, or its change, with everything that qualifies it.

What went missing on the way is told first. Above, the commands; below, the recorded outputs of the steps. Nothing is
asked of a model here.
"""

import re
from collections.abc import Sequence

import msgspec

from naestro.council.adjudicate import winner_of
from naestro.council.candidates import cite
from naestro.council.sitting import Sitting
from naestro.council.verdict import Candidate, CouncilResult, Finding, Verdict

NOTHING_CITED = "The answer cites no line that exists: nothing in it was checked against the files."
CUT = "The text was cut at the token limit, and an unfinished last point left out."


async def conclude(
    sitting: Sitting,
    verdict: Verdict,
    candidates: Sequence[Candidate],
    findings: Sequence[Finding],
    known: list[str],
) -> CouncilResult:
    """The result by `verdict`; `known` are the paths that the prompt showed."""
    winner = winner_of(verdict, candidates)
    report, warnings = winner.report, [f"Given with less: {loss}" for loss in sitting.losses]
    if winner.is_cut:
        warnings.append(CUT)
    common = CouncilResult(
        answer="",
        evidence=report.evidence,
        verdict=verdict,
        findings=[finding for finding in findings if finding.candidate == winner.name],
        warnings=warnings,
    )
    if report.changes:
        return _as_change(common, winner)
    return await _as_answer(sitting, common, winner, known)


def _as_change(common: CouncilResult, winner: Candidate) -> CouncilResult:
    paths = ", ".join(change.path for change in winner.report.changes)
    return msgspec.structs.replace(
        common, answer=f"A change to {paths}.", patch=winner.report.diff, changes=winner.report.changes
    )


async def _as_answer(
    sitting: Sitting, common: CouncilResult, winner: Candidate, known: list[str]
) -> CouncilResult:
    text = _once(winner.text.strip())
    cited = await cite(sitting.kit.files, _finished(text) if winner.is_cut else text, known)
    nothing = [] if cited.citations else [NOTHING_CITED]
    return msgspec.structs.replace(
        common,
        answer=cited.text,
        citations=cited.citations,
        citations_removed=len(cited.removed),
        warnings=[*common.warnings, *nothing],
    )


def _finished(text: str) -> str:
    """A list without its last point, which was cut; any other text as it is."""
    before, _, last = text.rpartition("\n")
    return before.rstrip() if before and last.lstrip().startswith(("-", "*", "(")) else text


def _once(text: str) -> str:
    """`text` without the lines that only repeat an earlier one: what small models do when they have said it all.

    Blank lines stay, and so does everything from the first code fence on.
    """
    words, fence, code = text.partition("```")
    seen: set[str] = set()
    kept: list[str] = []
    for line in words.split("\n"):
        key = line.strip()
        if not key or key not in seen:
            kept.append(line)
        seen.add(key)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + ("\n\n" + fence + code if fence else "")
