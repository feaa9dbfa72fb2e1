"""From SIGKILL to the first resumed step.

A run of the real command is killed while its proposers stream, and `naestro resume` is started at once. The clock runs
from the kill until the first `step.started` behind `run.resumed` is printed, so it counts the new interpreter, its
imports, opening the journal and reading the run. The engine is scripted and in a process of its own: it is up already,
so what is measured is what comes on top of an engine's start.

Where the time goes is taken apart by programs that stop earlier: a bare interpreter, one that imports what `resume`
imports, one that opens the journal too.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from bench.row import Row, row
from bench.stand import SOURCE_NAME, ScriptedEngine, Stand, own_stand, scripted_engine

KILLS = 15
TEXTS_BEFORE = 3
"""Events with text before the kill: all proposers have called by then."""
TASK = "How does this queue keep jobs of equal urgency in their order?"
GOAL_MS = 200
GOAL_MULTIPLE = 25
"""The same goal where the machine is busy: 200 ms were set where a bare interpreter takes 8."""

BARE = "import os; os._exit(0)"
IMPORTS = f"import naestro.app, naestro.cli, naestro.terminal.watch, anyio._backends._asyncio; {BARE}"
OPENED = """
import os, anyio, naestro.app, naestro.cli, naestro.terminal.watch
async def opened():
    async with naestro.app.open_client("bench"):
        os._exit(0)
anyio.run(opened)
"""
"""The parts, each ended on the spot: an interpreter that ends in good order takes a while to clear up."""


def measure() -> list[Row]:
    """The time to the first resumed step, and its parts, one on top of the other."""
    with own_stand() as stand, scripted_engine(stand) as engine:
        _one(stand, engine)
        return _rows(*zip(*(_one(stand, engine) for _ in range(KILLS)), strict=True))


def _one(stand: Stand, engine: ScriptedEngine) -> tuple[float, ...]:
    """One kill, then each part once: all in milliseconds."""
    parts = (_milliseconds(stand, code) for code in ("pass", BARE, IMPORTS, OPENED))
    return *_recover(stand, engine), *parts


def _rows(
    step: Sequence[float],
    call: Sequence[float],
    whole: Sequence[float],
    bare: Sequence[float],
    imports: Sequence[float],
    opened: Sequence[float],
) -> list[Row]:
    against = "SIGKILL of a run whose proposers stream; the engine is up"
    multiples = [ours / theirs for ours, theirs in zip(step, whole, strict=True)]
    parts = "nothing; a program of its own, in turn with the kills"
    in_turn = "the same Python's -c pass, in turn"
    return [
        row("recovery: first resumed step", step, "ms", at_most=GOAL_MS, against=against),
        row("recovery: as a multiple", multiples, "x", at_most=GOAL_MULTIPLE, against=in_turn),
        row("recovery: until the engine is called", call, "ms", against=against),
        row("recovery: part 1, a bare interpreter", bare, "ms", against=parts),
        row("recovery: parts 1 and 2, imports", imports, "ms", against=parts),
        row("recovery: parts 1 to 3, the journal open", opened, "ms", against=parts),
    ]


def _recover(stand: Stand, engine: ScriptedEngine) -> tuple[float, float]:
    """Milliseconds from a kill to the first resumed step, and to its first call at the engine."""
    with _start(stand, "explain", TASK, SOURCE_NAME) as victim:
        texts = (event for event in _events(victim) if event["type"] == "tokens")
        run = [next(texts) for _ in range(TEXTS_BEFORE)][-1]["run"]
        calls = len(engine.arrivals())
        killed = time.monotonic()
        victim.kill()
    with _start(stand, "resume", run) as heir:
        events = _events(heir)
        next(event for event in events if event["type"] == "run.resumed")
        next(event for event in events if event["type"] == "step.started")
        stepped = time.monotonic()
        next(event for event in events if event["type"] == "tokens")
        heir.kill()
    return (stepped - killed) * 1000, (engine.arrivals()[calls] - killed) * 1000


def _start(stand: Stand, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "naestro", *arguments, "--json"],
        cwd=stand.workspace,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _events(program: subprocess.Popen[bytes]) -> Iterator[dict]:
    assert program.stdout is not None
    return (json.loads(line) for line in program.stdout)


def _milliseconds(stand: Stand, code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=stand.workspace, check=True, timeout=60)
    return (time.perf_counter() - began) * 1000
