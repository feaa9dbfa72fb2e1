"""The council's way from a context to a result, one line a stage: what every command of the council shares.

Above, the commands say what they want of it; below, each stage is a file of its own. A stage's steps are recorded, so
this function is simply called again when a run is resumed, patched or replayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from naestro.council.adjudicate import adjudicate
from naestro.council.answers import conclude
from naestro.council.budget import ANSWER_TOKENS_MAX
from naestro.council.candidates import Exam, examine, examine_merged
from naestro.council.consensus import agree
from naestro.council.context import Context
from naestro.council.critique import critique
from naestro.council.execute import FIRST_RUNG, Rung
from naestro.council.ladder import other_kind
from naestro.council.prefix import Prefix, build_prefix
from naestro.council.propose import Ask, propose
from naestro.council.roles import Role, instruction
from naestro.council.sitting import Sitting
from naestro.council.synthesize import synthesize
from naestro.council.verdict import Candidate, CouncilResult, Finding, Wants

WORDS_MIN, WORDS_MAX = 40, 110
WORDS_PER_TOKEN = 0.4
"""Words asked for, by the token limit: citations take about half of an answer's tokens."""
GO_ON, SKIP = "continue", "skip"


@dataclass(frozen=True, slots=True)
class Brief:
    """What a command asks for, where it is more than an answer or a change as such."""

    name: str
    """Of the instructions: `prompts/propose_NAME.md`, `prompts/synthesize_NAME.md`."""
    blanks: Mapping[str, str]
    """What is filled into them."""
    rungs: Sequence[Rung] = FIRST_RUNG
    """What a change has to pass."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all stages of a deliberation look at."""

    sitting: Sitting
    context: Context
    prefix: Prefix
    exam: Exam
    brief: Brief | None


async def deliberate(
    sitting: Sitting, context: Context, wants: Wants, brief: Brief | None = None
) -> CouncilResult:
    """Propose, execute, criticise, merge, judge; the result, with nothing applied yet."""
    exam = Exam(wants, context.paths, brief.rungs if brief else FIRST_RUNG, context.spans)
    stage = Stage(sitting, context, build_prefix(context.task, context.spans), exam, brief)
    proposals = await propose(sitting, stage.prefix, _ask(stage, "propose", wants))
    candidates = await examine(sitting, proposals, exam)
    findings: list[Finding] = []
    if not await _is_settled(sitting, candidates):
        findings, merged = await _improve(stage, candidates)
        candidates += merged
        await _pause(sitting, "before_verdict", "All candidates are in. Go on to the verdict?", [GO_ON])
    verdict = await adjudicate(sitting, stage.prefix, candidates, findings)
    return await conclude(sitting, verdict, candidates, findings, context.paths)


async def _improve(stage: Stage, candidates: Sequence[Candidate]) -> tuple[list[Finding], list[Candidate]]:
    """What the critics found, and the merged candidate, executed; none where it is skipped, fails or is out."""
    sitting, prefix = stage.sitting, stage.prefix
    usable = _usable(candidates)
    findings = await critique(sitting, prefix, usable)
    question = "The proposals are in. Go on to the synthesis?"
    if await _pause(sitting, "before_synthesis", question, [GO_ON, SKIP]) == SKIP:
        return findings, []
    kind = usable[0].kind
    merged = await synthesize(sitting, prefix, _ask(stage, "synthesize", kind), usable, findings)
    return findings, await examine_merged(sitting, merged, replace(stage.exam, wants=kind))


async def _is_settled(sitting: Sitting, candidates: Sequence[Candidate]) -> bool:
    """Whether nothing is left to improve; the trace is told why."""
    usable = _usable(candidates)
    if len(usable) == 1:
        await sitting.run.notice("One usable proposal is left: critique, synthesis and judges are skipped.")
        return True
    if sitting.kit.settings.council.early_exit and agree(usable):
        text = f"Early exit: all {len(usable)} usable proposals agree, so critique, synthesis and judges are skipped."
        await sitting.run.notice(text)
        return True
    return False


def _usable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that are not out, and of the kind that most are."""
    left = [candidate for candidate in candidates if not candidate.report.is_out]
    others = other_kind(left)
    return [candidate for candidate in left if candidate.name not in others]


async def _pause(sitting: Sitting, where: str, question: str, options: list[str]) -> str:
    """Wait for the person where the settings say so; they may patch any step meanwhile."""
    if sitting.kit.settings.council.approve != where:
        return GO_ON
    return await sitting.run.ask(where, "pause", question, options)


def _ask(stage: Stage, act: str, wants: Wants) -> Ask:
    """The instruction of the proposers, or of the synthesizer, for what is wanted."""
    most = stage.sitting.role(Role.PROPOSER if act == "propose" else Role.SYNTHESIZER).max_tokens
    if stage.brief is not None:
        return Ask(instruction(f"{act}_{stage.brief.name}", **stage.brief.blanks), most)
    words = max(WORDS_MIN, min(WORDS_MAX, int(most * WORDS_PER_TOKEN)))
    first, second = stage.context.examples
    form = instruction("change_form", path=next(iter(stage.context.paths), "src/main.py"))
    text = instruction(f"{act}_{wants}", words=str(words), example=first, second=second, format=form)
    return Ask(text, min(most, ANSWER_TOKENS_MAX) if wants == "answer" else most)
