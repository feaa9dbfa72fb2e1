"""The live view of a run in a terminal: the waterfall as it grows, and the last words of what is being written."""

import sys
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from naestro.runs.history import History
from naestro.runs.records import StepState
from naestro.terminal.plain import describe
from naestro.terminal.step import printable
from naestro.terminal.trace import table
from naestro.types import Delta, Event, RunInfo, Tokens, Usage

REFRESH_PER_S = 6
"""Pictures a second: enough to look alive, little enough to leave the cores to the engines."""
TAIL_CHARS = 300
"""Kept of each step's text; one line of it is shown."""


class LivePrinter:
    """Draws on stderr, so that stdout carries the answer alone."""

    def __init__(self) -> None:
        """Start with an empty picture; drawing begins with the first event."""
        self._console = Console(stderr=True)
        self._events: list[Event] = []
        self._tails: dict[str, str] = {}
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=REFRESH_PER_S,
            transient=False,
        )
        self._is_drawing = False

    def show(self, event: Event | Delta) -> None:
        """Take in the next event; the picture follows at its own pace."""
        if isinstance(event, Delta):
            self._tails[event.step] = (self._tails.get(event.step, "") + event.text)[-TAIL_CHARS:]
        elif not isinstance(event.data, Tokens):
            self._events.append(event)
        if self._events and not self._is_drawing:
            self._live.start()
            self._is_drawing = True

    def pause(self) -> None:
        """Leave the screen to a question; the next event draws a new picture below it."""
        if self._is_drawing:
            self._live.stop()
            self._is_drawing = False
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=REFRESH_PER_S
            )

    def close(self) -> None:
        """Draw the last picture and say what was noted."""
        self.pause()
        for event in self._events:
            if event.type == "notice":
                print(describe(event), file=sys.stderr)

    def _picture(self) -> Group:
        if not self._events:
            return Group()
        history = History.of(self._events)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
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
