"""Events appended per second, twenty runs at once, against bare `sqlite3` inserts in equal batches.

Both write rows of the same text at full sync into a file of their own in the same folder, in turn, and write the log
back to the file as rarely. Each of the twenty runs waits until its event is durable before it appends the next, so the
journal's group commit has twenty to share; the bare inserts commit every twenty rows.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio

from bench.row import Row, row
from bench.stand import own_folder
from naestro.runs.database import make_durable
from naestro.runs.journal import Draft, Journal, open_journal
from naestro.types import Notice, Origin, RunStarted, encode

RUNS = 20
EVENTS = 100
ROUNDS = 7
TEXT = "a sentence about what happened, about as long as most events are in a real run of the council" * 2


def measure() -> list[Row]:
    """Ratios pair by pair, and the plain figures."""
    with own_folder() as folder:
        ours, bare = anyio.run(_rounds, folder)
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    return [
        row(
            "journal: events a second, 20 runs",
            ratios,
            "x",
            at_least=0.5,
            against=f"bare sqlite3, {RUNS} rows a commit, synchronous=FULL",
        ),
        row("journal: events a second", ours, "1/s", against="nothing"),
        row("journal: bare sqlite3 rows a second", bare, "1/s", against="nothing"),
    ]


async def _rounds(folder: Path) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    with closing(_bare(folder / "bare.db")) as connection:
        async with open_journal(folder / "home", holder="bench") as journal:
            for number in range(ROUNDS + 1):
                ours.append(await _append(journal))
                bare.append(_insert(connection, number))
    return ours[1:], bare[1:]


async def _append(journal: Journal) -> float:
    runs = [await journal.create_run(started()) for _ in range(RUNS)]
    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for run in runs:
            tasks.start_soon(_events_of, journal, run)
    return RUNS * EVENTS / (time.perf_counter() - began)


async def _events_of(journal: Journal, run: str) -> None:
    for _ in range(EVENTS):
        await journal.write(run, Draft(Notice(TEXT)))


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    make_durable(connection)
    connection.execute(
        "CREATE TABLE events (number INTEGER PRIMARY KEY, run TEXT, seq INTEGER, time TEXT, type TEXT, data TEXT)"
    )
    connection.execute("CREATE UNIQUE INDEX by_run ON events (run, seq)")
    return connection


def _insert(connection: sqlite3.Connection, number: int) -> float:
    insert = "INSERT INTO events (run, seq, time, type, data) VALUES (?, ?, ?, ?, ?)"
    runs = [f"01jdrun{number:03}{run:016}" for run in range(RUNS)]
    began = time.perf_counter()
    for seq in range(EVENTS):
        connection.execute("BEGIN IMMEDIATE")
        for run in runs:
            row = (run, seq, "2026-01-31T12:00:00.123Z", "notice", encode(Notice(TEXT)).decode())
            connection.execute(insert, row)
        connection.execute("COMMIT")
    return RUNS * EVENTS / (time.perf_counter() - began)


def started() -> RunStarted:
    return RunStarted(command="bench", task={}, workspace="/", origin=Origin.CLI, settings={}, seed=1)
