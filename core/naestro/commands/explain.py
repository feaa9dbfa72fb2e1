"""`explain`: what a file, a range of lines, a name or a question of the code base is about. Never a change.

The flow of the command, top to bottom; `client` above starts it, each stage is a file of `council` below.
"""

from naestro.council.context import retrieve
from naestro.council.deliberate import deliberate
from naestro.council.sitting import Kit, Sitting
from naestro.council.task import Task
from naestro.council.verdict import CouncilResult
from naestro.runs.run import Run

QUESTION_WORDS = 4
"""A target of so many words is a question or a sentence, and is asked as it is."""


async def explain(run: Run, kit: Kit) -> CouncilResult:
    """The council on what its target does.

    Raises `InputError` for an empty target, `WorkspaceError` for a named file that is not there or not read,
    `NoProposal`, `NoEngine`, `ContextTooLong`, and what the journal raises.
    """
    sitting = Sitting.open(run, kit)
    task = Task.of(run.started.task)
    is_target = len(task.words.split()) < QUESTION_WORDS
    context = await retrieve(sitting, task, _question(task, is_target), must_exist=is_target)
    return await deliberate(sitting, context, "answer")


def _question(task: Task, is_target: bool) -> str:
    """The task for the roles."""
    return (
        f"Explain {task.words}: what it is for, how it works, and which parts matter."
        if is_target
        else task.words
    )
