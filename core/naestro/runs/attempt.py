"""One try at a step: what it is given, the calls that it makes, and the text that comes back.

A flow's step gets an `Attempt` and makes its calls through it; the council's `generate` is the one place that joins
a `Call` and an engine. Events go through the attempt's outbox. This module knows no engine and no prompt: requests
and responses are values that encode to JSON.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from naestro.errors import RunStateError
from naestro.runs.drafts import digest_of
from naestro.runs.faults import fault_of, known_error
from naestro.runs.journal import Journal
from naestro.runs.outbox import Outbox
from naestro.runs.records import AttemptRecord, CallRecord, InputRecord, StepState
from naestro.types import (
    CallFailed,
    CallFinished,
    CallStarted,
    Delta,
    Notice,
    StepInput,
    Tokens,
    Usage,
    Value,
    encode,
)


class Call:
    """A call to the outside under way; `Attempt.call` opens and closes it."""

    def __init__(self, journal: Journal, outbox: Outbox, record: CallRecord, recorded: bytes | None) -> None:
        """`record` is kept up to date as the call goes on."""
        self.id = record.call
        self.recorded = recorded
        """The response, as JSON, when an earlier attempt already has it: use it and make no call."""
        self._journal = journal
        self._outbox = outbox
        self._record = record
        self._began = monotonic()
        self._first_token_s: float | None = None
        self._unwritten: list[str] = []
        self._is_started = False
        """Whether `call.started` is durable: nothing is shown before."""
        self._hidden = ""
        """Text that came before that, so that no delta has shown it."""
        self._taken = 0

    @property
    def is_open(self) -> bool:
        """Whether it has no result yet."""
        return self._record.state == "open"

    def token(self, text: str) -> None:
        """Take the next piece of text: live readers have it at once, the journal within about 50 ms."""
        if self._first_token_s is None:
            self._first_token_s = monotonic() - self._began
        self._unwritten.append(text)
        self._hidden += text
        if self._is_started:
            self._show()
        self._outbox.text_waits()

    async def finish(self, response: Value, usage: Usage) -> None:
        """Record the result. Durable when it returns only for a call that cannot be made twice.

        Raises:
            RunStateError: The call has a result already.
            JournalError: It could not be kept.
        """
        if not self.is_open:
            raise RunStateError(f"The call {self.id} has its result already.")
        raw = encode(response)
        duration_s = monotonic() - self._began
        first_s = duration_s if self._first_token_s is None else self._first_token_s
        self._record.state, self._record.usage = "finished", usage
        self._record.response = digest_of(raw)
        self._outbox.unfollow(self)
        self._outbox.put(
            CallFinished(self.id, digest_of(raw), usage, round(first_s * 1000), round(duration_s * 1000)),
            artifacts=(raw,),
        )
        if not self._record.is_idempotent:
            await self._outbox.flush()

    def close(self, error: BaseException | None) -> None:
        """Record that it has no result, because of `error` or because its caller left it."""
        is_failed = error is not None and (isinstance(error, Exception) or known_error(error) is not None)
        self._record.state = "failed" if is_failed else "cancelled"
        self._outbox.unfollow(self)
        fault = fault_of(error) if error is not None and is_failed else None
        self._outbox.put(CallFailed(self.id, self._record.state, fault), is_urgent=True)

    def take(self) -> Tokens | None:
        """For the outbox: the text that is not written yet."""
        if not self._unwritten:
            return None
        text = "".join(self._unwritten)
        self._unwritten.clear()
        self._taken += len(text)
        return Tokens(self.id, text)

    def written(self) -> None:
        """For the outbox: `call.started` and the taken text are durable, so what came since may be shown."""
        self._is_started = True
        self._hidden, self._taken = self._hidden[self._taken :], 0
        self._show()

    def _show(self) -> None:
        if self._hidden:
            self._journal.publish(
                Delta(self._outbox.place.run, self._outbox.place.step, self.id, self._hidden)
            )
            self._hidden = ""


class Attempt:
    """One try at a step's current revision."""

    def __init__(self, journal: Journal, outbox: Outbox, seed: int, memory: "Memory") -> None:
        """`memory` is what earlier attempts and persons left for this one."""
        self.key = outbox.place.key
        """`run/step/revision/attempt`: begins the idempotency key of every call."""
        self.seed = seed
        """The seed of this revision, 31 bits: the same for each attempt at it."""
        self.calls: list[CallRecord] = []
        self._told: set[str] = set()
        self._journal = journal
        self._outbox = outbox
        self._memory = memory

    @property
    def usage(self) -> Usage:
        """Tokens and cost of its calls so far, those with copied responses too."""
        return sum((call.usage for call in self.calls), Usage())

    def tell(self, text: str) -> None:
        """Tell the person something about this step, once: it stands in the trace, and beside the step's bar."""
        if text not in self._told:
            self._told.add(text)
            self._outbox.put(Notice(text, "warning"))

    async def given(self, name: str, value: str) -> str:
        """Record that the step was given `value` as its input `name`, and return the text to use.

        That is `value`, unless a person patched this input or the run replays another: then it is theirs.
        """
        kept = self._memory.inputs.get(name)
        if kept is not None:
            value = (await self._journal.read(self._journal.reader.artifact, kept.value)).decode()
        is_patched = kept is not None and kept.is_patched
        raw = value.encode()
        record = StepInput(name, digest_of(raw), is_patched)
        if self._memory.written.get(name) != record.value:
            self._memory.written[name] = record.value
            self._outbox.put(record, artifacts=(raw,))
        return value

    @asynccontextmanager
    async def call(
        self, engine: str, request: Value, *, is_idempotent: bool = True, tool: str = ""
    ) -> AsyncGenerator[Call]:
        """Make a call to the outside inside this context, through `Call.token` and `Call.finish`.

        It goes to `engine`, or to `tool`, for which that engine asked.

        Leaving it without `finish` records the call as failed (an error) or cancelled.

        Raises:
            RunStateError: The call is not idempotent and an earlier one may have taken effect.
            JournalError: The call is not idempotent and its beginning could not be kept.
        """
        ordinal, raw = len(self.calls) + 1, encode(request)
        record = self._record(ordinal, engine, digest_of(raw), is_idempotent)
        record.tool = tool
        donor = self._memory.donor(ordinal, record.request)
        if donor is None and not is_idempotent:
            self._memory.refuse_unsettled(ordinal, record.request)
        self.calls.append(record)
        if donor is not None:
            yield await self._copy(record, raw, donor)
            return
        call = Call(self._journal, self._outbox, record, None)
        self._outbox.put(_started(record), artifacts=(raw,), is_urgent=True)
        self._outbox.follow(call)
        try:
            if not is_idempotent:
                await self._outbox.flush()
            yield call
        except BaseException as error:
            if call.is_open:
                call.close(error)
            raise
        if call.is_open:
            call.close(None)

    def _record(self, ordinal: int, engine: str, request: str, is_idempotent: bool) -> CallRecord:
        place = self._outbox.place
        call = f"{place.step}/{place.revision}/{place.attempt}/{ordinal}"
        return CallRecord(call, ordinal, engine, request, is_idempotent, started="")

    async def _copy(self, record: CallRecord, raw: bytes, donor: CallRecord) -> Call:
        """Take the response that an earlier attempt already has."""
        response = str(donor.response)
        recorded = await self._journal.read(self._journal.reader.artifact, response)
        record.state, record.usage, record.engine = "finished", donor.usage, donor.engine
        record.response, record.copied_from = response, donor.call
        self._outbox.put(
            _started(record),
            CallFinished(record.call, response, donor.usage, 0, 0, copied_from=donor.call),
            artifacts=(raw,),
        )
        return Call(self._journal, self._outbox, record, recorded)


def _started(record: CallRecord) -> CallStarted:
    return CallStarted(record.call, record.engine, record.request, record.is_idempotent, record.tool)


class Memory:
    """What the earlier attempts at a revision, a person's patch or the run being replayed left for the next one."""

    def __init__(
        self,
        inputs: dict[str, InputRecord],
        written: dict[str, str],
        past: Sequence[AttemptRecord],
        told: Sequence[CallRecord] = (),
    ) -> None:
        """`inputs` are texts to use instead of what the flow gives; `written` what this revision has recorded.

        `told` are calls of tools in the run that this one replays: their results came from outside, and serve again.
        """
        self.inputs = inputs
        self.written = written
        self._past = list(past)
        self._told = {call.request: call for call in told}

    def remember(self, attempt: int, state: StepState, calls: list[CallRecord]) -> None:
        """Keep what an attempt of this process left."""
        self._past.append(AttemptRecord(attempt, started="", state=state, calls=calls))

    def donor(self, ordinal: int, request: str) -> CallRecord | None:
        """The finished call whose response serves this one.

        An attempt that failed is tried again for another answer, so its calls serve only where they cannot be
        made twice.
        """
        for attempt in reversed(self._past):
            for call in attempt.calls:
                is_same = (call.ordinal, call.request, call.state) == (ordinal, request, "finished")
                if is_same and (attempt.state is not StepState.FAILED or not call.is_idempotent):
                    return call
        return self._told.get(request)

    def refuse_unsettled(self, ordinal: int, request: str) -> None:
        """Raise `RunStateError` when the same call may have taken effect already and cannot be made twice."""
        for call in (call for attempt in self._past for call in attempt.calls):
            if call.is_unsettled and (call.ordinal == ordinal or call.request == request):
                raise RunStateError(
                    f"The call {call.call} to {call.engine} has no known result ({call.state}) "
                    "and must not be made twice.",
                    hint="Find out whether it took effect. Then give the step's output yourself with "
                    "`naestro patch`, or re-run the step, which makes the call again.",
                )
