"""Events as lines: JSON for programs, plain sentences where there is no terminal to draw on."""

import sys
from collections.abc import Callable
from typing import Protocol

from naestro import types
from naestro.types import Delta, Event, EventData, Usage, encode


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
    sentence = _SENTENCES.get(type(event.data))
    if sentence is None:
        return None
    said = sentence(event.data)
    if said is None:
        return None
    return f"{event.step:<14} {said}" if event.step else said


def usage_words(usage: Usage) -> str:
    """Tokens in short: `812 + 143 tokens, 700 cached`; empty where nothing was generated."""
    if not usage.prompt_tokens and not usage.completion_tokens:
        return ""
    words = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens"
    if usage.cached_tokens:
        words += f", {usage.cached_tokens} cached"
    if usage.cost_usd:
        words += f", ${usage.cost_usd:.4f}"
    return words


def seconds(duration_ms: float) -> str:
    """A duration for people: `0.08 s`, `12.4 s`, `3 min 5 s`."""
    if duration_ms < 1000:
        return f"{duration_ms / 1000:.2f} s"
    if duration_ms < 60_000:
        return f"{duration_ms / 1000:.1f} s"
    return f"{int(duration_ms // 60_000)} min {int(duration_ms % 60_000 // 1000)} s"


def _finished(data: types.StepFinished) -> str:
    parts = [part for part in (usage_words(data.usage), seconds(data.duration_ms)) if part]
    return f"done: {', '.join(parts)}" if data.copied_from is None else f"kept from {data.copied_from}"


def _started(data: types.StepStarted) -> str | None:
    if data.engine is None:
        return None
    return f"asks {data.engine}" + (f" ({data.route})" if data.route else "")


def _failed(data: types.StepFailed) -> str:
    return f"{'dropped' if data.is_dropped else 'failed'}: {data.fault.message}"


def _call_failed(data: types.CallFailed) -> str | None:
    if data.outcome != "unknown":
        return None
    return f"call {data.call} was open when its owner went away: closed as unknown"


_SENTENCES: dict[type[EventData], Callable[[object], str | None]] = {}


def _sentence(kind: type[EventData], say: Callable[..., str | None]) -> None:
    _SENTENCES[kind] = say


_sentence(types.RunStarted, lambda data: f"{data.command} started in {data.workspace}, seed {data.seed}")
_sentence(types.RunResumed, lambda data: "run goes on")
_sentence(types.RunStopped, lambda data: f"run parked: {data.reason}")
_sentence(types.RunFinished, lambda data: f"run finished in {seconds(data.duration_ms)}, {usage_words(data.usage)}")
_sentence(types.RunFailed, lambda data: f"run failed: {data.fault.message}")
_sentence(types.RunCancelled, lambda data: f"run cancelled: {data.reason}")
_sentence(types.StepStarted, _started)
_sentence(types.StepFinished, _finished)
_sentence(types.StepFailed, _failed)
_sentence(types.StepPatched, lambda data: f"{data.target} patched by {data.by}")
_sentence(types.StepReopened, lambda data: f"runs again because of {data.cause}")
_sentence(types.CallFailed, _call_failed)
_sentence(types.InterruptOpened, lambda data: f"waits: {data.question}")
_sentence(types.InterruptAnswered, lambda data: f"answered {data.answer!r} by {data.by}")
_sentence(types.Notice, lambda data: f"{data.level}: {data.text}")
_sentence(types.PatchApplied, lambda data: f"patch applied to {', '.join(data.paths)}")
_sentence(types.PatchUndone, lambda data: f"patch undone in {', '.join(data.paths)}")
