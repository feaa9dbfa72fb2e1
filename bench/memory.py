"""How much memory Naestro takes, in megabytes: its own process at its largest, and the engine's beside it.

No goal stands behind these figures; they are the price of the others.
"""

import subprocess
import sys
from functools import partial

import anyio

from bench.council import TASK
from bench.real import CONTEXT_TOKENS, fetch, own_engine, started
from bench.row import Row, row
from bench.stand import SMALLEST, SOURCE_NAME, Stand, own_stand, scripted_engine

MEGABYTE = 1_000_000
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of `ru_maxrss`: bytes on macOS, else KiB."""
SHIM = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measure() -> list[Row]:
    """The process of each kind of command, and one engine."""
    fetch()
    with own_stand() as stand, scripted_engine(stand):
        peak = partial(_peak_mb, stand)
        return [
            row("memory: a bare interpreter", [peak("-c", "pass")], "MB", against="nothing"),
            row("memory: naestro runs", [peak("-m", "naestro", "runs")], "MB", against="nothing"),
            row(
                "memory: naestro explain, a whole run",
                [peak("-m", "naestro", "explain", TASK, SOURCE_NAME)],
                "MB",
                against="nothing; the scripted engine is another process",
            ),
            row(
                f"memory: the engine of {SMALLEST}",
                [anyio.run(_engine_mb, stand)],
                "MB",
                against=f"nothing; started, 4 slots of {CONTEXT_TOKENS} tokens; the model's file is mapped",
            ),
        ]


def _peak_mb(stand: Stand, *arguments: str) -> float:
    """The largest resident size of a command; a small process starts it, since a fork counts its parent's size."""
    shim = [sys.executable, "-c", SHIM, sys.executable, *arguments]
    said = subprocess.run(
        shim, cwd=stand.workspace, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    return int(said.stdout) * MAXRSS_BYTES / MEGABYTE


async def _engine_mb(stand: Stand) -> float:
    """The resident size of an engine's processes, the guard too."""
    async with own_engine(stand) as engine:
        group = (await started(engine)).pid
        listing = await anyio.run_process(["ps", "-A", "-o", "pgid=,rss="])
    rows = [line.split() for line in listing.stdout.decode().splitlines()]
    return sum(int(rss) * 1024 for owner, rss in rows if int(owner) == group) / MEGABYTE
