"""Times as the journal keeps and tells them: milliseconds since 1970 UTC, and RFC 3339 text. Knows nothing else."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Milliseconds since 1970 UTC; may go back, the store takes care of that."""


def now_ms() -> int:
    """The time of day in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def rfc3339(time_ms: int) -> str:
    """`time_ms` as `2026-01-31T12:00:00.123Z`."""
    seconds, milliseconds = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"
