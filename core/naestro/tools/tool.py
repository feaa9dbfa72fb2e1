"""What a tool is: a name and a schema that a model reads, and a function that gives a text.

`builtin` and `mcp_tool` beside it implement it; the council above calls it, and knows nothing of where it comes from.
Requests and results are values, since the journal keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from naestro.types import Json, Value

RESULT_CHARS_MAX = 48_000
"""Of one result as a tool gives it; a model is shown far less (`tools.result_tokens`)."""


class ToolSpec(Value, frozen=True):
    """A tool as a model sees it."""

    name: str
    """1 to 64 letters, digits, `_` and `-`: what every engine takes."""
    description: str
    parameters: dict[str, Json]
    """JSON schema of an object."""
    is_idempotent: bool = True
    """Whether calling it again changes nothing: after a crash such a call is made again, another one is not."""

    @property
    def wire(self) -> dict[str, Json]:
        """It in the form of the OpenAI API."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


class ToolRequest(Value, frozen=True):
    """A call of a tool, as the journal keeps it."""

    tool: str
    arguments: dict[str, Json]
    is_withheld: bool = False
    """Whether it is not made again after a crash, since it may have taken effect: its result says just that."""


class ToolResult(Value, frozen=True):
    """What came of a call, as a model is shown it and the journal keeps it."""

    text: str
    is_error: bool = False
    whole_chars: int = 0
    """Characters of the whole result, where `text` is cut; else 0."""


class Tool(Protocol):
    """Something that a model may call."""

    @property
    def spec(self) -> ToolSpec:
        """What a model is told of it."""
        ...

    async def call(self, arguments: Mapping[str, Json]) -> ToolResult:
        """What it gives. Raises a `NaestroError` where it gives nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Offered:
    """The tools that there are for a run, and what is missing."""

    tools: tuple[Tool, ...]
    troubles: tuple[str, ...] = ()
    """One sentence for each server or tool that is left out and should not be."""
    by_name: Mapping[str, Tool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Know the tools by their names."""
        object.__setattr__(self, "by_name", {tool.spec.name: tool for tool in self.tools})


class Tools(Protocol):
    """Where a run's tools come from."""

    async def offered(self) -> Offered:
        """The tools, the same at each call within a run; servers are started for it."""
        ...


@dataclass(frozen=True, slots=True)
class PlainTools:
    """The tools of a run that has no servers: those of `own`, and what is to be told."""

    own: Tools | None
    troubles: tuple[str, ...] = ()

    async def offered(self) -> Offered:
        """See `Tools`."""
        tools = (await self.own.offered()).tools if self.own is not None else ()
        return Offered(tools, self.troubles)


def cut_result(text: str, max_chars: int) -> tuple[str, int]:
    """`text` in at most about `max_chars`, and its whole length where it was cut; a last line says so then."""
    if len(text) <= max_chars:
        return text, 0
    kept = text[:max_chars]
    line_end = kept.rfind("\n")
    if line_end > max_chars // 2:
        kept = kept[:line_end]
    return f"{kept}\n[cut: {len(kept):,} of {len(text):,} characters]", len(text)
