"""`repo_map`: what the workspace consists of, the parts first that most of the rest relies on."""

from typing import Annotated

import msgspec

from naestro_mcp.options import READ
from naestro_mcp.tool import Call, Reply, Tool


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    question: Annotated[str, msgspec.Meta(max_length=4_000, description="Its subject")] = ""
    max_tokens: Annotated[int, msgspec.Meta(ge=64, le=20_000)] = 2_048
    root: str = ""


class Shown(msgspec.Struct):
    """What it gives."""

    map: str
    files: int
    files_in_all: int


async def repo_map(call: Call, asked: Arguments) -> Reply:
    """The map, within the tokens that were asked for and those of one answer."""
    budget = min(asked.max_tokens, call.options.page_tokens)
    found = await call.host.client.index.map(call.root, budget_tokens=budget, question=asked.question)
    size = f"{found.files} of {found.files_in_all} files"
    text = f"{found.text}\n\n({'. '.join(filter(None, [size, found.note]))})".lstrip()
    return Reply(Shown(found.text, found.files, found.files_in_all), text)


TOOL = Tool(
    name="repo_map",
    title="Map of the repository",
    description="Overview of the workspace: the files that most rely on, and what they define.",
    toolset=READ,
    arguments=Arguments,
    reply=Shown,
    work=repo_map,
    is_reading=True,
)
