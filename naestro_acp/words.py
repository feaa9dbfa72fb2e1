"""Small pieces of text and JSON for a reader: durations, counts, and what is cut to a sane size."""

from typing import cast

import msgspec

from naestro.types import Json

TEXT_CHARS_MAX = 4000
"""Of one text in a tool call: a screen or two; the trace has all of it."""
ITEMS_MAX = 40
"""Of one list in raw output."""
RAW_BYTES_MAX = 32_768
"""Of one raw input or output."""


def size(size_bytes: float) -> str:
    """Bytes for people: `812 MB`, `4.7 GB`."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def cut(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text`, its rest replaced by a word on how long it was where it is longer than `chars_max`."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}\n… ({len(text)} characters in all)"


def raw_json(recorded: bytes) -> Json:
    """A recorded output or input for a client: JSON with long texts and lists cut, or text where it is no JSON."""
    try:
        value = _cut_json(msgspec.json.decode(recorded))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return cut(recorded.decode("utf-8", "replace"))
    if len(msgspec.json.encode(value)) > RAW_BYTES_MAX:
        return cut(recorded.decode("utf-8", "replace"))
    return value


def _cut_json(value: Json) -> Json:
    # The casts say what `isinstance` leaves open: JSON has no other lists and objects.
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list):
        items = cast("list[Json]", value)
        return [_cut_json(item) for item in items[:ITEMS_MAX]]
    if isinstance(value, dict):
        return {key: _cut_json(item) for key, item in cast("dict[str, Json]", value).items()}
    return value
