"""`review`: faults in the change that is not committed yet, or in what is named."""

from typing import Annotated

import msgspec

from naestro_mcp.options import COUNCIL
from naestro_mcp.results import Outlined
from naestro_mcp.starting import run_command
from naestro_mcp.tool import Call, Reply, Tool


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    target: Annotated[
        str, msgspec.Meta(max_length=4_000, description="path; empty: the uncommitted change")
    ] = ""
    root: str = ""


async def review(call: Call, asked: Arguments) -> Reply:
    """The findings, or how far it is."""
    return await run_command(call, "review", {"text": asked.target})


TOOL = Tool(
    name="review",
    title="Review a change",
    description="Let the council look for faults in the uncommitted change or a file. Takes minutes.",
    toolset=COUNCIL,
    arguments=Arguments,
    reply=Outlined,
    work=review,
    is_open=True,
)
