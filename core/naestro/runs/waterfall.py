"""A run as a waterfall: one bar a step on one time axis. The terminal, its page and the editors draw the same bars.

Pure: events in, bars out. Time in which nobody worked on the run (between a stop and a resume) is cut out of the
axis, so that a run that waited a week is still readable.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from naestro.runs.history import History, between_ms
from naestro.runs.records import CallRecord, StepRecord, StepState
from naestro.types import Event, RunResumed, Usage


@dataclass(frozen=True, slots=True)
class Bar:
    """One step at its current revision."""

    step: str
    kind: str
    state: StepState
    revision: int
    attempts: int
    engine: str
    route: str
    start_ms: int
    """From the run's beginning, time without an owner left out."""
    duration_ms: int
    """Of all attempts of this revision, up to now for one that runs."""
    first_token_ms: int | None
    """Until the last call's first token; None where there was no call."""
    usage: Usage
    tools: int
    """Calls of tools, those of all attempts."""
    note: str
    """Why it failed, was dropped, copied or patched; empty for an ordinary step."""

    @property
    def label(self) -> str:
        """The step's name, with its revision from the second on."""
        return self.step if self.revision == 1 else f"{self.step} r{self.revision}"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars of a run, in the order in which the steps first began."""

    bars: list[Bar]
    total_ms: int
    usage: Usage


_LEFT = {StepState.RUNNING: StepState.INTERRUPTED}


class _Axis:
    """Wall-clock times to milliseconds of work since the run began."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._origin = events[0].time
        self._gaps = [
            (later.time, between_ms(earlier.time, later.time))
            for earlier, later in pairwise(events)
            if isinstance(later.data, RunResumed)
        ]
        self.end = self.at(events[-1].time)

    def at(self, time: str) -> int:
        """Where `time` (UTC, RFC 3339) lies on the axis."""
        idle = sum(length for end, length in self._gaps if end <= time)
        return max(0, between_ms(self._origin, time) - idle)


def waterfall(events: Sequence[Event], *, now: str | None = None, is_left: bool = False) -> Waterfall:
    """The waterfall of a run's `events`, in order and at least one; `now` extends the bars of what still runs.

    `is_left` says that the owner went away without a word, so that nothing runs.
    """
    history, axis = History.of(events), _Axis(events)
    end = max(axis.end, axis.at(now)) if now is not None else axis.end
    bars = [_bar(step, axis, end, _told(history, step)) for step in history.steps.values() if step.kind]
    if is_left:
        bars = [replace(bar, state=_LEFT.get(bar.state, bar.state)) for bar in bars]
    return Waterfall(bars, end, history.usage)


def _bar(step: StepRecord, axis: _Axis, end: int, told: str) -> Bar:
    revision = step.last
    began = axis.at(revision.started) if revision.started else end
    if revision.state is StepState.RUNNING:
        finished = end
    else:
        last = revision.finished or (revision.attempts[-1].ended if revision.attempts else None)
        finished = axis.at(last) if last else began
    calls = [call for call in revision.calls if not call.tool]
    return Bar(
        step=step.name,
        kind=step.kind.value if step.kind else "",
        state=revision.state,
        revision=revision.revision,
        attempts=len(revision.attempts),
        engine=step.engine or _engine_of(calls),
        route=step.route,
        start_ms=began,
        duration_ms=max(0, finished - began),
        first_token_ms=calls[-1].first_token_ms if calls else None,
        usage=step.usage,
        tools=len(revision.calls) - len(calls),
        note=", ".join(filter(None, [_fate(step) or told, _looked_up(revision.calls)])),
    )


def _engine_of(calls: list[CallRecord]) -> str:
    return calls[-1].engine if calls else ""


def _told(history: History, step: StepRecord) -> str:
    """What the person was warned of at the step."""
    warnings = (one.text for one in history.notices if one.step == step.name and one.level == "warning")
    return ", ".join(dict.fromkeys(text.removesuffix(".") for text in warnings))


def _looked_up(calls: list[CallRecord]) -> str:
    """How often the step used each tool: `used search 2 times, outline`."""
    count = Counter(call.tool for call in calls if call.tool)
    times = [f"{name} {number} times" if number > 1 else name for name, number in count.items()]
    return f"used {', '.join(times)}" if times else ""


def _fate(step: StepRecord) -> str:
    revision = step.last
    if revision.fault is not None:
        return revision.fault.message
    if revision.patch is not None:
        return f"{revision.patch.target} patched by {revision.patch.by}"
    if revision.copied_from is not None:
        return f"kept from {revision.copied_from}"
    return f"again because of {revision.cause}" if revision.cause else ""


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
