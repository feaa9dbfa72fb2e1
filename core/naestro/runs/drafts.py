"""What a caller hands to the journal: events that have no number yet, and the checks that a write depends on.

Above stands the journal, below the shared types. Nothing here knows how a write is stored.
"""

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Protocol

from naestro.errors import StaleAttempt
from naestro.types import Digest, EventData, Value


def digest_of(data: bytes) -> Digest:
    """The name of an artifact: the SHA-256 of its bytes, 64 lowercase hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


class Draft(Value, frozen=True):
    """One event before the journal gives it a number and a time."""

    data: EventData
    step: str | None = None
    revision: int | None = None
    attempt: int | None = None


class Guard(Protocol):
    """A condition that must hold inside the transaction of a write."""

    def check(self, tx: sqlite3.Connection) -> None:
        """Read the tables `steps` and `runs` through `tx`; raise a `NaestroError` to refuse the write.

        It sees every earlier write. It writes nothing and ends no transaction.
        """
        ...


@dataclass(frozen=True, slots=True)
class AttemptGuard:
    """Accepts a result only from the current attempt of the current owner at a step that is not finished."""

    run: str
    step: str
    revision: int
    attempt: int
    fence: int

    def check(self, tx: sqlite3.Connection) -> None:
        """Compare with the step's row.

        Raises:
            StaleAttempt: Another revision, attempt or owner has taken over, or the step has ended.
        """
        current: tuple[int, int, int, str] | None = tx.execute(
            "SELECT revision, attempt, fence, state FROM steps WHERE run = ? AND step = ?",
            (self.run, self.step),
        ).fetchone()
        if current != (self.revision, self.attempt, self.fence, "started"):
            raise StaleAttempt(
                f"The result of {self.run}/{self.step}/{self.revision}/{self.attempt} came too late: "
                "the step has ended or another attempt took it over. It was not kept.",
                hint=f"Run `naestro trace {self.run}` to see the attempt that counts.",
            )
