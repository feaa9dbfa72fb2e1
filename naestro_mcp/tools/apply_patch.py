"""`apply_patch`: write the change of a run that waits for a yes. There only where the settings allow it."""

from typing import Annotated

import msgspec

from naestro.errors import RunStateError
from naestro_mcp.following import BY, Following
from naestro_mcp.options import APPLY
from naestro_mcp.results import YES, Outlined, is_writing, open_questions, own_run
from naestro_mcp.tool import Call, Reply, Tool


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    run: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    root: str = ""


async def apply_patch(call: Call, asked: Arguments) -> Reply:
    """What the run comes to."""
    run = (await own_run(call, asked.run)).id
    writing = [one for one in open_questions(await call.host.client.history(run)) if is_writing(one)]
    if not writing:
        raise RunStateError(
            f"The run {run} has no change that waits for a yes.", hint="The tool runs shows its state."
        )
    await call.host.client.respond(run, writing[-1].interrupt, YES, by=BY)
    return await Following(call, run).to_answer()


TOOL = Tool(
    name="apply_patch",
    title="Apply a run's change",
    description="Write the change that a run proposes into the workspace. `naestro undo RUN` takes it back.",
    toolset=APPLY,
    arguments=Arguments,
    reply=Outlined,
    work=apply_patch,
    is_destructive=True,
)
