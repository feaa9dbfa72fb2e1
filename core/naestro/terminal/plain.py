"""Events as lines: JSON for programs, plain sentences where there is no terminal to draw on."""

import sys
from typing import TYPE_CHECKING, Protocol

from naestro import types
from naestro.runs.waterfall import seconds, usage_words
from naestro.terminal.text import printable
from naestro.types import Delta, Event, EventData, encode

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 140


class Printer(Protocol):
    """Shows a run while it goes on."""

    def show(self, event: Event | Delta) -> None:
        """Take in the next event."""
        ...

    def pause(self) -> None:
        """Leave the screen to a question."""
        ...

    def close(self) -> None:
        """Draw for the last time."""
        ...


class JsonPrinter:
    """One event a line on stdout; deltas are left out, since `tokens` events carry the same text."""

    def show(self, event: Event | Delta) -> None:
        """Print a numbered event."""
        if isinstance(event, Event):
            sys.stdout.write(encode(event).decode() + "\n")
            sys.stdout.flush()

    def pause(self) -> None:
        """Nothing is drawn that could be in the way."""

    def close(self) -> None:
        """Nothing is drawn that must be finished."""


class PlainPrinter:
    """One line a step on stderr, so that stdout carries the answer alone."""

    def show(self, event: Event | Delta) -> None:
        """Print the line that an event is worth, if any."""
        if isinstance(event, Delta):
            return
        line = describe(event)
        if line:
            print(line, file=sys.stderr, flush=True)

    def pause(self) -> None:
        """Nothing is drawn that could be in the way."""

    def close(self) -> None:
        """Nothing is drawn that must be finished."""


def describe(event: Event) -> str | None:
    """One line on an event, or None for those that only programs need."""
    data = event.data
    said = _run_words(data) or _step_words(data) or _other_words(data)
    if said is None:
        return None
    said = printable(said)
    return f"{event.step:<14} {said}" if event.step else said


def wide_console() -> "Console":
    """A console on stdout; where that is no terminal, lines are `PIPE_WIDTH` long, since nobody reads them folded."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(PIPE_WIDTH, console.width))


def print_json(value: object) -> None:
    """Print `value` as one line of JSON."""
    print(encode(value).decode())


def _run_words(data: EventData) -> str | None:
    match data:
        case types.RunStarted():
            return f"{data.command} started in {data.workspace}, seed {data.seed}"
        case types.RunResumed():
            return "the run goes on"
        case types.RunStopped():
            return f"the run is parked: {data.reason}"
        case types.RunFinished():
            facts = filter(None, [seconds(data.duration_ms), usage_words(data.usage)])
            return f"the run finished: {', '.join(facts)}"
        case types.RunFailed():
            return f"the run failed: {data.fault.message}"
        case types.RunCancelled():
            return f"the run was cancelled: {data.reason}"
        case _:
            return None


def _step_words(data: EventData) -> str | None:
    match data:
        case types.StepStarted(engine=str()):
            return f"asks {data.engine}" + (f" ({data.route})" if data.route else "")
        case types.StepStarted() if data.route:
            return data.route
        case types.StepFinished(copied_from=None):
            facts = filter(None, [usage_words(data.usage), seconds(data.duration_ms)])
            return f"done: {', '.join(facts)}"
        case types.StepFinished():
            return f"kept from {data.copied_from}"
        case types.StepFailed():
            return f"{'dropped' if data.is_dropped else 'failed'}: {data.fault.message}"
        case types.StepPatched():
            return f"{data.target} patched by {data.by}"
        case types.StepReopened():
            return f"runs again because of {data.cause}"
        case _:
            return None


def _other_words(data: EventData) -> str | None:
    match data:
        case types.CallStarted(tool=str(tool)) if tool:
            return f"looks up by {tool}"
        case types.CallFailed(outcome="unknown"):
            return f"the call {data.call} was open when its owner went away: closed as unknown"
        case types.InterruptOpened():
            return f"asks: {data.question}"
        case types.InterruptAnswered():
            return f"answered {data.answer!r} by {data.by}"
        case types.Notice():
            return f"{data.level}: {data.text}"
        case types.PatchApplied():
            return f"patch applied to {', '.join(data.paths)}"
        case types.PatchUndone():
            return f"patch undone in {', '.join(data.paths)}"
        case _:
            return None
