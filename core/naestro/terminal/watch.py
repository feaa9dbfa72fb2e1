"""Following a run from the terminal: draw its events, ask where it waits, cancel on Ctrl-C, end with an exit code."""

import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import msgspec

from naestro.app import open_client
from naestro.client.api import Client, Command
from naestro.runs.history import History
from naestro.terminal.exits import Exit, exit_for_fault, exit_for_status
from naestro.terminal.plain import JsonPrinter, PlainPrinter, Printer
from naestro.types import Delta, Digest, Event, InterruptOpened, RunFinished, RunStatus

BY = "cli"
"""Who answers and patches, as the journal tells it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a run is shown, and how questions are answered."""

    is_json: bool
    is_drawn: bool
    """Whether a person sits at a terminal: it is drawn on, and questions are asked there."""
    answer: str | None
    """What to answer without asking; None asks, or leaves the run waiting where nobody sits."""

    @classmethod
    def of(cls, *, as_json: bool, yes: bool = False, answer: str | None = None) -> "Watch":
        """By the options and by what stdin and stderr are."""
        is_drawn = not as_json and sys.stdin.isatty() and sys.stderr.isatty()
        return cls(as_json, is_drawn, answer if answer is not None else ("yes" if yes else None))

    def printer(self) -> Printer:
        """A printer of the right kind."""
        if self.is_json:
            return JsonPrinter()
        if not self.is_drawn:
            return PlainPrinter()
        from naestro.terminal.live import LivePrinter

        return LivePrinter()


async def start(command: Command, watch: Watch) -> int:
    """Start a run and follow it to its end; the exit code."""
    async with open_client(f"naestro {command.name}") as client:
        return await follow(client, await client.start(command), watch)


async def resume(run: str, watch: Watch) -> int:
    """Go on with a run and follow it; the exit code."""
    async with open_client("naestro resume") as client:
        return await go_on(client, run, watch)


async def go_on(client: Client, run: str, watch: Watch) -> int:
    """Resume `run` with an open client and follow it; the exit code. A question that waits is answered first."""
    info = await client.get(run)
    for question in History.of(await client.history(info.id)).open_interrupts:
        answer = watch.answer
        if answer is None and watch.is_drawn:
            answer = await _ask(client, question.question, question.options, question.payload)
        if answer is None:
            options = (
                f" Answer with --answer, one of: {', '.join(question.options)}." if question.options else ""
            )
            print(f"The run {info.id} waits: {question.question}{options}", file=sys.stderr)
            return Exit.WAITING
        await client.respond(info.id, question.interrupt, answer, by=BY)
    return await follow(client, await client.resume(info.id), watch, after=info.last_seq)


async def follow(client: Client, run: str, watch: Watch, *, after: int = 0) -> int:
    """Follow a run that works in this process; the exit code."""
    printer = watch.printer()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_obey_signals, client, run, tasks.cancel_scope)
        async with client.events(run, after) as events:
            await _draw(client, run, watch, printer, events)
        tasks.cancel_scope.cancel()
    printer.close()
    return await _end(client, run, watch)


async def _draw(
    client: Client, run: str, watch: Watch, printer: Printer, events: AsyncIterator[Event | Delta]
) -> None:
    async for event in events:
        printer.show(event)
        if isinstance(event, Event) and isinstance(event.data, InterruptOpened):
            await _answer(client, run, watch, printer, event.data)


async def _answer(
    client: Client, run: str, watch: Watch, printer: Printer, question: InterruptOpened
) -> None:
    """Answer from the options, else ask the person, else leave the run waiting."""
    answer = watch.answer
    if answer is None and watch.is_drawn:
        printer.pause()
        answer = await _ask(client, question.question, question.options, question.payload)
    if answer is None:
        await client.park(run)
    else:
        await client.respond(run, question.interrupt, answer, by=BY)


async def _ask(client: Client, question: str, options: list[str], payload: Digest | None) -> str | None:
    """Show the payload and read a line until it is an option; None at the end of input."""
    from naestro.terminal.step import readable

    if payload is not None:
        print(readable(await client.artifact(payload)), file=sys.stderr)
    choices = f" [{'/'.join(options)}]" if options else ""
    while True:
        print(f"{question}{choices} ", end="", file=sys.stderr, flush=True)
        await anyio.wait_readable(sys.stdin)
        line = sys.stdin.readline()
        if not line:
            return None
        answer = _option(line.strip(), options)
        if answer is not None:
            return answer


def _option(typed: str, options: list[str]) -> str | None:
    """The option that begins with what was typed, or the text where there are no options."""
    if not options:
        return typed or None
    fitting = [option for option in options if typed and option.startswith(typed.lower())]
    return fitting[0] if len(fitting) == 1 else None


async def _obey_signals(client: Client, run: str, scope: anyio.CancelScope) -> None:
    """Ctrl-C cancels the run, a second one gives up waiting for that; SIGTERM and SIGHUP park it."""
    asked = 0
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for received in signals:
            asked += 1
            if asked > 1:
                scope.cancel()
            elif received is signal.SIGINT:
                await client.cancel(run, "Ctrl-C")
            else:
                await client.park(run)


async def _end(client: Client, run: str, watch: Watch) -> int:
    """Print the result or how to go on; the exit code."""
    info = await client.get(run)
    if info.status is RunStatus.FINISHED:
        await _show_result(client, info.id, watch)
        return Exit.OK
    if info.status is RunStatus.FAILED and info.fault is not None:
        print(f"naestro: {info.fault.message}\n  {info.fault.hint}", file=sys.stderr)
        print(
            f"  `naestro trace {info.id}` shows the run, `naestro resume {info.id}` tries again.",
            file=sys.stderr,
        )
        return exit_for_fault(info.fault.code)
    how = "waits for an answer" if info.status is RunStatus.WAITING else f"is {info.status.value}"
    print(f"The run {info.id} {how}; `naestro resume {info.id}` goes on.", file=sys.stderr)
    return exit_for_status(info.status)


async def _show_result(client: Client, run: str, watch: Watch) -> None:
    if watch.is_json:
        return
    from naestro.council.verdict import CouncilResult
    from naestro.terminal.result import show_result

    finished = next(e.data for e in reversed(await client.history(run)) if isinstance(e.data, RunFinished))
    show_result(msgspec.json.decode(await client.artifact(finished.result), type=CouncilResult))
    print(f"`naestro trace {run}` shows how it came to that.", file=sys.stderr)
