"""Conditions under which events of a run may be written, checked inside the journal's transaction.

`AttemptGuard` in `drafts` holds for everything between the beginning and the end of an attempt; these hold for the
beginning, for a drop, and for what concerns all steps at once.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from naestro.errors import StaleAttempt
from naestro.runs.drafts import AttemptGuard, Draft
from naestro.types import EventData, RunStatus


@dataclass(frozen=True, slots=True)
class Place:
    """Which attempt an event belongs to."""

    run: str
    step: str
    revision: int
    attempt: int
    fence: int

    @property
    def key(self) -> str:
        """`run/step/revision/attempt`."""
        return f"{self.run}/{self.step}/{self.revision}/{self.attempt}"

    def draft(self, data: EventData) -> Draft:
        """`data` as an event of this attempt."""
        return Draft(data, step=self.step, revision=self.revision, attempt=self.attempt)

    def guard(self) -> AttemptGuard:
        """Lets this attempt write as long as it is the current one."""
        return AttemptGuard(self.run, self.step, self.revision, self.attempt, self.fence)


@dataclass(frozen=True, slots=True)
class StartGuard:
    """Lets an attempt begin only right after the one before it, and with what the steps that it reads say now."""

    place: Place
    reads: Mapping[str, int]
    """The revisions of other steps that the attempt has seen."""

    def check(self, tx: sqlite3.Connection) -> None:
        """Compare with the rows of the steps; raises `StaleAttempt`."""
        place = self.place
        row: tuple[int, int, str] | None = tx.execute(
            "SELECT revision, attempt, state FROM steps WHERE run = ? AND step = ?", (place.run, place.step)
        ).fetchone()
        revision, attempt, state = row or (1, 0, "open")
        if state == "finished" or (revision, attempt) != (place.revision, place.attempt - 1):
            raise StaleAttempt(f"The attempt {place.key} cannot begin: the step has moved on without it.")
        if self.reads:
            now = dict(tx.execute("SELECT step, revision FROM steps WHERE run = ?", (place.run,)))
            if any(now.get(step) != seen for step, seen in self.reads.items()):
                raise StaleAttempt(
                    f"The attempt {place.key} cannot begin: a step that it reads has a new revision."
                )


@dataclass(frozen=True, slots=True)
class DropGuard:
    """Lets a step be dropped only by its newest attempt, whether that has failed or still stands as begun."""

    place: Place

    def check(self, tx: sqlite3.Connection) -> None:
        """Compare with the step's row; raises `StaleAttempt`."""
        place = self.place
        row: tuple[int, int, int] | None = tx.execute(
            "SELECT revision, attempt, fence FROM steps WHERE run = ? AND step = ? AND state != 'finished'",
            (place.run, place.step),
        ).fetchone()
        if row != (place.revision, place.attempt, place.fence):
            raise StaleAttempt(f"The step {place.step} cannot be dropped by {place.key}: it has moved on.")


@dataclass(frozen=True, slots=True)
class RevisionsGuard:
    """Holds while every step of the run stands at the revision that the writer has seen."""

    run: str
    seen: Mapping[str, int]

    def check(self, tx: sqlite3.Connection) -> None:
        """Compare with the rows of all steps; raises `StaleAttempt`."""
        rows = tx.execute("SELECT step, revision FROM steps WHERE run = ?", (self.run,))
        if any(self.seen.get(step) != revision for step, revision in rows):
            raise StaleAttempt(
                f"A step of the run {self.run} has a new revision; what came before it was not kept."
            )


@dataclass(frozen=True, slots=True)
class OwnerGuard:
    """Lets an owner end a run that it still has in hand, once."""

    run: str
    fence: int

    def check(self, tx: sqlite3.Connection) -> None:
        """Compare with the run's row; raises `StaleAttempt`."""
        row: tuple[str, int] | None = tx.execute(
            "SELECT status, fence FROM runs WHERE id = ?", (self.run,)
        ).fetchone()
        if row != (RunStatus.RUNNING, self.fence):
            raise StaleAttempt(f"The run {self.run} has ended already, or another owner goes on with it.")
