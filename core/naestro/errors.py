"""One tree of errors: what Naestro raises on purpose.

Everything else may import this module; it imports nothing of Naestro. Each class answers one question for its
caller: try again, take another engine, or tell the person (`recovery`)? Each instance carries one clear sentence
and a `hint` of what to do. Foreign exceptions are mapped onto this tree at the edge where they appear.

NaestroError
    InputError
    ConfigError
        FeatureUnavailable
        UntrustedWorkspace
        IsolationError
    WorkspaceError
        OutsideWorkspace
        UnreadableFile
            MissingFile
    PatchError
        PatchMalformed
        PatchEmpty
        PatchConflict
    HalfWritten
    JournalError
        JournalLocked
        JournalCorrupt
        JournalUnwritable
        JournalTooNew
        NotInJournal
        RunStateError
        StaleAttempt
    EngineError
        EngineUnreachable
        EngineTimeout
        EngineOverloaded
        EngineOutOfMemory
        EngineStartFailed
        EngineRefused
        EngineMalformed
        ContextTooLong
    ModelError
        ModelUnknown
        ModelMissing
        DownloadFailed
        ChecksumMismatch
    CouncilError
        NoEngine
        NoProposal
    ToolError
        ToolMisused
        ToolTimeout
        ToolUnavailable
    DaemonError
        DaemonUnreachable
        DaemonStartFailed
        DaemonRefused
    IndexFault
        IndexDamaged
        IndexUnavailable
"""

from enum import StrEnum
from typing import ClassVar


class Recovery(StrEnum):
    """What a caller should do with an error."""

    RETRY = "retry"
    """The same call may succeed a moment later."""
    REROUTE = "reroute"
    """This engine cannot; another one may."""
    TELL = "tell"
    """Only the person can mend it."""


class NaestroError(Exception):
    """The root of everything that Naestro raises on purpose."""

    code: ClassVar[str] = "error"
    recovery: ClassVar[Recovery] = Recovery.TELL
    default_hint: ClassVar[str] = "Run `naestro doctor` to see what is wrong."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep `message`, one sentence on what is wrong, and `hint`, one on what to do."""
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint


class InputError(NaestroError):
    """What the person typed cannot be used: an empty task, an unknown option, a missing target."""

    code = "input"
    default_hint = "Run the command with --help to see what it takes."


class ConfigError(NaestroError):
    """A setting or a flag is wrong."""

    code = "config"
    default_hint = "Run `naestro config show` to see each value and where it came from."


class FeatureUnavailable(ConfigError):
    """A flag asks for a feature that this version does not have."""

    code = "feature_unavailable"
    default_hint = "Unset the flag; the feature comes in a later version."


class UntrustedWorkspace(ConfigError):
    """A workspace's file sets what only a trusted workspace may set."""

    code = "untrusted_workspace"
    default_hint = "Look at the workspace's naestro.toml, then run `naestro trust` in it."


class IsolationError(ConfigError):
    """Isolation mode forbids what was asked."""

    code = "isolated"
    default_hint = "Unset NAESTRO_ISOLATED, or use an engine on this machine."


class WorkspaceError(NaestroError):
    """A file or folder of the workspace cannot be used."""

    code = "workspace"
    default_hint = "Check the path and its permissions."


class OutsideWorkspace(WorkspaceError):
    """A path, its symlinks resolved, lies outside the workspace."""

    code = "outside_workspace"
    default_hint = "Name a file inside the workspace, or start Naestro in the folder that holds it."


class UnreadableFile(WorkspaceError):
    """A file is missing, ignored, secret-looking, binary, too large or not readable."""

    code = "unreadable_file"


class MissingFile(UnreadableFile):
    """No file is at a path that may be used, so that one can be created there."""

    code = "missing_file"

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        """Also keep `path`: relative to the root, symlinks resolved."""
        super().__init__(message, hint=hint)
        self.path = path


class PatchError(NaestroError):
    """A patch cannot be used."""

    code = "patch"
    default_hint = "Run the command again; the files were not changed."


class PatchMalformed(PatchError):
    """The text of a model is not a patch by the strict grammar."""

    code = "patch_malformed"
    recovery = Recovery.RETRY


class PatchEmpty(PatchError):
    """A patch changes nothing, which is no proposal."""

    code = "patch_empty"


class PatchConflict(PatchError):
    """A file is no longer the text that the patch, or its undo, was made for."""

    code = "patch_conflict"
    default_hint = "The file changed since; nothing was written. Run the command again on the file as it is."


class HalfWritten(NaestroError):
    """Writing a patch failed, and so did putting a file back; the run fails, so that resuming it mends the files."""

    code = "half_written"
    default_hint = (
        "Mend the cause, then run `naestro resume RUN`: the journal holds what the files said before."
    )


class JournalError(NaestroError):
    """The journal of runs cannot do what was asked."""

    code = "journal"


class JournalLocked(JournalError):
    """Another process holds the journal; the message names it."""

    code = "journal_locked"
    recovery = Recovery.RETRY
    default_hint = "Wait until it is done, or end that process."


class JournalCorrupt(JournalError):
    """The journal's file is damaged."""

    code = "journal_corrupt"
    default_hint = "Move the file away (it is kept as it is) and start again, or restore a copy."


class JournalUnwritable(JournalError):
    """The journal cannot be written: no permission, a full disk, a read-only file system."""

    code = "journal_unwritable"
    default_hint = (
        "Free space or mend the permissions, then run `naestro resume RUN`; nothing that was shown is lost."
    )


class JournalTooNew(JournalError):
    """The journal was written by a newer version."""

    code = "journal_too_new"
    default_hint = "Use that version of Naestro, or set NAESTRO_HOME to another folder."


class NotInJournal(JournalError):
    """No run, step, interrupt or artifact of that name exists."""

    code = "not_found"
    default_hint = "Run `naestro runs` to list the runs, `naestro trace RUN` for the steps of one."


class RunStateError(JournalError):
    """The run is not in a state that allows this: already finished, not waiting, still running."""

    code = "run_state"
    default_hint = "Run `naestro trace RUN` to see its state."


class StaleAttempt(JournalError):
    """A result came from an attempt that is no longer the current one of the current owner; it was not kept."""

    code = "stale_attempt"


class EngineError(NaestroError):
    """An engine could not answer."""

    code = "engine"
    recovery = Recovery.REROUTE
    default_hint = "Run `naestro doctor` to see which engines answer."


class EngineUnreachable(EngineError):
    """Nothing answers at the engine's address, or the connection broke."""

    code = "engine_unreachable"
    default_hint = "Start the server, or correct base_url in the settings."


class EngineTimeout(EngineError):
    """The engine did not send its first token, or did not finish, in time."""

    code = "engine_timeout"
    default_hint = "Raise timeouts.first_token_s or timeouts.total_s, or take a smaller model."


class EngineOverloaded(EngineError):
    """The engine is busy or still loading."""

    code = "engine_overloaded"
    recovery = Recovery.RETRY
    default_hint = "Wait a moment, or lower CONCURRENCY_MAX."


class EngineOutOfMemory(EngineError):
    """The engine has not enough memory for this model or this request."""

    code = "engine_out_of_memory"
    default_hint = "Take a smaller model, or lower context_tokens or slots."


class EngineStartFailed(EngineError):
    """A local engine's process did not come up; the message names the cause found in its log."""

    code = "engine_start_failed"


class EngineRefused(EngineError):
    """The engine refuses the request: no such model, no permission, not supported, bad schema."""

    code = "engine_refused"
    default_hint = "Check the engine's model name, key and abilities in the settings."


class EngineMalformed(EngineError):
    """The engine's answer is not what its protocol says, or broke off."""

    code = "engine_malformed"
    recovery = Recovery.RETRY


class ContextTooLong(EngineError):
    """The request has more tokens than the engine's context."""

    code = "context_too_long"
    default_hint = "Name fewer or smaller files, or take an engine with a larger context."


class ModelError(NaestroError):
    """A model's file cannot be used."""

    code = "model"
    default_hint = "Run `naestro models list` to see the catalogue and what is on this machine."


class ModelUnknown(ModelError):
    """No model of that name is in the catalogue."""

    code = "model_unknown"


class ModelMissing(ModelError):
    """The model is in the catalogue but not on this machine."""

    code = "model_missing"
    default_hint = "Run `naestro models pull NAME`."


class DownloadFailed(ModelError):
    """No source could give the model's file."""

    code = "download_failed"
    recovery = Recovery.RETRY
    default_hint = "Check the network and run the command again; what was fetched so far is kept."


class ChecksumMismatch(ModelError):
    """What was fetched is not the file that the catalogue names; it was thrown away."""

    code = "checksum_mismatch"
    recovery = Recovery.RETRY


class CouncilError(NaestroError):
    """The council could not come to an answer."""

    code = "council"


class NoEngine(CouncilError):
    """No engine is there for a role."""

    code = "no_engine"
    default_hint = "Run `naestro models pull qwen2.5-coder-0.5b`, or configure an engine in naestro.toml."


class NoProposal(CouncilError):
    """Every proposer failed or proposed nothing usable."""

    code = "no_proposal"
    default_hint = "Run `naestro trace RUN` to see why each proposer was dropped."


class ToolError(NaestroError):
    """A tool that a model called, or the server that has it, gave no result; the model is told, the run goes on."""

    code = "tool"
    default_hint = (
        "Run `naestro tools list` to see each server of tools, and `naestro tools log SERVER` for its words."
    )


class ToolMisused(ToolError):
    """A tool was called by a name or with arguments that it does not have."""

    code = "tool_misused"


class ToolTimeout(ToolError):
    """A tool gave no result in the time that it may take."""

    code = "tool_timeout"
    recovery = Recovery.RETRY


class ToolUnavailable(ToolError):
    """The server of a tool did not start, went away, or does not speak the protocol."""

    code = "tool_unavailable"
    recovery = Recovery.RETRY


class DaemonError(NaestroError):
    """The process that works on all runs of a user cannot do what was asked."""

    code = "daemon"
    default_hint = "Run `naestro daemon status`, and `naestro daemon logs` to see what it says."


class DaemonUnreachable(DaemonError):
    """No daemon answers, or the connection to it broke."""

    code = "daemon_unreachable"
    recovery = Recovery.RETRY
    default_hint = "Run the command again: it starts a daemon; runs go on from their last finished step."


class DaemonStartFailed(DaemonError):
    """A daemon was started and did not come up; the message names the cause."""

    code = "daemon_start_failed"


class DaemonRefused(DaemonError):
    """The daemon lives and refuses: it is another version's, it is ending, or it does not speak the protocol."""

    code = "daemon_refused"
    default_hint = "Run `naestro daemon stop`, then the command again."


class IndexFault(NaestroError):
    """The code index of a workspace cannot do what was asked."""

    code = "index"
    default_hint = "Run `naestro index` to build it anew; until then a search reads the files as they are."


class IndexDamaged(IndexFault):
    """What lies on the disk of an index is not an index, or not a whole one; it is built anew by itself."""

    code = "index_damaged"
    recovery = Recovery.RETRY


class IndexUnavailable(IndexFault):
    """The index cannot be used here and now: no room on the disk, no right to write, a processor without AVX2."""

    code = "index_unavailable"
