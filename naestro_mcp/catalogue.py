"""All that the server offers, in the order in which a client sees it: the one list that a new tool is added to.

`plugin` above serves it; a test may serve another one by the same `server`.
"""

from dataclasses import dataclass, field

from naestro_mcp.tool import Tool
from naestro_mcp.tools import search_code


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server offers."""

    tools: list[Tool] = field(default_factory=list[Tool])


CATALOGUE = Catalogue(tools=[search_code.TOOL])
