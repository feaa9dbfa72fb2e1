"""The tree of errors as the wire shows it: one code for each family, the sentence as the message, the hint as data.

`sdk_gaps` answers with it whatever a handler raises; below is `naestro.errors`. A test walks the tree, so that no new
family is forgotten. Codes: JSON-RPC 2.0, section 5.1, and ACP's `ErrorCode`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from acp.exceptions import RequestError

from naestro import errors
from naestro.types import Json
from naestro_acp.sessions import NoSession

if TYPE_CHECKING:
    from pydantic import ValidationError

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
NOT_FOUND = -32002
CANCELLED = -32800

CODES: Mapping[type[errors.NaestroError], int] = {
    NoSession: NOT_FOUND,
    errors.InputError: INVALID_PARAMS,
    errors.ConfigError: INTERNAL,
    errors.WorkspaceError: INVALID_PARAMS,
    errors.MissingFile: NOT_FOUND,
    errors.PatchError: INTERNAL,
    errors.HalfWritten: INTERNAL,
    errors.JournalError: INTERNAL,
    errors.NotInJournal: NOT_FOUND,
    errors.RunStateError: INVALID_REQUEST,
    errors.EngineError: INTERNAL,
    errors.ModelError: INTERNAL,
    errors.ModelUnknown: NOT_FOUND,
    errors.CouncilError: INTERNAL,
    errors.DaemonError: INTERNAL,
    errors.IndexFault: INTERNAL,
    errors.ToolError: INTERNAL,
}
"""The code of a class, or of the nearest one above it."""


def code_of(kind: type[errors.NaestroError]) -> int | None:
    """The wire's code for a class of the tree; None where its family is not in the table."""
    return next((CODES[parent] for parent in kind.__mro__ if parent in CODES), None)


def wire_error(error: errors.NaestroError) -> RequestError:
    """`error` for the wire: the sentence, and `data` with its code, its hint and what to do about it."""
    data: dict[str, Json] = {"type": error.code, "recovery": error.recovery.value}
    if error.hint:
        data["hint"] = error.hint
    return RequestError(code_of(type(error)) or INTERNAL, error.message, data)


def wrong_parameters(error: "ValidationError") -> RequestError:
    """Parameters that do not fit: what is wrong and where, never what was sent, which may be secret."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{_path(cast('tuple[object, ...]', fault['loc']))}: {fault['msg']}" for fault in faults[:5]]
    return RequestError(INVALID_PARAMS, f"The parameters do not fit: {'; '.join(lines)}.")


def _path(location: tuple[object, ...]) -> str:
    return ".".join(str(part) for part in location) or "params"
