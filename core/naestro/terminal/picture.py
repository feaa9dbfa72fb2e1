"""The waterfall as a picture: one SVG, drawn with the page's own colours, readable without scripts."""

from collections.abc import Iterator
from html import escape

from naestro.runs.waterfall import Bar, Waterfall, seconds

WIDTH = 960
LABEL_WIDTH = 290
ROW_HEIGHT = 26
BAR_HEIGHT = 14
AXIS_HEIGHT = 28
TICKS = 5
MIN_BAR_WIDTH = 2.0


def svg(fall: Waterfall) -> str:
    """The picture, `WIDTH` units wide; each bar carries its facts as a title that a pointer shows."""
    height = AXIS_HEIGHT + ROW_HEIGHT * len(fall.bars) + 6
    rows = [line for number, bar in enumerate(fall.bars) for line in _row(number, bar, fall.total_ms)]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Waterfall of the steps">',
            *_axis(fall.total_ms, height),
            *rows,
            "</svg>",
        ]
    )


def _axis(total_ms: int, height: int) -> Iterator[str]:
    for number in range(TICKS + 1):
        at = LABEL_WIDTH + (WIDTH - LABEL_WIDTH - 40) * number / TICKS
        yield f'<line class="grid" x1="{at:.1f}" y1="20" x2="{at:.1f}" y2="{height}"/>'
        yield f'<text class="tick" x="{at:.1f}" y="13">{seconds(total_ms * number / TICKS)}</text>'


def _row(number: int, bar: Bar, total_ms: int) -> Iterator[str]:
    scale = (WIDTH - LABEL_WIDTH - 40) / max(1, total_ms)
    top = AXIS_HEIGHT + number * ROW_HEIGHT
    x, width = LABEL_WIDTH + bar.start_ms * scale, max(MIN_BAR_WIDTH, bar.duration_ms * scale)
    yield "<g>"
    yield f"<title>{escape(facts(bar))}</title>"
    yield f'<text class="step" x="0" y="{top + 12}">{escape(bar.label)}</text>'
    yield f'<text class="engine" x="{LABEL_WIDTH - 12}" y="{top + 12}">{escape(bar.engine)}</text>'
    yield (
        f'<rect class="bar {bar.kind} {bar.state.value}" x="{x:.1f}" y="{top}" '
        f'width="{width:.1f}" height="{BAR_HEIGHT}" rx="3"/>'
    )
    if bar.first_token_ms is not None and bar.attempts == 1:
        reading = min(width, bar.first_token_ms * scale)
        yield f'<rect class="reading" x="{x:.1f}" y="{top}" width="{reading:.1f}" height="{BAR_HEIGHT}" rx="3"/>'
    yield "</g>"


def facts(bar: Bar) -> str:
    """What is known of a bar, in one sentence."""
    parts = [f"{bar.label}: {bar.state.value}, {seconds(bar.duration_ms)}"]
    if bar.engine:
        parts.append(f"by {bar.engine}" + (f" ({bar.route})" if bar.route else ""))
    if bar.first_token_ms is not None:
        parts.append(f"first token after {seconds(bar.first_token_ms)}")
    if bar.usage.prompt_tokens:
        parts.append(
            f"{bar.usage.prompt_tokens} prompt tokens, {bar.usage.cached_tokens} of them cached, "
            f"{bar.usage.completion_tokens} generated"
        )
    if bar.note:
        parts.append(bar.note)
    return ", ".join(parts)
