"""The tree of errors as the protocol shows it: a tool's as its result, in words that say all; others by code.

`server` and `calling` above answer with it; below is `naestro.errors`. Some clients show a model nothing of an error
but its text, so that holds the sentence, the hint and the kind.
"""

from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent

from naestro import errors

NOT_FOUND = -32002
"""MCP up to 2025-11-25, "Resources", "Error Handling"; 2026-07-28 takes `INVALID_PARAMS`."""
CALLERS = (
    errors.InputError,
    errors.WorkspaceError,
    errors.NotInJournal,
    errors.RunStateError,
    errors.ModelUnknown,
)
"""Families in which the caller asked for what cannot be."""


def told(error: errors.NaestroError) -> str:
    """All that there is to say of `error`."""
    return " ".join(filter(None, [error.message, error.hint, f"[{error.code}]"]))


def tool_error(text: str) -> CallToolResult:
    """A tool's failure, which its caller can read and mend."""
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def wire_error(error: errors.NaestroError) -> MCPError:
    """`error` as the answer to a request that calls no tool."""
    code = INVALID_PARAMS if isinstance(error, CALLERS) else INTERNAL_ERROR
    return MCPError(code=code, message=error.message, data={"type": error.code, "hint": error.hint})
