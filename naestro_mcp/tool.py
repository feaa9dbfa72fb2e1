"""A tool: what a client is told of it, and the function that does its work.

The modules in `tools` make them, `catalogue` lists them, `calling` calls them. Nothing here knows one of them.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mcp.types as wire
import msgspec

from naestro.types import Json
from naestro_mcp.host import Host
from naestro_mcp.options import Options
from naestro_mcp.request import Request
from naestro_mcp.schema import schema_of

ROOT = "root"
"""The argument that chooses among a client's roots."""
CHARS_OF_TOKEN = 4
"""About, for code and English."""


class Lines(msgspec.Struct, omit_defaults=True):
    """A place in the workspace, as far as the list of tools tells of it; a tool that knows more of it adds that."""

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool found: as its struct, and as words for a model. Clients show one of them, so each says all."""

    value: msgspec.Struct
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, ready to be worked on."""

    host: Host
    request: Request
    root: str
    """The root of the workspace; no tool reads or says anything of another one."""
    options: Options
    about: tuple[object, ...]
    """What a cursor is bound to."""
    place: int = 0
    """Where the list goes on, by the caller's cursor."""

    def cursor(self, place: int) -> str:
        """A cursor that goes on at `place`."""
        return self.host.signer.cursor(place, *self.about)

    def fitting(self, texts: Sequence[str]) -> int:
        """How many of `texts`, from the first, fit into one answer; at least one."""
        return max(1, sum(1 for _ in self._fitting(texts)))

    def _fitting(self, texts: Sequence[str]) -> Iterator[None]:
        room = self.options.page_tokens * CHARS_OF_TOKEN
        for text in texts:
            room -= len(text)
            if room < 0:
                return
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool."""

    name: str
    title: str
    description: str
    toolset: str
    """Empty: there whatever the settings say."""
    arguments: type[msgspec.Struct]
    reply: type[msgspec.Struct] | None
    """None: its result is shown as it is."""
    # Each takes its own kind of arguments, which `arguments` names.
    work: Callable[[Call, Any], Awaitable[Reply | wire.CallToolResult | wire.InputRequiredResult]]
    is_reading: bool = False
    """Whether it changes nothing at all."""
    is_destructive: bool = False
    """Whether it may change or end what is there."""
    is_open: bool = False
    """Whether engines take part, which may be elsewhere."""
    needs_workspace: bool = True

    def shown(self, *, has_roots: bool = False) -> wire.Tool:
        """As the list of tools shows it; with `root` to a client that has several."""
        return wire.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema(has_roots=has_roots),
            output_schema=schema_of(self.reply) if self.reply is not None else None,
            annotations=self._annotations(),
        )

    def input_schema(self, *, has_roots: bool) -> dict[str, Json]:
        """What it takes."""
        schema = schema_of(self.arguments)
        properties = cast("dict[str, Json]", schema.get("properties", {}))  # as JSON Schema has it
        kept = {name: value for name, value in properties.items() if has_roots or name != ROOT}
        return schema | {"properties": kept}

    def _annotations(self) -> wire.ToolAnnotations:
        if self.is_reading:  # the other two mean nothing then, as the protocol says
            return wire.ToolAnnotations(read_only_hint=True, open_world_hint=self.is_open)
        return wire.ToolAnnotations(
            read_only_hint=False,
            destructive_hint=self.is_destructive,
            idempotent_hint=False,  # a second call is a second run, a second answer
            open_world_hint=self.is_open,
        )
