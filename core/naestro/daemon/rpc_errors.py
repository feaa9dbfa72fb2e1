"""Naestro's errors as JSON-RPC errors: a number for each class, and the object that goes over the wire.

`rpc` and `http` above answer with them; the caller's side (`naestro.client.http`) makes the same class again by its
name in `data.type`. The numbers are a promise: a class keeps its own, a new one takes the next. Numbers of the
standard's own errors (-32700 to -32600) are in `rpc`.
"""

from naestro import errors
from naestro.errors import NaestroError
from naestro.types import Value

CODES: dict[type[NaestroError], int] = {
    errors.NaestroError: -32000,
    errors.InputError: -32001,
    errors.ConfigError: -32002,
    errors.FeatureUnavailable: -32003,
    errors.UntrustedWorkspace: -32004,
    errors.IsolationError: -32005,
    errors.WorkspaceError: -32006,
    errors.OutsideWorkspace: -32007,
    errors.UnreadableFile: -32008,
    errors.MissingFile: -32009,
    errors.PatchError: -32010,
    errors.PatchMalformed: -32011,
    errors.PatchEmpty: -32012,
    errors.PatchConflict: -32013,
    errors.HalfWritten: -32014,
    errors.JournalError: -32015,
    errors.JournalLocked: -32016,
    errors.JournalCorrupt: -32017,
    errors.JournalUnwritable: -32018,
    errors.JournalTooNew: -32019,
    errors.NotInJournal: -32020,
    errors.RunStateError: -32021,
    errors.StaleAttempt: -32022,
    errors.EngineError: -32023,
    errors.EngineUnreachable: -32024,
    errors.EngineTimeout: -32025,
    errors.EngineOverloaded: -32026,
    errors.EngineOutOfMemory: -32027,
    errors.EngineStartFailed: -32028,
    errors.EngineRefused: -32029,
    errors.EngineMalformed: -32030,
    errors.ContextTooLong: -32031,
    errors.ModelError: -32032,
    errors.ModelUnknown: -32033,
    errors.ModelMissing: -32034,
    errors.DownloadFailed: -32035,
    errors.ChecksumMismatch: -32036,
    errors.CouncilError: -32037,
    errors.NoEngine: -32038,
    errors.NoProposal: -32039,
    errors.DaemonError: -32040,
    errors.DaemonUnreachable: -32041,
    errors.DaemonStartFailed: -32042,
    errors.DaemonRefused: -32043,
    errors.IndexFault: -32044,
    errors.IndexDamaged: -32045,
    errors.IndexUnavailable: -32046,
    errors.ToolError: -32047,
    errors.ToolMisused: -32048,
    errors.ToolTimeout: -32049,
    errors.ToolUnavailable: -32050,
}
"""The number of each class, within the range that JSON-RPC leaves to servers (-32099 to -32000)."""


class ErrorData(Value, frozen=True):
    """What an error says besides its number and sentence."""

    type: str
    """The class in `naestro.errors`."""
    code: str
    """The error's own name, as the journal and the exit codes know it: `run_state`."""
    message: str
    """One sentence on what is wrong."""
    hint: str
    """One sentence on what to do."""


class ErrorBody(Value, frozen=True):
    """The `error` of a JSON-RPC response; `GET` answers with the same object."""

    code: int
    message: str
    data: ErrorData


def error_body(error: NaestroError) -> ErrorBody:
    """What goes over the wire; a subclass from elsewhere goes as the nearest class that has a number."""
    kind = next(kind for kind in type(error).__mro__ if kind in CODES)
    data = ErrorData(kind.__name__, error.code, error.message, error.hint)
    return ErrorBody(CODES[kind], error.message, data)
