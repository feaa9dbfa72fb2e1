"""Following a run from the terminal: draw its events, ask where it waits, obey signals, end with an exit code.

`cli` above picks how (`Watch`); below stand the client, the printers and `asking`. Ctrl-C cancels the run. SIGTERM and
SIGHUP leave it to the daemon, or park it where this process works on it. The last line says how to go on.
"""

import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from naestro.client.api import Client, Command
from naestro.errors import InputError, RunStateError
from naestro.runs.history import History
from naestro.terminal.asking import ask, colour_diff, option_of
from naestro.terminal.connection import connect
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
    is_remote: bool = False
    """Whether the daemon works on the run, so that it goes on when this process leaves."""

    @classmethod
    def of(cls, *, as_json: bool, yes: bool = False, in_process: bool = False) -> "Watch":
        """By the options and by what stdin and stderr are."""
        is_drawn = not as_json and sys.stdin.isatty() and sys.stderr.isatty()
        return cls(as_json, is_drawn, yes, is_remote=not in_process)

    def printer(self, earlier: Sequence[Event] = ()) -> Printer:
        """A printer of the right kind, for a run of which `earlier` was shown before."""
        if self.is_json:
            return JsonPrinter()
        if not self.is_drawn:
            return PlainPrinter()
        from naestro.terminal.live import LivePrinter

        return LivePrinter(earlier)


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of a run that goes on."""

    earlier: Sequence[Event] = ()
    """The events that were recorded; what comes after them is shown."""
    asked: Sequence[Question] = ()
    """The questions that it waits with."""
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    """The answers already known, by the question's name."""
    is_attached: bool = False
    """Whether it was being worked on already, for somebody else maybe."""


async def start(command: Command, watch: Watch) -> int:
    """Start a run and follow it to its end; the exit code."""
    async with connect(f"naestro {command.name}", is_remote=watch.is_remote) as client:
        return await follow(client, await client.start(command), watch)


async def resume(run: str, watch: Watch, *, answer: str | None = None) -> int:
    """Go on with a run and follow it; the exit code. `answer` is for the question that it waits with."""
    async with connect("naestro resume", is_remote=watch.is_remote) as client:
        return await go_on(client, run, watch, answer=answer)


async def go_on(client: Client, run: str, watch: Watch, *, answer: str | None = None) -> int:
    """Resume `run` with an open client and follow it; the exit code. One that is worked on already is only followed.

    Raises `InputError` when `answer` is no answer to what the run waits with; the run is left as it is then.
    """
    info = await client.get(run)
    earlier = await client.history(info.id)
    asked = waiting(History.of(earlier))
    given = _checked(info, asked, answer)
    is_answered = bool(given) or watch.is_yes or watch.is_drawn
    if asked and not is_answered and info.status is RunStatus.WAITING:
        return await _end(client, info.id, watch)
    is_attached = not await _is_resumed(client, info)
    return await follow(client, info.id, watch, Before(earlier, asked, given, is_attached))


async def _is_resumed(client: Client, info: RunInfo) -> bool:
    """Resume a run, if nobody works on it. Raises `RunStateError` when it has finished."""
    try:
        await client.resume(info.id)
    except RunStateError:
        if info.status not in {RunStatus.RUNNING, RunStatus.WAITING}:
            raise
        return False
    return True


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


async def follow(client: Client, run: str, watch: Watch, before: Before = Before()) -> int:
    """Follow a run that is worked on, from the event after the `earlier` ones; the exit code."""
    session = _Session(client, run, watch.printer(before.earlier), watch, before)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.obey_signals, tasks.cancel_scope)
            async with client.events(run, before.earlier[-1].seq if before.earlier else 0) as events:
                await session.draw(events)
            tasks.cancel_scope.cancel()
    finally:
        session.printer.close()
    return await _end(client, run, watch)


class _Session:
    """One run on one screen."""

    def __init__(self, client: Client, run: str, printer: Printer, watch: Watch, before: Before) -> None:
        self.printer = printer
        self._client = client
        self._run = run
        self._watch = watch
        self._before = before
        self._is_over = False
        self._asking = anyio.CancelScope()
        self._left_s: float | None = None

    async def draw(self, events: AsyncIterator[Event | Delta]) -> None:
        """Show what comes, to its end; questions are answered where they stand."""
        if self._before.is_attached:
            await self._answer_all(self._before.asked)
        while not self._is_over:
            event = await anext(events, None)
            if event is None:
                return
            self.printer.show(event)
            match event:
                case Event(data=RunResumed()):
                    await self._answer_all(self._before.asked)
                case Event(data=InterruptOpened() as data):
                    await self._answer(Question(data.interrupt, data.question, data.options, data.payload))
                case _:
                    pass

    async def _answer_all(self, questions: Sequence[Question]) -> None:
        for question in questions:
            await self._answer(question)

    async def _answer(self, question: Question) -> None:
        """Answer by the options, else ask the person, else leave the run waiting."""
        answer = self._before.given.get(question.interrupt)
        if answer is None and self._watch.is_yes:
            answer = option_of("yes", question.options or ["yes"])
        if answer is None and self._watch.is_drawn:
            self.printer.pause()
            shown = await self._about(question)
            with anyio.CancelScope() as self._asking:
                answer = await ask(question.text, question.options, shown)
        if self._left_s is not None:
            return
        if answer is None and self._before.is_attached:
            # Somebody else may answer it: it is not this process's to set aside.
            self._is_over = True
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
        """Ctrl-C cancels the run, SIGTERM and SIGHUP leave or park it; another one later gives up waiting for that."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as tasks:
                async for received in signals:
                    if self._left_s is None:
                        self._left_s = anyio.current_time()
                        self._asking.cancel()
                        if self._watch.is_remote and received is not signal.SIGINT:
                            scope.cancel()
                        else:
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
        case RunStatus.RUNNING if watch.is_remote:
            _say(f"The run {info.id} goes on in the daemon; `naestro resume {info.id}` follows it.")
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
    """Print the result; the exit code tells a change that was wanted and not written, and tests that do not pass."""
    from naestro.terminal.result import has_failing_tests, show_result

    events = await client.history(info.id)
    finished = next(event.data for event in reversed(events) if isinstance(event.data, RunFinished))
    result = await client.artifact(finished.result)
    if not watch.is_json:
        show_result(result, info.task, info.id)
        _say(f"`naestro trace {info.id}` shows how it came to that.")
    history = History.of(events)
    is_wanted = any(one.kind == "approve" and one.answer == "yes" for one in history.interrupts.values())
    if is_wanted and not history.changes:
        return Exit.FILES
    return Exit.FAILED if has_failing_tests(result) else Exit.OK


def _say(words: str) -> None:
    print(words, file=sys.stderr)
