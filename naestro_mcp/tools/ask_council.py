"""`ask_council`: a question about the code, or a change of it, for several models that check one another."""

from typing import Annotated, Literal

import msgspec

from naestro_mcp.options import COUNCIL
from naestro_mcp.results import Outlined
from naestro_mcp.starting import run_command
from naestro_mcp.tool import Call, Reply, Tool


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    task: Annotated[str, msgspec.Meta(min_length=1, max_length=32_000)]
    mode: Annotated[
        Literal["explain", "orchestrate"],
        msgspec.Meta(description="orchestrate may propose a diff"),
    ] = "explain"
    files: Annotated[list[str], msgspec.Meta(max_length=50)] = []
    root: str = ""


async def ask_council(call: Call, asked: Arguments) -> Reply:
    """The council's answer, or how far it is."""
    return await run_command(call, asked.mode, {"text": asked.task, "files": asked.files})


TOOL = Tool(
    name="ask_council",
    title="Ask the council",
    description=(
        "Let several models answer a question about the code, or make a change, and check one another. Takes "
        "minutes. A change is written only after the person's yes."
    ),
    toolset=COUNCIL,
    arguments=Arguments,
    reply=Outlined,
    work=ask_council,
    is_destructive=True,
    is_open=True,
)
