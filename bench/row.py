"""One measured figure beside its goal."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, how much it is, what it should be."""

    name: str
    value: float
    """The median of the samples, in `unit`."""
    unit: str
    goal: str
    """The goal in words; empty for a figure that only informs."""
    is_met: bool | None
    """None where there is no goal."""
    spread: tuple[float, float]
    """The smallest and the largest sample."""
    samples: int
    against: str
    """What it was measured against, and how."""


def row(
    name: str,
    samples: Sequence[float],
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    against: str,
) -> Row:
    """The row of `samples`, with one bound at most."""
    median = statistics.median(samples)
    goal, is_met = "", None
    if at_most is not None:
        goal, is_met = f"<= {at_most:g} {unit}".strip(), median <= at_most
    elif at_least is not None:
        goal, is_met = f">= {at_least:g} {unit}".strip(), median >= at_least
    return Row(name, median, unit, goal, is_met, (min(samples), max(samples)), len(samples), against)


def write(rows: Sequence[Row], machine: dict[str, str], order: Sequence[str]) -> None:
    """Keep `rows` in `bench/results/latest.json`, with the rows there of benches that did not run now.

    A row belongs to the bench that its name begins with; `order` is that of the benches.
    """
    ran = {_bench(r.name) for r in rows}
    kept = [r for r in _written() if _bench(r["name"]) not in ran]
    document = {
        "machine": machine,
        "rows": sorted([*kept, *map(asdict, rows)], key=lambda r: order.index(_bench(r["name"]))),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def _bench(name: str) -> str:
    return name.partition(":")[0]


def _written() -> list[dict]:
    return json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
