"""`naestro trace`: the waterfall as a table, one step whole, JSON lines, or a page."""

import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from naestro.config import home
from naestro.errors import InputError
from naestro.runs.history import History
from naestro.runs.lock import is_held
from naestro.runs.reader import Reader
from naestro.runs.records import StepState
from naestro.terminal.exits import Exit
from naestro.terminal.plain import PIPE_WIDTH, JsonPrinter, seconds, usage_words, wide_console
from naestro.terminal.questions import question_lines
from naestro.terminal.store import open_store
from naestro.terminal.text import one_line
from naestro.terminal.waterfall import Bar, Waterfall, waterfall
from naestro.types import Delta, Event, RunInfo, RunStatus, Tokens, encode

POLL_S = 0.1
"""How often the journal is asked for news of a run that another process works on."""
BAR_WIDTH = 28
BAR_WIDTH_MIN = 8
NUMBERS_WIDTH = 52
"""What the columns of numbers take, with the space between all columns."""

STATE_STYLES = {
    StepState.OPEN: ("○", "dim"),
    StepState.RUNNING: ("●", "cyan"),
    StepState.FINISHED: ("✓", "green"),
    StepState.FAILED: ("✗", "red"),
    StepState.DROPPED: ("✗", "yellow"),
    StepState.INTERRUPTED: ("◐", "yellow"),
}


async def show_trace(
    run: str, *, is_following: bool, html: Path | None, step: str | None, as_json: bool
) -> int:
    """Show a run in the asked form; the exit code."""
    with open_store() as reader:
        info = reader.run(run)
        if html is not None:
            _write_page(reader, info, html)
        elif step is not None:
            _show_step(reader, info, step, as_json=as_json)
        elif as_json:
            await _print_json(reader, info, is_following=is_following)
        elif is_following and sys.stdout.isatty():
            await _follow_table(reader, info)
        else:
            async for _ in _changes(reader, info, is_following=is_following):
                pass
            _show_table(reader, info.id)
    return Exit.OK


def table(
    info: RunInfo, events: Sequence[Event], *, width: int = PIPE_WIDTH, now: str | None = None
) -> RenderableType:
    """The waterfall of a run as a table of at most `width` characters; the bars give way where it is narrow."""
    fall = waterfall(events, now=now)
    columns = _columns(fall, width)
    grid = Table(box=None, pad_edge=False)
    for name in columns:
        side = "left" if name in ("step", "engine", "") else "right"
        grid.add_column(name, justify=side, no_wrap=True, header_style="dim")
    for bar in fall.bars:
        cells = _cells(bar, fall.total_ms, max(1, width - _other_width(fall)))
        grid.add_row(*(cells[name] for name in columns))
    notes = [Text(f"{bar.label}: {one_line(bar.note)}", style="dim") for bar in fall.bars if bar.note]
    return Group(_title(info, fall), grid, *notes)


def _columns(fall: Waterfall, width: int) -> list[str]:
    has_cost = any(bar.usage.cost_usd for bar in fall.bars)
    has_room = width - _other_width(fall) >= BAR_WIDTH_MIN
    bars = [""] if has_room else []
    return [
        "step",
        "engine",
        *bars,
        "time",
        "first",
        "prompt",
        "cached",
        "new",
        *(["cost"] if has_cost else []),
    ]


def _other_width(fall: Waterfall) -> int:
    """Characters that all columns but the bars take."""
    names = max((len(bar.label) for bar in fall.bars), default=0)
    return names + max((len(bar.engine) for bar in fall.bars), default=0) + NUMBERS_WIDTH


def _title(info: RunInfo, fall: Waterfall) -> Text:
    facts = [info.id, info.command, info.status.value, seconds(fall.total_ms), usage_words(fall.usage)]
    return Text("  ".join(filter(None, facts)), style="bold")


def _cells(bar: Bar, total_ms: int, room: int) -> dict[str, Text]:
    sign, style = STATE_STYLES[bar.state]
    usage = bar.usage
    counts = {"prompt": usage.prompt_tokens, "cached": usage.cached_tokens, "new": usage.completion_tokens}
    first = seconds(bar.first_token_ms) if bar.first_token_ms is not None else ""
    return {
        "step": Text(f"{sign} {bar.label}", style=style),
        "engine": Text(bar.engine),
        "": Text(bar_text(bar, total_ms, min(BAR_WIDTH, room)), style=style),
        "time": Text(seconds(bar.duration_ms)),
        "first": Text(first),
        **{name: Text(str(count) if usage.prompt_tokens else "") for name, count in counts.items()},
        "cost": Text(f"${usage.cost_usd:.4f}" if usage.cost_usd else ""),
    }


def bar_text(bar: Bar, total_ms: int, width: int = BAR_WIDTH) -> str:
    """The bar as `width` characters; a step however short shows one."""
    scale = width / max(1, total_ms)
    start = min(width - 1, int(bar.start_ms * scale))
    length = max(1, min(width - start, round(bar.duration_ms * scale)))
    return " " * start + "━" * length + " " * (width - start - length)


def _show_step(reader: Reader, info: RunInfo, name: str, *, as_json: bool) -> None:
    record = History.of(reader.events(info.id)).step(name)
    if as_json:
        print(encode(record).decode())
        return
    from naestro.terminal.step import step_text

    wide_console().print(step_text(record, reader.artifact), soft_wrap=True)


def _write_page(reader: Reader, info: RunInfo, html: Path) -> None:
    from naestro.terminal.page import page

    document = page(info, reader.events(info.id), reader.artifact)
    try:
        html.write_text(document, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{html} cannot be written: {error.strerror}.", hint="Name a file that you can write."
        ) from error
    print(f"{html}: {len(document.encode()) // 1024 + 1} KiB")


async def _print_json(reader: Reader, info: RunInfo, *, is_following: bool) -> None:
    printer = JsonPrinter()
    async for news in _changes(reader, info, is_following=is_following):
        for event in news:
            printer.show(event)


async def _follow_table(reader: Reader, info: RunInfo) -> None:
    """Draw the run as it grows; what stays on the screen is the table of how it ended."""
    from naestro.terminal.live import LivePrinter

    printer = LivePrinter(is_answer=True)
    try:
        async for news in _changes(reader, info, is_following=True):
            for event in news:
                printer.show(_as_delta(event))
    finally:
        printer.pause()
    _show_table(reader, info.id)


def _as_delta(event: Event) -> Event | Delta:
    """Recorded text as it once arrived; every other event as it is."""
    if isinstance(event.data, Tokens) and event.step is not None:
        return Delta(event.run, event.step, event.data.call, event.data.text)
    return event


def _show_table(reader: Reader, run: str) -> None:
    """Print the table of a run, and what it waits for."""
    info, events, console = reader.run(run), reader.events(run), wide_console()
    console.print(table(info, events, width=console.width))
    if info.status is RunStatus.WAITING:
        print("\n".join(["", *question_lines(History.of(events), reader.artifact)]))


async def _changes(reader: Reader, info: RunInfo, *, is_following: bool) -> AsyncIterator[list[Event]]:
    """The run's events in portions; while following, until the run ends or nobody works on it.

    A run that waits is worked on as long as somebody holds the journal: an answer may come at any moment.
    """
    seen, version = 0, -1
    while True:
        status = reader.run(info.id).status
        if (committed := reader.version()) != version:
            version = committed
            if news := reader.events(info.id, after=seen):
                seen = news[-1].seq
                yield news
        if not is_following or not _is_worked_on(status):
            return
        await anyio.sleep(POLL_S)


def _is_worked_on(status: RunStatus) -> bool:
    return status is RunStatus.RUNNING or (status is RunStatus.WAITING and is_held(home()))
