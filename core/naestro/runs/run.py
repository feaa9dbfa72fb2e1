"""One execution of a command: what a flow sees of the journal.

A flow is a plain async function over a `Run`. It is called from its top each time the run is taken up; `step` gives
the recorded output of what has finished and does the rest, so the flow needs no state of its own. `execution` makes
runs and ends them; `attempt` is what a step's work gets. A run knows no command, no prompt and no engine.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Literal, TypeVar

import msgspec

from naestro.errors import JournalError, NaestroError, RunStateError
from naestro.runs.attempt import Attempt
from naestro.runs.drafts import Draft, digest_of
from naestro.runs.faults import error_of, fault_of, known_error
from naestro.runs.guards import Place, StartGuard
from naestro.runs.history import History
from naestro.runs.in_hand import Hand
from naestro.runs.journal import Journal
from naestro.runs.outbox import Courier, Outbox
from naestro.runs.questions import InterruptKind, Question, Questions
from naestro.runs.records import StepState
from naestro.runs.standing import Standing, seed_of, standing_of
from naestro.types import (
    Digest,
    Fault,
    Notice,
    RunStarted,
    StepFailed,
    StepFinished,
    StepKind,
    StepStarted,
    encode,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """What a step is, before it is tried."""

    name: str
    kind: StepKind
    reads: tuple[str, ...] = ()
    """The steps whose outputs it uses, dropped ones too: when one of them changes, this one runs again."""
    engine: str | None = None
    route: str = ""
    """Why that engine."""


class Run:
    """One execution of a command by the current owner. Every method may be called from tasks side by side."""

    def __init__(
        self, journal: Journal, history: History, hand: Hand, recorded: History | None = None
    ) -> None:
        """`hand` lets steps begin; `recorded` is the history of the run that this one replays."""
        assert history.started is not None
        self.id = history.run
        self.started: RunStarted = history.started
        self.seed = history.started.seed
        self.courier = Courier()
        """The task that writes what the steps do not wait for; `execution` runs it."""
        self.questions = Questions(journal, history, recorded)
        """`execution` brings the answers here."""
        self._journal = journal
        self._history = history
        self._hand = hand
        self._recorded = recorded
        self._told = {(one.text, one.level) for one in history.notices}
        self._standings: dict[str, Standing] = {name: self._look_up(name) for name in history.steps}

    @property
    def is_replay(self) -> bool:
        """Whether this run only repeats another: it must not change files."""
        return self.started.replay_of is not None

    @property
    def revisions(self) -> dict[str, int]:
        """The revision of each step that this pass knows of."""
        return {name: one.revision for name, one in self._standings.items()}

    def seed_for(self, step: str) -> int:
        """The seed of the step's current revision, 31 bits: it depends on the run's seed, the name, the revision."""
        return seed_of(self.seed, step, self._standing(step).seed_revision)

    async def step(self, spec: StepSpec, work: Callable[[Attempt], Awaitable[T]], output: type[T]) -> T:
        """The output of the step: the recorded one, or that of a new attempt, which calls `work`.

        `output` is the type of the result, anything that msgspec can encode and decode; what comes back has been
        through both, so that a resumed run sees the same. When `work` fails, the step may be called again.

        Raises:
            NaestroError: What `work` raised, recorded as the attempt's failure; or the recorded fault of a step
                that was dropped before.
            StaleAttempt: The step was patched or taken over meanwhile; the result was not kept.
            RunStateError: The step runs already, or a step that it reads has no output yet.
        """
        standing = self._standing(spec.name)
        with self._only_once(spec.name, standing):
            if standing.output is not None:
                return self._decoded(spec.name, await self._artifact(standing.output), output)
            if standing.dropped is not None:
                raise error_of(standing.dropped)
            return await self._try(spec, standing, work, output)

    async def drop(self, step: str, fault: Fault) -> None:
        """Go on without a step whose attempt failed or was cancelled, and say so. Once dropped it stays so.

        Raises:
            RunStateError: It has an output, or no attempt of it was made.
        """
        standing = self._standing(step)
        if standing.dropped is not None:
            return
        if standing.output is not None or standing.outbox is None or standing.is_active:
            raise RunStateError(f"The step {step} cannot be dropped: it has not failed.")
        text = f"The run goes on without {step}: {fault.message}"
        await standing.outbox.flush_last(StepFailed(fault, is_dropped=True), Notice(text, "warning"))
        standing.dropped = fault

    async def notice(self, text: str, level: Literal["info", "warning"] = "info") -> None:
        """Tell the person something, once: a flow that is called again says the same again."""
        if (text, level) not in self._told:
            self._told.add((text, level))
            await self._journal.write(self.id, Draft(Notice(text, level)))

    async def ask(
        self,
        interrupt: str,
        kind: InterruptKind,
        question: str,
        options: list[str],
        payload: bytes | None = None,
        step: str | None = None,
    ) -> str:
        """The person's answer: one of `options`, or free text when there are none. Waits as long as it takes.

        `interrupt` is the question's own name within the run. An answer given before is returned at once, as long
        as it was about the same `payload` (what to look at) and the same revision of `step`.
        """
        revision = self._standing(step).revision if step is not None else None
        return await self.questions.ask(Question(interrupt, kind, question, options, payload, step, revision))

    def _look_up(self, name: str) -> Standing:
        return standing_of(name, self._history, self._recorded)

    def _standing(self, name: str) -> Standing:
        if name not in self._standings:
            self._standings[name] = self._look_up(name)
        return self._standings[name]

    def _only_once(self, name: str, standing: Standing) -> AbstractContextManager[None]:
        if standing.is_active:
            raise RunStateError(f"The step {name} runs already: two steps of a flow have the same name.")
        return _active(standing)

    async def _artifact(self, digest: Digest) -> bytes:
        return await self._journal.read(self._journal.reader.artifact, digest)

    def _decoded(self, step: str, raw: bytes, output: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=output)
        except msgspec.ValidationError as error:
            raise RunStateError(
                f"The output of the step {step} does not have the form that the run needs: {error}.",
                hint="Patch it again in the form that `naestro trace RUN --json` shows, or re-run the step.",
            ) from error

    async def _try(
        self, spec: StepSpec, standing: Standing, work: Callable[[Attempt], Awaitable[T]], output: type[T]
    ) -> T:
        await self._hand.may_begin()
        reads = self._reads(spec)
        outbox = await self._next_outbox(spec.name, standing, reads)
        attempt = Attempt(self._journal, outbox, self.seed_for(spec.name), standing.memory)
        began = monotonic()
        outbox.put(StepStarted(spec.kind, reads, spec.engine, spec.route))
        result: list[T] = []
        try:
            with outbox.scope:
                result.append(await work(attempt))
        except Exception as error:
            standing.memory.remember(outbox.place.attempt, StepState.FAILED, attempt.calls)
            await self._fail(outbox, error)
            raise
        except BaseException:
            standing.memory.remember(outbox.place.attempt, StepState.INTERRUPTED, attempt.calls)
            raise
        if outbox.fault is not None:
            raise outbox.fault
        raw = encode(result[0])
        value = self._decoded(spec.name, raw, output)
        duration_ms = round((monotonic() - began) * 1000)
        await outbox.flush(StepFinished(digest_of(raw), attempt.usage, duration_ms), artifacts=(raw,))
        standing.output = digest_of(raw)
        return value

    async def _next_outbox(self, name: str, standing: Standing, reads: dict[str, int]) -> Outbox:
        if standing.outbox is not None:
            await standing.outbox.flush()
        standing.attempts += 1
        place = Place(self.id, name, standing.revision, standing.attempts, self._journal.fence)
        standing.outbox = Outbox(self._journal, StartGuard(place, reads), self.courier.notify)
        return standing.outbox

    def _reads(self, spec: StepSpec) -> dict[str, int]:
        """The revisions that the step sees of what it reads."""
        missing = [name for name in spec.reads if not self._standing(name).has_ended]
        if missing:
            raise RunStateError(f"The step {spec.name} reads {', '.join(missing)}, which has no output yet.")
        return {name: self._standing(name).revision for name in spec.reads}

    async def _fail(self, outbox: Outbox, error: Exception) -> None:
        """Record that the attempt failed; a defect or a journal that cannot be written is the root's business."""
        if outbox.fault is not None:
            raise outbox.fault from error
        known: NaestroError | None = known_error(error)
        if known is not None and not isinstance(known, JournalError):
            await outbox.flush(StepFailed(fault_of(known)))


@contextmanager
def _active(standing: Standing) -> Generator[None]:
    standing.is_active = True
    try:
        yield
    finally:
        standing.is_active = False
