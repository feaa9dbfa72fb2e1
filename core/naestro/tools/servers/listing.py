"""The tools that a server lists: all pages of them, each with its name, and what is left out.

`connection` above asks for it when a server starts and when it says that its tools changed; below stand the protocol's
library, the gate that took out what is broken, and the veil over what the server was given in secret.
"""

from dataclasses import dataclass
from typing import Final

from mcp.client.client import Client
from mcp_types import Tool

from naestro.tools.servers.allowed import Described
from naestro.tools.servers.gate import Gate
from naestro.tools.servers.results import hints_of
from naestro.tools.servers.veil import Veil
from naestro.types import Json

PAGES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of a server at one moment."""

    tools: dict[str, Described]
    lost: dict[str, str]
    """Those that are left out, each with what is wrong."""
    further: int
    """How many there are besides, more than are taken of one server."""


async def list_tools(client: Client, gate: Gate, veil: Veil) -> Listing:
    """All tools by name, page by page, as they are now."""
    gate.begin_list()
    found: dict[str, Described] = {}
    twice: dict[str, str] = {}
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            if tool.name in found:
                twice[tool.name] = "there are two of that name, and the first counts"
            found.setdefault(tool.name, _described(tool, veil))
        cursor = page.next_cursor
        if cursor is None or gate.further:
            break
    lost = {**gate.lost, **twice}
    if cursor is not None:
        lost["and more"] = f"what it has behind {len(found):,} tools is not looked at"
    shown = {veil.text(name): veil.text(reason) for name, reason in lost.items()}
    return Listing(found, shown, gate.further)


def _described(tool: Tool, veil: Veil) -> Described:
    title = tool.title or (tool.annotations.title if tool.annotations else None) or ""
    hints: dict[str, Json] = dict(hints_of(tool.annotations))
    schema = {name: veil.json(value) for name, value in tool.input_schema.items()}
    return Described(tool.name, veil.text(tool.description or ""), schema, veil.text(title), hints)
