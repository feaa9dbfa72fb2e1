"""A durable step with nothing in it: both events, the output and the sync to disk.

After each step one row is inserted into a bare database in the same folder, at full sync: what of a step is the disk's.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio

from bench.journal import started
from bench.row import Row, row
from bench.stand import own_folder
from naestro.runs.attempt import Attempt
from naestro.runs.database import make_durable
from naestro.runs.execution import execute
from naestro.runs.journal import open_journal
from naestro.runs.run import Run, StepSpec
from naestro.types import StepKind, Value

STEPS = 400


class Nothing(Value, frozen=True):
    """The result of a flow that does nothing."""


def measure() -> list[Row]:
    """Milliseconds a step, one after the other in one run."""
    with own_folder() as folder, closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as bare:
        make_durable(bare)
        bare.execute("CREATE TABLE bare (number INTEGER PRIMARY KEY)")
        ours, disk = anyio.run(_steps, folder, bare)
    warm = STEPS // 10
    against = "nothing; synchronous=FULL (DBOS on SQLite took 1.6 to 15 ms)"
    return [
        row("step: empty durable step", ours[warm:], "ms", at_most=2, against=against),
        row("step: one bare row, as durable", disk[warm:], "ms", against="nothing; in turn with the steps"),
        row(
            "step: as a multiple of one bare row",
            [one / other for one, other in zip(ours[warm:], disk[warm:], strict=True)],
            "x",
            against="one bare row, in turn",
        ),
    ]


async def _steps(folder: Path, bare: sqlite3.Connection) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    disk: list[float] = []

    async def flow(run: Run) -> Value:
        for number in range(STEPS):
            began = time.perf_counter()
            await run.step(StepSpec(f"step.{number}", StepKind.EXECUTE), _nothing, Nothing)
            done = time.perf_counter()
            bare.execute("INSERT INTO bare DEFAULT VALUES")
            ours.append((done - began) * 1000)
            disk.append((time.perf_counter() - done) * 1000)
        return Nothing()

    async with open_journal(folder / "home", holder="bench") as journal:
        await execute(journal, await journal.create_run(started()), flow)
    return ours, disk


async def _nothing(attempt: Attempt) -> Nothing:
    return Nothing()
