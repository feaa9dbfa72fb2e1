"""Following a run from the terminal: draw its events, ask where it waits, obey signals, end with an exit code.

`cli` above picks how (`Watch`); below stand the client, the printers and `asking`. Ctrl-C cancels the run, SIGTERM
and SIGHUP park it; either way the last line says how to go on.
"""

import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from naestro.app import open_client
from naestro.client.api import Client, Command
from naestro.errors import InputError, RunStateError
from naestro.runs.history import History
from naestro.terminal.asking import ask, colour_diff, option_of
from naestro.terminal.exits import Exit, exit_for_fault, exit_for_status
from naestro.terminal.plain import JsonPrinter, PlainPrinter, Printer
from naestro.terminal.questions import Question, question_lines, waiting
from naestro.terminal.text import one_line, readable
from naestro.types import Delta, Event, InterruptOpened, RunFinished, RunInfo, RunResumed, RunStatus

BY = "cli"
"""Who answers and patches, as the journal tells it."""
ECHO_S = 0.5
"""Within this a second signal is the first one once more: `timeout` and the like pass on what the terminal sent."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a run is shown, and how its questions are answered."""

    is_json: bool
    is_drawn: bool
    """Whether a person sits at a terminal: it is drawn on, and questions are asked there."""
    is_yes: bool = False
    """Whether every question that knows a yes gets it."""

    @classmethod
    def of(cls, *, as_json: bool, yes: bool = False) -> "Watch":
        """By the options and by what stdin and stderr are."""
        return cls(as_json, not as_json and sys.stdin.isatty() and sys.stderr.isatty(), yes)

    def printer(self, earlier: Sequence[Event] = ()) -> Printer:
        """A printer of the right kind, for a run of which `earlier` was shown before."""
        if self.is_json:
            return JsonPrinter()
        if not self.is_drawn:
            return PlainPrinter()
        from naestro.terminal.live import LivePrinter

        return LivePrinter(earlier)


async def start(command: Command, watch: Watch) -> int:
    """Start a run and follow it to its end; the exit code."""
    async with open_client(f"naestro {command.name}") as client:
        return await follow(client, await client.start(command), watch)


async def resume(run: str, watch: Watch, *, answer: str | None = None) -> int:
    """Go on with a run and follow it; the exit code. `answer` is for the question that it waits with."""
    async with open_client("naestro resume") as client:
        return await go_on(client, run, watch, answer=answer)


async def go_on(client: Client, run: str, watch: Watch, *, answer: str | None = None) -> int:
    """Resume `run` with an open client and follow it; the exit code.

    Raises `InputError` when `answer` is no answer to what the run waits with; the run is left as it is then.
    """
    info = await client.get(run)
    earlier = await client.history(info.id)
    asked = waiting(History.of(earlier))
    given = _checked(info, asked, answer)
    is_answered = bool(given) or watch.is_yes or watch.is_drawn
    if asked and not is_answered and info.status is RunStatus.WAITING:
        return await _end(client, info.id, watch)
    await client.resume(info.id)
    return await follow(client, info.id, watch, earlier=earlier, asked=asked, given=given)


def _checked(info: RunInfo, asked: list[Question], answer: str | None) -> dict[str, str]:
    """The given answer by its question's name; raises `InputError` where there is no question, or it does not fit."""
    if answer is None:
        return {}
    if not asked:
        raise InputError(
            f"The run {info.id} waits for no answer.", hint=f"`naestro resume {info.id}` goes on without."
        )
    fitting = option_of(answer, asked[0].options)
    if fitting is None:
        raise InputError(
            f"{answer!r} is no answer to: {asked[0].text}",
            hint=f"Say one of: {', '.join(asked[0].options)}.",
        )
    return {asked[0].interrupt: fitting}


async def follow(
    client: Client,
    run: str,
    watch: Watch,
    *,
    earlier: Sequence[Event] = (),
    asked: Sequence[Question] = (),
    given: Mapping[str, str] = {},
) -> int:
    """Follow a run that works in this process, from the event after those of `earlier`; the exit code.

    `asked` are the questions that it was resumed with, `given` the answers already known, by the question's name.
    """
    session = _Session(client, run, watch.printer(earlier), watch, given)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.obey_signals, tasks.cancel_scope)
            async with client.events(run, earlier[-1].seq if earlier else 0) as events:
                await session.draw(events, asked)
            tasks.cancel_scope.cancel()
    finally:
        session.printer.close()
    return await _end(client, run, watch)


class _Session:
    """One run on one screen."""

    def __init__(
        self, client: Client, run: str, printer: Printer, watch: Watch, given: Mapping[str, str]
    ) -> None:
        self.printer = printer
        self._client = client
        self._run = run
        self._watch = watch
        self._given = given
        self._asking = anyio.CancelScope()
        self._left_s: float | None = None

    async def draw(self, events: AsyncIterator[Event | Delta], asked: Sequence[Question]) -> None:
        """Show what comes, to its end; questions are answered where they stand."""
        async for event in events:
            self.printer.show(event)
            match event:
                case Event(data=RunResumed()):
                    for question in asked:
                        await self._answer(question)
                case Event(data=InterruptOpened() as data):
                    await self._answer(Question(data.interrupt, data.question, data.options, data.payload))
                case _:
                    pass

    async def _answer(self, question: Question) -> None:
        """Answer by the options, else ask the person, else leave the run waiting."""
        answer = self._given.get(question.interrupt)
        if answer is None and self._watch.is_yes:
            answer = option_of("yes", question.options or ["yes"])
        if answer is None and self._watch.is_drawn:
            self.printer.pause()
            shown = await self._about(question)
            with anyio.CancelScope() as self._asking:
                answer = await ask(question.text, question.options, shown)
        if self._left_s is not None:
            return
        with suppress(RunStateError):  # the run may have ended meanwhile
            if answer is None:
                await self._client.park(self._run)
            else:
                await self._client.respond(self._run, question.interrupt, answer, by=BY)

    async def _about(self, question: Question) -> str:
        """What a question is about, drawn; empty where it is about nothing."""
        if question.payload is None:
            return ""
        return f"\n{colour_diff(readable(await self._client.artifact(question.payload)))}\n"

    async def obey_signals(self, scope: anyio.CancelScope) -> None:
        """Ctrl-C cancels the run, SIGTERM and SIGHUP park it; another one later gives up waiting for that."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as tasks:
                async for received in signals:
                    if self._left_s is None:
                        self._left_s = anyio.current_time()
                        self._asking.cancel()
                        tasks.start_soon(self._leave, received)
                    elif anyio.current_time() - self._left_s > ECHO_S:
                        scope.cancel()

    async def _leave(self, received: signal.Signals) -> None:
        with suppress(RunStateError):  # the run may have ended meanwhile
            if received is signal.SIGINT:
                await self._client.cancel(self._run, "Ctrl-C")
            else:
                await self._client.park(self._run)


async def _end(client: Client, run: str, watch: Watch) -> int:
    """Print the result or how to go on; the exit code."""
    info = await client.get(run)
    match info.status:
        case RunStatus.FINISHED:
            return await _end_finished(client, info, watch)
        case RunStatus.FAILED if info.fault is not None:
            print(f"naestro: {one_line(info.fault.message)}\n  {one_line(info.fault.hint)}", file=sys.stderr)
            _say(f"  `naestro trace {info.id}` shows the run, `naestro resume {info.id}` tries again.")
            return exit_for_fault(info.fault.code)
        case RunStatus.WAITING:
            await _show_waiting(client, info.id, watch)
        case _:
            how = "left" if info.status is RunStatus.RUNNING else info.status.value
            _say(f"The run {info.id} is {how}; `naestro resume {info.id}` goes on.")
    return exit_for_status(info.status)


async def _show_waiting(client: Client, run: str, watch: Watch) -> None:
    """Say what the run waits for, what it is about, and how to answer."""
    history = History.of(await client.history(run))
    payloads = {
        one.payload: await client.artifact(one.payload) if not watch.is_json else b""
        for one in waiting(history)
        if one.payload is not None
    }
    _say("\n".join(question_lines(history, payloads.__getitem__)).lstrip())


async def _end_finished(client: Client, info: RunInfo, watch: Watch) -> int:
    """Print the result; the exit code tells a change that was wanted and could not be written."""
    from naestro.terminal.result import show_result

    events = await client.history(info.id)
    finished = next(event.data for event in reversed(events) if isinstance(event.data, RunFinished))
    if not watch.is_json:
        show_result(await client.artifact(finished.result), info.task)
        _say(f"`naestro trace {info.id}` shows how it came to that.")
    history = History.of(events)
    is_wanted = any(one.kind == "approve" and one.answer == "yes" for one in history.interrupts.values())
    return Exit.FILES if is_wanted and not history.changes else Exit.OK


def _say(words: str) -> None:
    print(words, file=sys.stderr)
