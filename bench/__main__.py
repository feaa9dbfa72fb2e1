"""`python -m bench [NAME …]`: run the benches, print a table, write `bench/results/latest.json`.

Only the rows of the benches that ran are written anew.
"""

import importlib
import os
import platform
import sys
import time

from bench.row import RESULTS, Row, write

BENCHES = (
    "start",
    "relay",
    "acp",
    "peers",
    "mcp",
    "journal",
    "step",
    "overhead",
    "engine",
    "prefix",
    "recovery",
    "memory",
    "index",
    "retrieval",
)


def main() -> int:
    """Run the named benches, or all; 0 also where a goal is missed, since a figure is no verdict."""
    names = sys.argv[1:] or list(BENCHES)
    unknown = sorted(set(names) - set(BENCHES))
    if unknown:
        print(f"No bench is called {', '.join(unknown)}; there are {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names:
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench.{name}").measure()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print_table(rows)
    write(rows, machine(), BENCHES)
    print(f"written to {RESULTS.relative_to(RESULTS.parents[2])}", file=sys.stderr)
    return 0


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
    }


def print_table(rows: list[Row]) -> None:
    """Print one line a figure."""
    width = max(len(r.name) for r in rows)
    print(f"{'':<{width}}  {'median':>10}  {'min':>10}  {'max':>10}  {'goal':<14}  met")
    for r in rows:
        low, high = r.spread
        met = {True: "yes", False: "NO", None: ""}[r.is_met]
        print(
            f"{r.name:<{width}}  {r.value:>10.3f}  {low:>10.3f}  {high:>10.3f}  {r.goal:<14}  {met}  ({r.unit})"
        )


if __name__ == "__main__":
    raise SystemExit(main())
