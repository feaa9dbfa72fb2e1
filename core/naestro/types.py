"""Values that every layer shares, and the events of a run as every door shows them.

Nothing of Naestro lies below but `errors`. An event is one envelope (`Event`) whose `type` names the struct in
`data`; `EVENT_TYPES` is the closed set, versioned by `EVENT_SCHEMA`. This module knows no storage and no engine.
"""

from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias

import msgspec

EVENT_SCHEMA = 1
"""Version of the set of events; written into each `run.started`."""

Json: TypeAlias = object
"""What JSON can say. `object`, since msgspec takes no recursive alias: convert before use (`msgspec.convert`)."""

Digest: TypeAlias = str
"""The SHA-256 of an artifact, 64 lowercase hexadecimal digits."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the immutable values below; unknown fields are refused when decoding."""


class Origin(StrEnum):
    """Which door a run came through."""

    ACP = "acp"
    MCP = "mcp"
    LSP = "lsp"
    CLI = "cli"
    HTTP = "http"


class RunStatus(StrEnum):
    """Where a run stands; derived from its events."""

    RUNNING = "running"
    """A live owner works on it."""
    WAITING = "waiting"
    """An interrupt waits for a person."""
    STOPPED = "stopped"
    """Its owner went away, by shutdown or crash; `resume` goes on."""
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless a person patches, re-runs or resumes."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED)


class StepKind(StrEnum):
    """What a step does."""

    RETRIEVE = "retrieve"
    PROPOSE = "propose"
    CRITIQUE = "critique"
    SYNTHESIZE = "synthesize"
    EXECUTE = "execute"
    ADJUDICATE = "adjudicate"
    APPLY = "apply"


class Usage(Value, frozen=True):
    """Tokens and cost of one call, a step or a run."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """The part of `prompt_tokens` that the engine's prefix cache served."""
    cost_usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """The sum of both."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )


class Fault(Value, frozen=True):
    """An error as an event tells it."""

    code: str
    message: str
    hint: str = ""


class EventData(Value, frozen=True):
    """Base of what an event says; `TYPE` is the event's type."""

    TYPE: ClassVar[str]


class RunStarted(EventData, frozen=True):
    """A run begins."""

    TYPE = "run.started"
    command: str
    """`orchestrate`, `explain`, `judge`."""
    task: dict[str, Json]
    """The command's own arguments, as JSON."""
    workspace: str
    """Absolute path of the workspace's root."""
    origin: Origin
    settings: dict[str, Json]
    """The settings that the run was started with, secrets left out."""
    seed: int
    """The run's seed; every other seed derives from it."""
    schema: int = EVENT_SCHEMA
    forked_from: str | None = None
    replay_of: str | None = None


class RunResumed(EventData, frozen=True):
    """A new owner goes on with a run."""

    TYPE = "run.resumed"
    fence: int
    """The owner's number; a result of a smaller one is refused."""
    unknown_calls: list[str] = []
    """Calls that were open when the last owner went away, now closed as `unknown`."""


class RunStopped(EventData, frozen=True):
    """The owner shut down and parked the run; not a cancellation."""

    TYPE = "run.stopped"
    reason: str
    resumes: bool = False
    """Whether the next daemon goes on with it by itself: it was put aside, not by anybody's wish."""


class RunFinished(EventData, frozen=True):
    """A run came to its result."""

    TYPE = "run.finished"
    result: Digest
    """Artifact: the command's result as JSON."""
    usage: Usage
    duration_ms: int


class RunFailed(EventData, frozen=True):
    """A run could not come to a result."""

    TYPE = "run.failed"
    fault: Fault


class RunCancelled(EventData, frozen=True):
    """A person stopped a run."""

    TYPE = "run.cancelled"
    reason: str


class StepStarted(EventData, frozen=True):
    """An attempt at a step's current revision begins."""

    TYPE = "step.started"
    kind: StepKind
    reads: dict[str, int]
    """The steps whose outputs it reads, each with the revision that it saw."""
    engine: str | None = None
    """The engine routed to, where the step has one."""
    route: str = ""
    """Why that engine."""


class StepInput(EventData, frozen=True):
    """What a step was given: a prompt, a plan; what a person may patch before it runs again."""

    TYPE = "step.input"
    name: str
    """`prompt` or another name, unique within the step."""
    value: Digest
    is_patched: bool = False


class StepFinished(EventData, frozen=True):
    """A step's revision is complete; written in one transaction with its output."""

    TYPE = "step.finished"
    output: Digest
    """Artifact: the step's output as JSON."""
    usage: Usage
    duration_ms: int
    copied_from: str | None = None
    """`run/step/revision` when a fork or a patch gave the output."""


class StepFailed(EventData, frozen=True):
    """An attempt at a step failed."""

    TYPE = "step.failed"
    fault: Fault
    is_dropped: bool = False
    """Whether the run goes on without this step."""


class StepPatched(EventData, frozen=True):
    """A person changed a step's prompt or output; opens a new revision of it."""

    TYPE = "step.patched"
    target: str
    """`output`, or the name of an input (`prompt`)."""
    before: Digest
    after: Digest
    diff: Digest
    """Artifact: a unified diff of both."""
    by: str


class StepReopened(EventData, frozen=True):
    """A step gets a new revision because one that it reads got one, or a person asked."""

    TYPE = "step.reopened"
    cause: str
    """The step that was patched or re-run."""


class CallStarted(EventData, frozen=True):
    """A call to the outside begins."""

    TYPE = "call.started"
    call: str
    """Unique within the run: `step/revision/attempt/ordinal`."""
    engine: str
    """Who answers; with `tool`, who asked for it."""
    request: Digest
    """Artifact: the request as JSON (messages, seed, temperature, schema; or a tool's name and arguments)."""
    is_idempotent: bool = True
    tool: str = ""
    """The tool that is called; empty for a call of an engine."""


class CallFinished(EventData, frozen=True):
    """A call came back."""

    TYPE = "call.finished"
    call: str
    response: Digest
    """Artifact: the response as JSON."""
    usage: Usage
    first_token_ms: int
    duration_ms: int
    copied_from: str | None = None
    """The earlier call whose recorded response was taken instead of making this one."""


class CallFailed(EventData, frozen=True):
    """A call has no result."""

    TYPE = "call.failed"
    call: str
    outcome: Literal["failed", "cancelled", "unknown"]
    fault: Fault | None = None


class Tokens(EventData, frozen=True):
    """About 50 ms of generated text."""

    TYPE = "tokens"
    call: str
    text: str


class InterruptOpened(EventData, frozen=True):
    """The run waits for a person."""

    TYPE = "interrupt.opened"
    interrupt: str
    """Unique within the run."""
    kind: Literal["approve", "patch", "override", "answer", "pause"]
    question: str
    options: list[str]
    payload: Digest | None = None
    """Artifact: what to look at, a diff for instance."""


class InterruptAnswered(EventData, frozen=True):
    """A person answered."""

    TYPE = "interrupt.answered"
    interrupt: str
    answer: str
    """One of the options, or free text where there are none."""
    by: str


class Notice(EventData, frozen=True):
    """Something the person should know: a proposer dropped, a citation removed."""

    TYPE = "notice"
    text: str
    level: Literal["info", "warning"] = "info"


class PatchApplied(EventData, frozen=True):
    """Files of the workspace were changed, after a yes."""

    TYPE = "patch.applied"
    change: Digest
    """Artifact: what undo needs (paths, hashes, the bytes before)."""
    paths: list[str]


class PatchUndone(EventData, frozen=True):
    """An applied patch was taken back."""

    TYPE = "patch.undone"
    paths: list[str]


EVENT_TYPES: dict[str, type[EventData]] = {
    data.TYPE: data
    for data in (
        RunStarted,
        RunResumed,
        RunStopped,
        RunFinished,
        RunFailed,
        RunCancelled,
        StepStarted,
        StepInput,
        StepFinished,
        StepFailed,
        StepPatched,
        StepReopened,
        CallStarted,
        CallFinished,
        CallFailed,
        Tokens,
        InterruptOpened,
        InterruptAnswered,
        Notice,
        PatchApplied,
        PatchUndone,
    )
}
"""The closed set: type to struct."""


class Event(Value, frozen=True, kw_only=True):
    """One immutable fact about a run, numbered from 1 without gaps."""

    run: str
    seq: int
    time: str
    """UTC, RFC 3339 with milliseconds: `2026-01-31T12:00:00.123Z`."""
    type: str
    step: str | None = None
    revision: int | None = None
    attempt: int | None = None
    data: EventData


class Delta(Value, frozen=True):
    """Generated text as it arrives, before it is journalled; carries no number."""

    run: str
    step: str
    call: str
    text: str


class RunInfo(Value, frozen=True):
    """One line on a run, derived from its events."""

    id: str
    command: str
    task: dict[str, Json]
    workspace: str
    origin: Origin
    status: RunStatus
    started: str
    """UTC, RFC 3339."""
    updated: str
    last_seq: int
    usage: Usage
    fault: Fault | None = None
    forked_from: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    run: str
    seq: int
    time: str
    type: str
    data: msgspec.Raw
    step: str | None = None
    revision: int | None = None
    attempt: int | None = None


_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(_Envelope)
_decoders = {name: msgspec.json.Decoder(data) for name, data in EVENT_TYPES.items()}


def encode(value: object) -> bytes:
    """`value` (a struct, or plain JSON data) as one line of JSON, without a newline."""
    return _encoder.encode(value)


def decode_data(type_name: str, raw: bytes) -> EventData:
    """The `data` of an event of `type_name`; raises `msgspec.ValidationError` or `KeyError` when it is none."""
    return _decoders[type_name].decode(raw)


def decode_event(line: bytes) -> Event:
    """One event from a line of JSON; raises `msgspec.DecodeError` or `KeyError` when it is none."""
    envelope = _envelopes.decode(line)
    return Event(
        run=envelope.run,
        seq=envelope.seq,
        time=envelope.time,
        type=envelope.type,
        step=envelope.step,
        revision=envelope.revision,
        attempt=envelope.attempt,
        data=decode_data(envelope.type, bytes(envelope.data)),
    )
