"""The `execute` step: what each proposal does when it is held against the files, before anyone reads it.

A change goes through `execute` (rung 1 of the ladder, and later the others); an answer has its citations checked. A
change that fails is out; an answer that cites nothing real only falls behind. Above, the commands; below, the
workspace. No model is asked here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from naestro.council.citations import Cited, Lines, check_citations
from naestro.council.execute import FIRST_RUNG, Evidence, ExecutionReport, Rung, execute_candidate
from naestro.council.ladder import CITATIONS, why_out
from naestro.council.lone_block import as_whole_file, shown_whole
from naestro.council.patches import has_patch
from naestro.council.sitting import Sitting, side_by_side
from naestro.council.verdict import MERGED, Candidate, Proposal, Wants
from naestro.errors import NoProposal, WorkspaceError
from naestro.index.spans import Span
from naestro.policy.buffers import reading
from naestro.policy.workspace import Workspace
from naestro.runs.attempt import Attempt
from naestro.runs.run import StepSpec
from naestro.types import StepKind


@dataclass(frozen=True, slots=True)
class Exam:
    """What candidates are held against."""

    wants: Wants
    known: list[str]
    """The paths that the prompt showed."""
    rungs: Sequence[Rung] = FIRST_RUNG
    """What a change has to pass, in order."""
    spans: Sequence[Span] = ()
    """What the prompt showed, where a change is asked for."""


async def examine(sitting: Sitting, proposals: Mapping[str, Proposal], exam: Exam) -> list[Candidate]:
    """The proposals as candidates, in their order.

    Those that are out are among them, and said in the trace. Raises `NoProposal` when all are out.
    """
    works = [partial(_examine_one, sitting, pair, exam) for pair in proposals.items()]
    candidates = await side_by_side(works)
    sitting.ended.extend(map(execute_step, proposals))
    for candidate in candidates:
        if candidate.report.is_out:
            await sitting.run.notice(f"{candidate.name} is out: {why_out(candidate)}", "warning")
    if all(candidate.report.is_out for candidate in candidates):
        raise NoProposal(
            f"No proposal can be used. {candidates[0].name}: {why_out(candidates[0]).rstrip('.')}."
        )
    return candidates


async def examine_merged(sitting: Sitting, merged: Proposal | None, exam: Exam) -> list[Candidate]:
    """The merged proposal as a candidate, or nothing where there is none or it is out: then it is never worse."""
    if merged is None:
        return []
    candidate = await _examine_one(sitting, (MERGED, merged), exam)
    sitting.ended.append(execute_step(MERGED))
    if candidate.report.is_out:
        await sitting.run.notice(f"The merged candidate is out: {why_out(candidate)}", "warning")
        return []
    return [candidate]


async def _examine_one(sitting: Sitting, named: tuple[str, Proposal], exam: Exam) -> Candidate:
    name, proposal = named

    async def work(attempt: Attempt) -> ExecutionReport:
        if exam.wants == "answer" or (exam.wants == "either" and not has_patch(proposal.text)):
            return await _answer_report(sitting.kit.files, proposal.text, exam.known)
        shown = await reading(shown_whole, exam.spans, sitting.kit.files.read)
        if not has_patch(proposal.text) and not (shown and as_whole_file(proposal.text, shown)):
            return _no_change()
        return await execute_candidate(sitting.kit.files, proposal.text, exam.rungs, shown)

    reads = (author_step(name),)
    report = await sitting.run.step(
        StepSpec(execute_step(name), StepKind.EXECUTE, reads), work, ExecutionReport
    )
    is_cut = proposal.finish_reason == "length"
    return Candidate(name=name, engine=proposal.engine, text=proposal.text, report=report, is_cut=is_cut)


def author_step(candidate: str) -> str:
    """The step that wrote the candidate of that name."""
    return "synthesize" if candidate == MERGED else candidate


def execute_step(candidate: str) -> str:
    """The step that executed the candidate of that name: `execute.2`, `execute.merged`."""
    return f"execute.{candidate.rpartition('.')[2]}"


async def _answer_report(workspace: Workspace, text: str, known: list[str]) -> ExecutionReport:
    cited = await cite(workspace, text, known)
    good, bad = len(cited.citations), len(cited.removed)
    detail = f"{good} exist" + (f", {bad} do not" if bad else "") if good or bad else "none given"
    evidence = Evidence(check=CITATIONS, is_passed=good > 0, detail=detail, path=None, line=None)
    return ExecutionReport(changes=[], diff="", evidence=[evidence], is_out=False)


def _no_change() -> ExecutionReport:
    detail = "the task asks for a change, and this proposes none"
    evidence = Evidence(check="applies", is_passed=False, detail=detail, path=None, line=None)
    return ExecutionReport(changes=[], diff="", evidence=[evidence], is_out=True)


async def cite(workspace: Workspace, text: str, known: list[str]) -> Cited:
    """`text` with its citations checked against the files, in a thread."""
    return await reading(check_citations, text, line_counter(workspace), known)


def line_counter(workspace: Workspace) -> Lines:
    """How many lines a file of `workspace` has; None where it may not be read. Each is read once."""

    def count(path: str) -> int | None:
        try:
            return len(workspace.read(path).lines)
        except WorkspaceError:
            return None

    counted: Callable[[str], int | None] = cache(count)
    return counted
