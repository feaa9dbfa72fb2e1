"""`judge`: the council's verdict on candidates that a person brings.

The flow of the command, top to bottom; `client` above starts it, each stage is a file of `council` below. Nothing is
proposed and nothing merged: the candidates are executed, climb the ladder, and judges decide among what is left.
"""

from functools import partial

from naestro.council.adjudicate import adjudicate
from naestro.council.answers import conclude
from naestro.council.candidates import Exam, examine
from naestro.council.context import retrieve
from naestro.council.prefix import build_prefix
from naestro.council.sitting import Kit, Sitting
from naestro.council.task import GivenCandidate, Task
from naestro.council.verdict import CouncilResult, Proposal
from naestro.errors import InputError
from naestro.runs.attempt import Attempt
from naestro.runs.run import Run, StepSpec
from naestro.types import StepKind


async def judge(run: Run, kit: Kit) -> CouncilResult:
    """The verdict on the task's candidates, and the one that won.

    Raises `InputError` for fewer than two candidates, `NoProposal` when all fail the executed checks, `NoEngine`,
    `ContextTooLong`, and what the journal raises.
    """
    sitting = Sitting.open(run, kit)
    task = Task.of(run.started.task)
    context = await retrieve(sitting, task, task.words)
    proposals = await _take_in(sitting, task.candidates)
    candidates = await examine(sitting, proposals, Exam("either", context.paths))
    prefix = build_prefix(context.task, context.spans)
    verdict = await adjudicate(sitting, prefix, candidates, [])
    return await conclude(sitting, verdict, candidates, [], context.paths)


async def _take_in(sitting: Sitting, given: list[GivenCandidate]) -> dict[str, Proposal]:
    """The given candidates as proposals, each a recorded step of its own; the route names its file."""
    if len(given) < 2:
        raise InputError("A judgement needs at least two candidates.", hint="Name two or more files.")
    proposals: dict[str, Proposal] = {}
    for number, candidate in enumerate(given, 1):
        name = f"propose.{number}"
        spec = StepSpec(name, StepKind.PROPOSE, reads=("retrieve",), route=f"given as {candidate.name}")
        proposals[name] = await sitting.run.step(spec, partial(_as_proposal, candidate), Proposal)
    sitting.ended.extend(proposals)
    return proposals


async def _as_proposal(candidate: GivenCandidate, _: Attempt) -> Proposal:
    return Proposal(text=candidate.text, engine=candidate.name, temperature=0.0, seed=0)
