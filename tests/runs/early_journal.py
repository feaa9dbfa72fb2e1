"""A journal of version 0, as `naestro.runs.schema` documents it: what an early sketch would have left behind."""

import sqlite3
from contextlib import closing
from pathlib import Path

from naestro.runs.journal import digest_of
from naestro.types import Event, StepFinished, Usage, encode
from tests.runs.journals import begun, notice, step_begins, step_ends

FIRST = "01jeaaaaaaaaaaaaaaaaaaaaaa"
SECOND = "01jebbbbbbbbbbbbbbbbbbbbbb"
OUTPUT = b'{"text": "an early answer"}'

TABLES = (
    """CREATE TABLE events (run TEXT, seq INTEGER, time TEXT, type TEXT, step TEXT, revision INTEGER,
                            attempt INTEGER, data TEXT, PRIMARY KEY (run, seq))""",
    "CREATE TABLE artifacts (digest TEXT PRIMARY KEY, data BLOB)",
)


def _at(run: str, seq: int, second: int, draft_data: object, **place: object) -> Event:
    return Event(
        run=run,
        seq=seq,
        time=f"2026-01-31T12:00:{second:02}.{seq:03}Z",
        type=draft_data.TYPE,  # pyright: ignore[reportAttributeAccessIssue]
        data=draft_data,  # pyright: ignore[reportArgumentType]
        **place,  # pyright: ignore[reportArgumentType]
    )


STEP = {"step": "propose.1", "revision": 1, "attempt": 1}
EVENTS = [
    _at(FIRST, 1, 0, begun("/first")),
    _at(SECOND, 1, 1, begun("/second")),
    _at(FIRST, 2, 2, step_begins("propose.1").data, **STEP),
    _at(SECOND, 2, 3, notice("meanwhile").data),
    _at(FIRST, 3, 4, StepFinished(digest_of(OUTPUT), Usage(), 5), **STEP),
    _at(FIRST, 4, 4, step_ends("propose.2", OUTPUT).data, step="propose.2", revision=2, attempt=3),
]
"""In order of their times."""


def write_early_journal(home: Path) -> Path:
    """The file, as version 0 left it."""
    home.mkdir()
    with closing(sqlite3.connect(home / "journal.db")) as connection, connection:
        for statement in TABLES:
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (e.run, e.seq, e.time, e.type, e.step, e.revision, e.attempt, encode(e.data).decode())
                for e in EVENTS
            ],
        )
        connection.execute("INSERT INTO artifacts VALUES (?, ?)", (digest_of(OUTPUT), OUTPUT))
    return home / "journal.db"
