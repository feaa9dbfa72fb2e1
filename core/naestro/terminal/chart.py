"""The waterfall as a table of one line a step, drawn with characters: what `trace` prints and the live view redraws."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from naestro.runs.records import StepState
from naestro.runs.waterfall import Bar, Waterfall, seconds, usage_words, waterfall
from naestro.terminal.plain import PIPE_WIDTH
from naestro.terminal.text import one_line
from naestro.types import Event, RunInfo, RunStatus

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


def table(
    info: RunInfo, events: Sequence[Event], *, width: int = PIPE_WIDTH, now: str | None = None
) -> RenderableType:
    """The waterfall of a run as a table of at most `width` characters; the bars give way where it is narrow."""
    fall = waterfall(events, now=now, is_left=info.status is RunStatus.STOPPED)
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
