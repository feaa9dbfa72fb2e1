"""All that the server offers, in the order in which a client sees it: the one list that a new tool is added to.

`plugin` above serves it; a test may serve another one by the same `server`.
"""

from dataclasses import dataclass, field

from naestro_mcp.prompts import PROMPTS, Prompt
from naestro_mcp.resource import ResourceKind
from naestro_mcp.resources import RESOURCES
from naestro_mcp.tool import Tool
from naestro_mcp.tools import (
    apply_patch,
    ask_council,
    read_code,
    repo_map,
    respond,
    review,
    runs,
    search_code,
    test,
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server offers."""

    tools: list[Tool] = field(default_factory=list[Tool])
    resources: list[ResourceKind] = field(default_factory=list[ResourceKind])
    prompts: list[Prompt] = field(default_factory=list[Prompt])


CATALOGUE = Catalogue(
    tools=[
        search_code.TOOL,
        read_code.TOOL,
        repo_map.TOOL,
        runs.TOOL,
        ask_council.TOOL,
        test.TOOL,
        review.TOOL,
        respond.TOOL,
        apply_patch.TOOL,
    ],
    resources=RESOURCES,
    prompts=PROMPTS,
)
