"""A tool's arguments as its own struct: what is unknown, of a wrong type or too large is refused in a sentence.

`calling` above decodes with it. The limit on size comes first, since whatever looks at an argument takes its time.
"""

from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from naestro.errors import InputError
from naestro.types import Json

SIZE_MAX = 64 * 1024
"""Characters of all arguments together, about. A task with its files' names has a few thousand."""

Arguments = TypeVar("Arguments", bound=msgspec.Struct)


def decoded(tool: str, given: Mapping[str, Json], kind: type[Arguments]) -> Arguments:
    """`given` as `kind`. Raises `InputError`."""
    size = _size(dict(given), SIZE_MAX)
    if size > SIZE_MAX:
        raise InputError(
            f"The arguments of {tool} are longer than {SIZE_MAX // 1024} KB.",
            hint="Name files and lines instead of sending their text.",
        )
    try:
        return msgspec.convert(given, kind)
    except UnicodeEncodeError as error:
        raise InputError(
            f"The arguments of {tool} hold half a character.", hint="Send text as Unicode has it."
        ) from error
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_encode_fields__)
        raise InputError(
            f"The arguments of {tool} do not fit: {str(error).rstrip('.')}.", hint=f"It takes: {known}."
        ) from error


def _size(value: Json, limit: int) -> int:
    """About how many characters `value` has; it is not looked at further than `limit`."""
    size = 0
    waiting: list[Json] = [value]
    while waiting and size <= limit:
        match waiting.pop():
            case str() as text:
                size += len(text) + 2
            case dict() | list() as inner:  # pyright: ignore[reportUnknownVariableType] - as JSON has it, see below
                parts = _parts(cast("dict[str, Json] | list[Json]", inner))
                size += 2 * len(parts)
                waiting.extend(parts)
            case _:
                size += 8
    return size


def _parts(value: dict[str, Json] | list[Json]) -> list[Json]:
    return value if isinstance(value, list) else [*value.keys(), *value.values()]
