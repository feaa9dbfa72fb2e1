"""Recorded JSON as text that a person can read and compare: one line a value, long texts line by line.

Patches, forks and replays show their differences this way. It is for eyes only and is never read back.
"""

from difflib import unified_diff
from itertools import chain

import msgspec

COMPARED_MAX = 4_000_000
"""Lines before times lines after beyond which everything counts as changed: difflib takes quadratic time."""

INDENT = "  "


def diff_of(name: str, before: bytes, after: bytes) -> bytes:
    """A unified diff of two recorded values, for the artifact that shows what changed; UTF-8."""
    old, new = readable(before), readable(after)
    if len(old) * len(new) > COMPARED_MAX:
        lines = chain(
            [f"--- {name}", f"+++ {name}"], (f"-{line}" for line in old), (f"+{line}" for line in new)
        )
    else:
        lines = unified_diff(old, new, name, name, lineterm="")
    return "\n".join(lines).encode()


def readable(raw: bytes) -> list[str]:
    """The lines of a JSON value; of the text itself when it is a string or no JSON at all."""
    try:
        value: object = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw.decode(errors="replace").splitlines()
    return value.splitlines() if isinstance(value, str) else _lines(value)


def _lines(value: object) -> list[str]:
    match value:
        case dict():
            pairs = msgspec.convert(value, dict[str, object]).items()
            return list(chain.from_iterable(_entry(f"{key}:", one) for key, one in pairs)) or ["{}"]
        case list():
            items = msgspec.convert(value, list[object])
            return list(chain.from_iterable(_entry("-", one) for one in items)) or ["[]"]
        case str() if "\n" in value:
            return value.splitlines()
        case _:
            return [msgspec.json.encode(value).decode()]


def _entry(head: str, value: object) -> list[str]:
    """`head` and a short value on one line; else the value's lines below it, indented."""
    lines = _lines(value)
    if len(lines) == 1 and not (isinstance(value, dict | list) and value):
        return [f"{head} {lines[0]}"]
    return [head, *(INDENT + line for line in lines)]
