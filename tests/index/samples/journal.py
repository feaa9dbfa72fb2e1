"""A journal of events, kept in one file."""

import json
from pathlib import Path

from .clock import now as current

LIMIT = 3
default_path: Path = Path("journal.jsonl")


class Journal:
    """Appends events and reads them back."""

    encoding = "utf-8"

    def __init__(self, path: Path = default_path) -> None:
        self.path = path

    # How many events there are.
    @property
    def count(self) -> int:
        """Lines, not events."""
        return len(self.path.read_text(self.encoding).splitlines())

    @staticmethod
    @retried(
        times=LIMIT,
    )
    async def append(
        event: dict[str, object],
        *,
        path: Path,
    ) -> None:
        """Write one event; `count` knows it then."""

        def encoded() -> str:
            return json.dumps({**event, "time": current()})

        path.write_text(f"{encoded()}\n")


def retried(times: int):
    """Decorate with retries."""
    return lambda function: function
