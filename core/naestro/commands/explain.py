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
    context = await retrieve(sitting, task, _question(task), must_exist=True)
    return await deliberate(sitting, context, "answer")


def _question(task: Task) -> str:
    """The target as a task for the roles."""
    if len(task.words.split()) >= QUESTION_WORDS:
        return task.words
    return f"Explain {task.words}: what it is for, how it works, and which parts matter."
