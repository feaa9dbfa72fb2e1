"""What a history is made of: the records that `history` folds events into.

The trace, the command line, fork and replay read these; only `history` writes them, so treat them as read-only.
Every record encodes to JSON as it is. They know no storage: digests stay digests.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

import msgspec

from naestro.types import Digest, Fault, StepKind, Usage

INTERRUPTED_CALLS = ("cancelled", "unknown")


class StepState(StrEnum):
    """Where a revision of a step, or one attempt at it, stands."""

    OPEN = "open"
    """Not tried yet: the revision was opened by a patch or a re-run."""
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """The last attempt failed; another may follow."""
    DROPPED = "dropped"
    """Failed, and the run goes on without it."""
    INTERRUPTED = "interrupted"
    """Cancelled, stopped or overtaken before it had a result."""


class CallRecord(msgspec.Struct):
    """One call to the outside."""

    call: str
    """`step/revision/attempt/ordinal`."""
    ordinal: int
    engine: str
    request: Digest
    is_idempotent: bool
    started: str
    state: Literal["open", "finished", "failed", "cancelled", "unknown"] = "open"
    ended: str | None = None
    response: Digest | None = None
    usage: Usage = Usage()
    first_token_ms: int | None = None
    duration_ms: int | None = None
    copied_from: str | None = None
    """The earlier call whose response was taken."""
    fault: Fault | None = None
    text: str = ""
    """What was journalled of the generated text, also of a call that broke off."""
    tool: str = ""
    """The tool that was called, because `engine` asked for it; empty for a call of an engine."""

    @property
    def callee(self) -> str:
        """Who was called, in words."""
        return f"the tool {self.tool}, asked for by {self.engine}" if self.tool else self.engine

    @property
    def is_unsettled(self) -> bool:
        """Whether it must not be made again by itself: it may have taken effect, and that cannot be repeated."""
        return not self.is_idempotent and self.state in INTERRUPTED_CALLS


class AttemptRecord(msgspec.Struct):
    """One try at a revision."""

    attempt: int
    started: str
    engine: str | None = None
    route: str = ""
    state: StepState = StepState.RUNNING
    ended: str | None = None
    fault: Fault | None = None
    calls: list[CallRecord] = []


class InputRecord(msgspec.Struct):
    """What a step was given."""

    name: str
    value: Digest
    is_patched: bool = False


class PatchRecord(msgspec.Struct):
    """What a person changed to open a revision."""

    target: str
    """`output`, or the name of an input."""
    before: Digest
    after: Digest
    diff: Digest
    by: str
    time: str


class RevisionRecord(msgspec.Struct):
    """One revision of a step, with its attempts."""

    revision: int
    state: StepState = StepState.OPEN
    cause: str | None = None
    """The step whose patch or re-run opened it; None for the first."""
    patch: PatchRecord | None = None
    reads: dict[str, int] = {}
    """The steps whose outputs it reads, each with the revision that its last attempt saw."""
    inputs: dict[str, InputRecord] = {}
    attempts: list[AttemptRecord] = []
    output: Digest | None = None
    copied_from: str | None = None
    """`run/step/revision` when a fork or a patch gave the output."""
    usage: Usage = Usage()
    started: str | None = None
    finished: str | None = None
    duration_ms: int | None = None
    """Of the attempt that finished it."""
    fault: Fault | None = None

    @property
    def calls(self) -> list[CallRecord]:
        """The calls of all attempts, in the order in which they began."""
        return [call for attempt in self.attempts for call in attempt.calls]

    @property
    def is_given(self) -> bool:
        """Whether a person gave its output."""
        return self.patch is not None and self.patch.target == "output"


class StepRecord(msgspec.Struct):
    """One step, all its revisions, oldest first."""

    name: str
    kind: StepKind | None = None
    revisions: list[RevisionRecord] = []

    @property
    def last(self) -> RevisionRecord:
        """The current revision."""
        return self.revisions[-1]

    @property
    def revision(self) -> int:
        """The number of the current revision, from 1."""
        return self.last.revision

    @property
    def state(self) -> StepState:
        """Where the current revision stands."""
        return self.last.state

    @property
    def engine(self) -> str | None:
        """The engine of the newest attempt of any revision."""
        return next((attempt.engine for attempt in self._newest_first()), None)

    @property
    def route(self) -> str:
        """Why that engine."""
        return next((attempt.route for attempt in self._newest_first()), "")

    @property
    def reads(self) -> dict[str, int]:
        """What it reads, by the newest revision that said so: a revision not tried yet has said nothing."""
        return next((one.reads for one in reversed(self.revisions) if one.attempts), self.revisions[0].reads)

    @property
    def usage(self) -> Usage:
        """Tokens and cost of every call of every revision; copied responses are not counted again."""
        return sum((spent(call) for one in self.revisions for call in one.calls), Usage())

    def _newest_first(self) -> Iterator[AttemptRecord]:
        return (attempt for one in reversed(self.revisions) for attempt in reversed(one.attempts))


class InterruptRecord(msgspec.Struct):
    """A point where the run waits, or waited, for a person."""

    interrupt: str
    kind: Literal["approve", "patch", "override", "answer", "pause"]
    question: str
    options: list[str]
    payload: Digest | None
    step: str | None
    revision: int | None
    opened: str
    answer: str | None = None
    by: str | None = None
    answered: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still waits."""
        return self.answer is None


class NoticeRecord(msgspec.Struct):
    """Something that the person should know."""

    text: str
    level: Literal["info", "warning"]
    step: str | None
    time: str


class ChangeRecord(msgspec.Struct):
    """A patch that was applied to the workspace."""

    change: Digest
    paths: list[str]
    time: str
    undone: str | None = None
    """When it was taken back."""


def spent(call: CallRecord) -> Usage:
    """What a call itself cost: nothing when its response was copied."""
    return call.usage if call.copied_from is None else Usage()
