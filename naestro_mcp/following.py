"""Following one run for one call: its progress is told, its questions are asked, and in time there is an answer.

The tools that work on runs call `follow`; below stand the client and `asking`. The run is the daemon's: when the time
is up, or the connection is lost, it goes on. A call that its client takes back takes its run back, too.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import anyio

from naestro.errors import NaestroError, RunStateError
from naestro.types import (
    Delta,
    Event,
    InterruptOpened,
    StepFailed,
    StepFinished,
    StepStarted,
)
from naestro_mcp.asking import answer_in, earlier_answer, form_of, state_of
from naestro_mcp.results import open_questions, outcome_of
from naestro_mcp.tool import Call, Reply

BY = "mcp"
"""Who answers, as the journal tells it."""
PROGRESS_S = 1.0
"""Between two reports of progress while text is generated."""
QUESTION_S = 600.0
"""How long a question may lie with the person, where reports of progress keep their client waiting."""
BEAT_S = 5.0
"""Of silence, after which progress is reported all the same: an engine that loads or reads says nothing for long."""
AT_WORK, ASKED = "still at work", "waits for your answer"
CANCEL_S = 5.0
"""How long cancelling may take, of which nobody hears any more."""


@dataclass(slots=True)
class Following:
    """One call's view of a run that is worked on."""

    call: Call
    run: str
    _steps: int = 0
    _pieces: int = 0
    _told_at: float = field(default=float("-inf"))
    _doing: str = AT_WORK
    """What is reported while nothing happens."""
    _is_left: bool = False
    """Whether a question stands that nobody answers here."""
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Ends when the time is up."""

    async def to_answer(self) -> Reply:
        """What the run has come to when it ends, waits for what nobody here answers, or the time is up.

        Raises `InputNeeded`, and what the client raises.
        """
        try:
            with self._beating(), anyio.move_on_after(self.call.options.answer_s) as self._scope:
                await self._watch()
        except anyio.get_cancelled_exc_class():
            await self._give_up()
            raise
        return await outcome_of(self.call, self.run)

    async def _watch(self) -> None:
        client = self.call.host.client
        earlier = await client.history(self.run)
        for question in open_questions(earlier):
            await self._meet(question)
        seq = earlier[-1].seq if earlier else 0
        if self._is_left:
            return
        async with client.events(self.run, seq) as items:
            async for item in items:
                await self._take(item)
                if self._is_left:
                    return

    async def _take(self, item: Event | Delta) -> None:
        match item:
            case Event(data=InterruptOpened() as question):
                await self._meet(question)
            case Event(data=StepStarted()):
                await self._tell(f"{item.step} started")
            case Event(data=StepFinished()):
                self._steps += 1
                await self._tell(f"{item.step} done")
            case Event(data=StepFailed(fault=fault)):
                self._steps += 1
                await self._tell(f"{item.step} failed: {fault.message}")
            case Delta(step=step):
                self._pieces += 1
                if anyio.current_time() >= self._told_at + PROGRESS_S:
                    await self._tell(f"{step} writes")
            case _:
                pass

    async def _tell(self, words: str) -> None:
        """Report progress: a number that grows, since nobody knows how many steps there will be."""
        self._told_at = anyio.current_time()
        self._pieces += 1
        await self.call.request.progress(self._pieces, words, self.run)

    async def _meet(self, question: InterruptOpened) -> None:
        """Answer a question with what the person says, or leave it."""
        answer = earlier_answer(self.call.request, self.run, question)
        if answer is None and self.call.request.state.get("interrupt") != question.interrupt:
            answer = await self._ask(question)
        if answer is None:
            self._is_left = True
            return
        with suppress(RunStateError):  # somebody else was faster
            await self.call.host.client.respond(self.run, question.interrupt, answer, by=BY)

    async def _ask(self, question: InterruptOpened) -> str | None:
        request = self.call.request
        form = await form_of(self.call.host.client, question) if request.can_ask else None
        if form is None:
            return None
        with self._time_to_think():
            asked = await request.ask(form, state_of(self.run, question))
            return None if asked is None else answer_in(asked, question)
        return None

    @contextmanager
    def _time_to_think(self) -> Generator[None]:
        """A person reads and thinks: where reports of progress keep their client waiting, that time does not count."""
        if self.call.request.is_modern or not self.call.request.has_progress:
            yield
            return
        left_s = self._scope.deadline - anyio.current_time()
        self._scope.deadline = float("inf")
        self._doing = ASKED
        try:
            with anyio.move_on_after(QUESTION_S):
                yield
        finally:
            self._doing = AT_WORK
            self._scope.deadline = anyio.current_time() + left_s

    @contextmanager
    def _beating(self) -> Generator[None]:
        """Report progress now and then while the block lasts, where the client wants it."""
        beating = anyio.CancelScope()
        if self.call.request.has_progress:
            self.call.host.tasks.start_soon(self._beat, beating)
        try:
            yield
        finally:
            beating.cancel()

    async def _beat(self, scope: anyio.CancelScope) -> None:
        """Say what is done whenever nothing was said for a while, until the scope is cancelled."""
        with scope:
            self._told_at = anyio.current_time()
            while True:
                await anyio.sleep_until(self._told_at + BEAT_S)
                if anyio.current_time() >= self._told_at + BEAT_S:
                    await self._tell(self._doing)

    async def _give_up(self) -> None:
        """Cancel the run where the client took its call back; a lost connection is no wish."""
        if not self.call.request.is_taken_back:
            return
        with anyio.move_on_after(CANCEL_S, shield=True), suppress(NaestroError):
            await self.call.host.client.cancel(self.run, "the call was taken back")
