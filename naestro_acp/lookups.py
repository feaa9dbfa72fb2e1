"""A call of a tool by a role of the council as a tool call of the editor: what was asked, and what came of it.

`projection` above sends it. Requests and results are read leniently from their recorded JSON, as the outputs of steps
are in `steps`.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from acp.helpers import start_tool_call, text_block, tool_content, update_tool_call
from acp.schema import ToolCallProgress, ToolCallStart, ToolKind

from naestro import types
from naestro.types import Json
from naestro_acp.words import cut, raw_json

T = TypeVar("T")

KINDS: Mapping[str, ToolKind] = {
    "search": "search",
    "grep": "search",
    "read_span": "read",
    "outline": "read",
    "list_files": "read",
}
"""The built-in tools; one of a server may do anything."""
ARGUMENT_CHARS_MAX = 60
"""Of the arguments in a title."""


class Asked(msgspec.Struct):
    """What of a request is shown."""

    arguments: dict[str, Json] = {}


class Told(msgspec.Struct):
    """What of a result is shown."""

    text: str = ""
    is_error: bool = False


def begun(tool_call: str, data: types.CallStarted, recorded: bytes) -> ToolCallStart:
    """The tool call that shows the beginning of a call."""
    arguments = _read(recorded, Asked).arguments
    words = ", ".join(str(value) for value in arguments.values())
    shown = words if len(words) <= ARGUMENT_CHARS_MAX else f"{words[:ARGUMENT_CHARS_MAX]}…"
    return start_tool_call(
        tool_call,
        " ".join(f"{data.tool} {shown}".split()),
        kind=KINDS.get(data.tool, "other"),
        status="in_progress",
        raw_input=raw_json(recorded),
    )


def ended(tool_call: str, recorded: bytes) -> ToolCallProgress:
    """What came of it."""
    told = _read(recorded, Told)
    text = cut(told.text.replace("```", "'''"))
    content = [tool_content(text_block(f"```text\n{text}\n```"))] if text else None
    return update_tool_call(tool_call, status="failed" if told.is_error else "completed", content=content)


def broken(tool_call: str, data: types.CallFailed) -> ToolCallProgress:
    """That nothing came of it."""
    message = data.fault.message if data.fault is not None else data.outcome
    return update_tool_call(tool_call, status="failed", raw_output={"message": message})


def _read(recorded: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(recorded, type=form)
    except msgspec.DecodeError:
        return form()
