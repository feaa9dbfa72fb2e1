"""The live view of a run in a terminal: the waterfall as it grows, and the last words of what is being written."""

import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from naestro.runs.history import History
from naestro.runs.records import StepState
from naestro.terminal.chart import table
from naestro.terminal.plain import describe
from naestro.terminal.text import printable
from naestro.types import Delta, Event, Notice, RunInfo, Tokens, Usage

REFRESH_PER_S = 6
"""Pictures a second: enough to look alive, little enough to leave the cores to the engines."""
TAIL_CHARS = 300
"""Kept of each step's text; one line of it is shown."""


class LivePrinter:
    """Draws on stderr, so that stdout carries the answer alone; on stdout where the picture is the answer."""

    def __init__(self, earlier: Sequence[Event] = (), *, is_answer: bool = False) -> None:
        """Start with a picture of what was shown before; drawing begins with the first event after that."""
        self._console = Console(stderr=not is_answer)
        self._is_transient = is_answer
        self._events = [event for event in earlier if not isinstance(event.data, Tokens)]
        self._shown_before = len(self._events)
        self._tails: dict[str, str] = {}
        self._live: Live | None = None
        self._arrived_s = 0.0

    def show(self, event: Event | Delta) -> None:
        """Take in the next event; the picture follows at its own pace."""
        if isinstance(event, Delta):
            self._tails[event.step] = (self._tails.get(event.step, "") + event.text)[-TAIL_CHARS:]
            return
        if isinstance(event.data, Tokens):
            return
        self._events.append(event)
        self._arrived_s = time.monotonic()
        if self._live is None:
            self._live = Live(
                console=self._console,
                get_renderable=self._picture,
                refresh_per_second=REFRESH_PER_S,
                transient=self._is_transient,
            )
            self._live.start()

    def pause(self) -> None:
        """Leave the screen to a question; the next event draws a new picture below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self) -> None:
        """Draw the last picture and say what was noted."""
        self.pause()
        for event in self._events[self._shown_before :]:
            if isinstance(event.data, Notice):
                print(describe(event), file=sys.stderr)

    def _picture(self) -> Group:
        history = History.of(self._events)
        now = _later(self._events[-1].time, time.monotonic() - self._arrived_s)
        lines = [
            Text(
                f"  {name}: {_last_line(tail, self._console.width - len(name) - 6)}",
                style="dim",
                no_wrap=True,
            )
            for name, tail in self._tails.items()
            if name in history.steps and history.steps[name].state is StepState.RUNNING
        ]
        return Group(table(_info(history), self._events, width=self._console.width, now=now), *lines)


def _later(moment: str, by_s: float) -> str:
    """`moment` and as many seconds: now, by the clock of the events, which may be a recording."""
    later = datetime.fromisoformat(moment) + timedelta(seconds=by_s)
    return later.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _last_line(text: str, width: int) -> str:
    return " ".join(printable(text).split())[-max(10, width) :]


def _info(history: History) -> RunInfo:
    assert history.started is not None
    return RunInfo(
        id=history.run,
        command=history.started.command,
        task=history.started.task,
        workspace=history.started.workspace,
        origin=history.started.origin,
        status=history.status,
        started=history.opened_at,
        updated=history.updated_at,
        last_seq=history.last_seq,
        usage=Usage(),
    )
