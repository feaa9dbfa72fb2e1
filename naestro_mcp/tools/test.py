"""`test`: new tests for a part of the code, from what it should do."""

from typing import Annotated

import msgspec

from naestro_mcp.options import COUNCIL
from naestro_mcp.results import Outlined
from naestro_mcp.starting import run_command
from naestro_mcp.tool import Call, Reply, Tool


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    target: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=4_000, description="path, path:10-40, name or sentence"),
    ]
    root: str = ""


async def test(call: Call, asked: Arguments) -> Reply:
    """The tests and how they went, or how far it is."""
    return await run_command(call, "test", {"text": asked.target})


TOOL = Tool(
    name="test",
    title="Write tests",
    description=(
        "Let the council write tests for code from its specification; written and run only after the person's yes. "
        "Takes minutes."
    ),
    toolset=COUNCIL,
    arguments=Arguments,
    reply=Outlined,
    work=test,
    is_open=True,
)
