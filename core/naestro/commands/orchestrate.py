"""`orchestrate`: a task goes in, the council's answer or an applied change comes out.

The flow of the command, top to bottom; `client` above starts it, each stage is a file of `council` below.
"""

from naestro.council.apply import apply_on_yes
from naestro.council.context import retrieve
from naestro.council.deliberate import deliberate
from naestro.council.sitting import Kit, Sitting
from naestro.council.task import Task
from naestro.council.verdict import CouncilResult
from naestro.runs.run import Run


async def orchestrate(run: Run, kit: Kit) -> CouncilResult:
    """The council on a task, which is a question or asks for a change.

    Raises `InputError` for an empty task, `NoProposal`, `NoEngine`, `ContextTooLong`, and what the journal raises.
    """
    sitting = Sitting.open(run, kit)
    task = Task.of(run.started.task)
    context = await retrieve(sitting, task, task.words)
    result = await deliberate(sitting, context, task.wants)
    return await apply_on_yes(sitting, result)
