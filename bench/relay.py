"""What a front end costs: its start against a bare interpreter's, with a warm and a cold daemon, and the memory.

An editor starts one for each window. The clock runs from the start of the process until the response to `initialize` is
read; with a warm daemon that response is the daemon's own, so it counts too. Pairs run in turn.
"""

import subprocess
import sys
import time
from pathlib import Path

from bench.front_end import FrontEnd, daemon_of, daemon_stand, end_daemon, proportional_mb, resident_mb
from bench.row import Row, row
from bench.stand import Stand

PAIRS = 30
COLD_STARTS = 5
IDLE_S = 2.0
"""How long the daemon is left alone before its memory is read."""


def measure() -> list[Row]:
    """Start and memory."""
    with daemon_stand() as stand:
        with FrontEnd(stand.workspace) as first:
            first.greet()
        pairs = [(_bare_s(stand.workspace), _greeting_s(stand)) for _ in range(PAIRS)]
        memory = _memory(stand)
        cold = [_cold_s(stand) for _ in range(COLD_STARTS)]
    against = "the same Python's -c pass, in turn"
    return [
        row(
            "relay: start to `initialize`, warm daemon",
            [ours / bare for bare, ours in pairs],
            "x",
            at_most=3,
            against=against,
        ),
        row("relay: the same, time", [ours * 1000 for _, ours in pairs], "ms", against="nothing"),
        row("relay: a bare interpreter", [bare * 1000 for bare, _ in pairs], "ms", against="nothing"),
        row("relay: start to `initialize`, cold daemon", cold, "s", at_most=2, against="nothing"),
        *memory,
    ]


def _greeting_s(stand: Stand) -> float:
    with FrontEnd(stand.workspace) as agent:
        return agent.greet()


def _cold_s(stand: Stand) -> float:
    end_daemon(stand)
    return _greeting_s(stand)


def _bare_s(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=folder, timeout=60)
    return time.perf_counter() - began


def _memory(stand: Stand) -> list[Row]:
    """Of a front end with a session, and of the daemon when that front end has gone."""
    with FrontEnd(stand.workspace) as agent:
        agent.greet()
        agent.new()
        relay = resident_mb(agent.pid)
    time.sleep(IDLE_S)
    daemon = daemon_of(stand)
    assert daemon is not None
    rows = [
        row("relay: memory, resident", [relay], "MB", at_most=15, against="nothing; with a session open"),
        row(
            "relay: the daemon, idle",
            [resident_mb(daemon)],
            "MB",
            at_most=150,
            against="nothing; after a session",
        ),
    ]
    if (proportional := proportional_mb(daemon)) is not None:
        rows.append(row("relay: the daemon, idle, its share alone", [proportional], "MB", against="nothing"))
    return rows
