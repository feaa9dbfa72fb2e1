"""How long to wait before the same request is sent again: full jitter, or what the server asks for.

`openai` above retries only before the first token, so nothing is ever generated twice. It knows no HTTP but the
header. Source: M. Brooker, "Exponential Backoff And Jitter" (2015). `stamina` is not used here: it adds jitter to a
fixed wait, and many steps that were refused together would come back together.
"""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BACKOFF_MAX_S = 20.0
"""A wait longer than this is not worth it: another engine answers sooner."""


def backoff_s(attempt: int, base_s: float) -> float:
    """Seconds before try `attempt` (1 for the first retry): evenly from 0 to `base_s` doubled each time."""
    ceiling_s = min(BACKOFF_MAX_S, base_s * 2 ** (attempt - 1))
    return random.uniform(0, ceiling_s)  # noqa: S311 - spreads load, guards nothing


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a `Retry-After` header asks for, at least 0; None where it says nothing usable.

    Both forms of RFC 9110, section 10.2.3: seconds (fractions accepted), or a date.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _seconds_until(header)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
