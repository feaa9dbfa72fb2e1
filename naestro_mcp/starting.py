"""Starting a command for a call, once however often the call comes round, and following it to an answer.

`ask_council`, `test` and `review` do nothing else; below stand the client and `following`.
"""

from naestro.client.api import Command
from naestro.types import Json, Origin
from naestro_mcp.following import Following
from naestro_mcp.tool import Call, Reply

RUN = "run"
"""Under which the run stands in the state of a call that asked the person something."""


async def run_command(call: Call, name: str, task: dict[str, Json]) -> Reply:
    """What the command `name` comes to on `task`. Raises `InputNeeded`, and what the client raises."""
    run = call.request.state.get(RUN)
    if not isinstance(run, str):
        command = Command(name=name, task=task, workspace=call.root, origin=Origin.MCP)
        run = await call.host.client.start(command)
    return await Following(call, run).to_answer()
