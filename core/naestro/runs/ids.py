"""Ids of runs: 26 characters that sort by time, as in the ULID specification (github.com/ulid/spec), lowercase.

48 bits of milliseconds, then 80 bits of chance. Nothing of Naestro lies below; it knows no journal and no clock.
"""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no i, l, o, u, so that an id can be read aloud."""

LENGTH = 26
CHANCE_BITS = 80


def encode_id(number: int) -> str:
    """`number` (0 to 2**128 - 1) as 26 characters; larger numbers sort later."""
    return "".join(ALPHABET[number >> shift & 31] for shift in range((LENGTH - 1) * 5, -1, -5))


def decode_id(text: str) -> int:
    """The number behind an id; raises `ValueError` when a character is none of the alphabet's."""
    number = 0
    for character in text:
        number = number << 5 | ALPHABET.index(character)
    return number


class RunIds:
    """Gives ids of which each is larger than any before, also when the clock goes back."""

    def __init__(self, last: str | None) -> None:
        """Go on after `last`, the largest id given so far."""
        self._last = decode_id(last) if last else 0

    def next(self, time_ms: int) -> str:
        """The id of a run that starts at `time_ms`, milliseconds since 1970 UTC."""
        fresh = time_ms << CHANCE_BITS | secrets.randbits(CHANCE_BITS)
        is_later = fresh >> CHANCE_BITS > self._last >> CHANCE_BITS
        self._last = fresh if is_later else self._last + 1
        return encode_id(self._last)
