"""Documents that lie in the journal's file beside the runs: what is written for a key, and taken away.

`client.documents` above brings values as JSON and runs these jobs through the journal's writer; `reader` reads. They
are no events: nothing is kept of what a document said before. Below lies the table alone.
"""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Put:
    """Keep `value` under a key, in place of what was there, as the latest of its collection."""

    collection: str
    key: str
    value: bytes

    def __call__(self, tx: sqlite3.Connection) -> None:
        """Write it."""
        tx.execute(
            "INSERT OR REPLACE INTO documents (collection, key, value) VALUES (?, ?, ?)",
            (self.collection, self.key, self.value),
        )


@dataclass(frozen=True, slots=True)
class Delete:
    """Take away what lies under a key, if anything does."""

    collection: str
    key: str

    def __call__(self, tx: sqlite3.Connection) -> None:
        """Delete it."""
        tx.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (self.collection, self.key))
