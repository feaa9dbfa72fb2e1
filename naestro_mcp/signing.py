"""Marks that only this process makes: a cursor names where a list goes on, and is good for that list alone.

`call` above makes and takes them. A cursor is bound to the session, the tool and its arguments, so that one of another
session, another question or a client's own making is refused. It hides nothing, for there is nothing to hide.
Source: HMAC (RFC 2104) with SHA-256.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

import msgspec

from naestro.errors import InputError
from naestro.types import Json

TAG_CHARS = 32
"""128 bits of the tag: nobody guesses them."""
CURSOR_CHARS_MAX = 64
HINT = "Ask again without a cursor, and go on with the `next_cursor` of that answer."


@dataclass(frozen=True, slots=True)
class Signer:
    """The key of one host."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def cursor(self, place: int, *about: Json) -> str:
        """The mark of `place`, a number from 0, in the list that `about` describes."""
        return f"{place}-{self._tag(place, about)}"

    def place(self, cursor: str, *about: Json) -> int:
        """The place that `cursor` marks. Raises `InputError` where it is no mark of this list."""
        number, _, tag = cursor.partition("-")
        is_number = number.isascii() and number.isdigit() and len(cursor) <= CURSOR_CHARS_MAX
        if not is_number or not hmac.compare_digest(tag.encode(), self._tag(int(number), about).encode()):
            raise InputError("The cursor is none of this question in this session.", hint=HINT)
        return int(number)

    def _tag(self, place: int, about: tuple[Json, ...]) -> str:
        text = msgspec.json.encode([place, *about], order="deterministic")
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:TAG_CHARS]
