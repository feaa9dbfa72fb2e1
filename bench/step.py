"""A durable step with nothing in it: both events, the output and the sync to disk."""

import time
from pathlib import Path

import anyio

from bench.journal import started
from bench.row import Row, row
from bench.stand import own_folder
from naestro.runs.attempt import Attempt
from naestro.runs.execution import execute
from naestro.runs.journal import open_journal
from naestro.runs.run import Run, StepSpec
from naestro.types import StepKind, Value

STEPS = 400


class Nothing(Value, frozen=True):
    """The result of a flow that does nothing."""


def measure() -> list[Row]:
    """Milliseconds a step, one after the other in one run."""
    with own_folder() as folder:
        samples = anyio.run(_steps, folder)
    return [
        row(
            "step: empty durable step",
            samples[STEPS // 10 :],
            "ms",
            at_most=2,
            against="nothing; synchronous=FULL (DBOS on SQLite took 1.6 to 15 ms)",
        )
    ]


async def _steps(folder: Path) -> list[float]:
    samples: list[float] = []

    async def flow(run: Run) -> Value:
        for number in range(STEPS):
            began = time.perf_counter()
            await run.step(StepSpec(f"step.{number}", StepKind.EXECUTE), _nothing, Nothing)
            samples.append((time.perf_counter() - began) * 1000)
        return Nothing()

    async with open_journal(folder / "home", holder="bench") as journal:
        await execute(journal, await journal.create_run(started()), flow)
    return samples


async def _nothing(attempt: Attempt) -> Nothing:
    return Nothing()
