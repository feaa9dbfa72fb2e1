"""The waterfall of a run as a Markdown table: what `/trace` shows, again and again while the run works.

Pure; the bars come from the client's `waterfall`. `views` above sends it.
"""

from collections.abc import Sequence

from naestro.client.api import Bar, Waterfall, seconds, usage_words, waterfall
from naestro.types import Event, RunInfo, RunStatus

BAR_WIDTH = 20
SIGNS = {"open": "○", "running": "●", "finished": "✓", "failed": "✗", "dropped": "✗", "interrupted": "◐"}


def trace_table(info: RunInfo, events: Sequence[Event], *, now: str | None = None) -> str:
    """The run `info` with its `events`, at least one, as Markdown."""
    fall = waterfall(events, now=now, is_left=info.status is RunStatus.STOPPED)
    facts = [f"`{info.id}`", info.command, info.status.value, seconds(fall.total_ms), usage_words(fall.usage)]
    notes = [f"- {bar.label}: {' '.join(bar.note.split())}" for bar in fall.bars if bar.note]
    return "\n".join([
        f"**{'  '.join(filter(None, facts))}**",
        "",
        "| step | engine | | time | first token | prompt | cached | new |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        *[_row(bar, fall) for bar in fall.bars],
        "",
        *notes,
    ])  # fmt: skip


def _row(bar: Bar, fall: Waterfall) -> str:
    first = seconds(bar.first_token_ms) if bar.first_token_ms is not None else ""
    usage = bar.usage
    counts = [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens]
    cells = [
        f"{SIGNS[bar.state.value]} {bar.label}",
        bar.engine,
        f"`{_bar(bar, fall.total_ms)}`",
        seconds(bar.duration_ms),
        first,
        *[str(count) if usage.prompt_tokens else "" for count in counts],
    ]
    return f"| {' | '.join(cells)} |"


def _bar(bar: Bar, total_ms: int) -> str:
    scale = BAR_WIDTH / max(1, total_ms)
    start = min(BAR_WIDTH - 1, int(bar.start_ms * scale))
    length = max(1, min(BAR_WIDTH - start, round(bar.duration_ms * scale)))
    return "·" * start + "━" * length + "·" * (BAR_WIDTH - start - length)
