"""Parameters that do not fit, in a sentence: the SDK says only that they do not.

`server` above puts it around every request. What tools take is no concern of it: `arguments` says that.
"""

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from pydantic import ValidationError

from naestro_mcp.request import Context

UNSAID = "Invalid request parameters"
"""All that the SDK says, also of a request that comes before `initialize`."""
FIELD_CHARS_MAX = 100


async def in_words(ctx: Context, call_next: CallNext) -> HandlerResult:
    """The answer of what lies behind it. Raises `MCPError`."""
    try:
        return await call_next(ctx)
    except ValidationError as error:
        raise MCPError(code=INVALID_PARAMS, message=_told(ctx.method, error)) from error
    except MCPError as error:
        if error.error.message != UNSAID:
            raise
        said = f"{ctx.method} comes before initialize, which opens a connection up to 2025-11-25."
        raise MCPError(code=error.error.code, message=said) from error


def _told(method: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"]))[:FIELD_CHARS_MAX] or "the whole"
    return f"The parameters of {method} do not fit: {field}: {first['msg']}."
