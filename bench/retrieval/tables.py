"""The figures of a run as text: means of each contender, and its paired difference to the shipped search."""

from collections.abc import Sequence

import numpy as np

from bench.retrieval.metrics import NAMES, interval, means
from bench.retrieval.running import Asked

SHIPPED = "shipped"


def joined(found: Sequence[Asked], kind: str, contender: str, beside: str = "") -> np.ndarray:
    """The scores of one contender on one set, `(cases, metrics)`, in the order of the sources.

    `beside` names another one: only the cases count then that both were asked.
    """
    own = {one.source: one.scores for one in found if (one.kind, one.contender) == (kind, contender)}
    other = {
        one.source: len(one.scores)
        for one in found
        if (one.kind, one.contender) == (kind, beside or contender)
    }
    rows = [row for source in sorted(own.keys() & other) for row in own[source][: other[source]]]
    return np.array(rows, np.float64).reshape(-1, len(NAMES))


def table(found: Sequence[Asked]) -> str:
    """Both sets, a Markdown table each; a difference is starred where its interval does not hold 0."""
    return "\n\n".join(_of(found, kind) for kind in dict.fromkeys(one.kind for one in found))


def _of(found: Sequence[Asked], kind: str) -> str:
    shipped = joined(found, kind, SHIPPED)
    lines = [
        f"{kind}: {len(shipped)} cases",
        "",
        f"| | {' | '.join(NAMES)} |",
        f"|---|{'---:|' * len(NAMES)}",
    ]
    for contender in dict.fromkeys(one.contender for one in found if one.kind == kind):
        own = joined(found, kind, contender)
        figures = [f"{value:.3f}" for value in means(own)]
        if contender != SHIPPED:
            gains = _gains(joined(found, kind, SHIPPED, contender), own)
            figures = [f"{a} ({b})" for a, b in zip(figures, gains, strict=True)]
        name = contender if len(own) == len(shipped) else f"{contender} ({len(own)} cases)"
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _gains(shipped: np.ndarray, own: np.ndarray) -> list[str]:
    """What the shipped search has more, with half the width of the interval."""
    mean, low, high = interval(shipped, own)
    return [
        f"{m:+.3f} ±{(b - a) / 2:.3f}{'*' if a > 0 or b < 0 else ''}"
        for m, a, b in zip(mean, low, high, strict=True)
    ]
